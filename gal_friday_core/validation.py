"""Is it any good? Out-of-sample scores with their confidence, and gates that answer in plain words.

A model passes when, out of sample and at the lower end of the confidence interval, it says more than the
base rate does and its trades earn more than they cost. `validate` scores folds, `judge` decides.
"""

from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gal_friday_core.config import GatesConfig
from gal_friday_core.resampling import Blocks
from gal_friday_core.scores import OutOfSample, Scores, log_losses, score
from gal_friday_core.times import to_iso

RESAMPLES = 1_000
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


@dataclass(frozen=True, eq=False, slots=True)
class FoldResult:
    """One fold's predictions, and the numbers of its training.

    `events` and `trades` are rows of the training set's labels: what `sample` says of them, and where a trade
    began. `window_rate` is the share of wins in all that the fold was trained on, `recent_rate` in the latest
    part alone, on which it was calibrated.
    """

    sample: OutOfSample
    events: NDArray[np.int64]
    trades: NDArray[np.int64]
    fit_events: int
    calibration_events: int
    window_rate: float
    recent_rate: float
    threshold: float
    mean_win: float
    mean_loss: float


class Verdict(msgspec.Struct, frozen=True):
    """`reasons` in plain words with their numbers: why not, or what was shown."""

    passed: bool
    reasons: tuple[str, ...]


class FoldReport(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    test_start: str
    test_end: str
    fit_events: int
    calibration_events: int
    threshold: float
    mean_win: float
    mean_loss: float
    scores: Scores


class ValidationReport(msgspec.Struct, frozen=True, kw_only=True):
    """What report.json says. `base_rate_from` tells which constant was the harder one to beat."""

    verdict: Verdict
    pooled: Scores
    folds: tuple[FoldReport, ...]
    confidence: float
    resamples: int
    block_events: int
    base_rate_from: str
    prediction_quantiles: dict[str, float]
    outcomes: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; what is not known is null."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    @classmethod
    def from_dict(cls, document: Any) -> "ValidationReport":
        """The inverse of `to_dict`. Raises msgspec.ValidationError."""
        return msgspec.convert(document, cls)


def validate(
    folds: list[FoldResult],
    gates: GatesConfig,
    *,
    block_events: int,
    seed: int,
    outcomes: dict[str, int],
) -> ValidationReport:
    """Score every fold and all of them together, and judge.

    `block_events` is the length of a bootstrap block, in events: at least a trade's horizon.
    """
    folds, source = _against_the_harder_base_rate(folds)
    pooled_sample = _pool([fold.sample for fold in folds])
    rng = np.random.default_rng(seed)
    blocks = Blocks.draw(len(pooled_sample.label), block_events, RESAMPLES, rng)
    pooled = score(pooled_sample, blocks, gates.confidence)
    reports = [
        _fold_report(number, fold, block_events, gates, rng) for number, fold in enumerate(folds, start=1)
    ]
    return ValidationReport(
        verdict=judge(pooled, gates),
        pooled=pooled,
        folds=tuple(reports),
        confidence=gates.confidence,
        resamples=RESAMPLES,
        block_events=blocks.length,
        base_rate_from=source,
        prediction_quantiles=quantiles(pooled_sample.probability),
        outcomes=outcomes,
    )


def quantiles(probability: NDArray[np.float64]) -> dict[str, float]:
    """Of out-of-sample predictions, keyed '0.05' … '0.99'."""
    return {f"{q:g}": float(np.quantile(probability, q)) for q in QUANTILES}


def _against_the_harder_base_rate(folds: list[FoldResult]) -> tuple[list[FoldResult], str]:
    """Calibration learns the recent base rate, so a model has to beat that one too, not only the long-run one."""
    rates = {
        "the whole training window": [fold.window_rate for fold in folds],
        "the latest part of training": [fold.recent_rate for fold in folds],
    }
    label = np.concatenate([fold.sample.label for fold in folds])
    sizes = [len(fold.sample.label) for fold in folds]
    losses = {name: log_losses(np.repeat(rate, sizes), label).mean() for name, rate in rates.items()}
    source = min(losses, key=lambda name: float(losses[name]))
    return [
        replace(fold, sample=replace(fold.sample, base=np.full(size, rate)))
        for fold, size, rate in zip(folds, sizes, rates[source], strict=True)
    ], source


def _pool(samples: list[OutOfSample]) -> OutOfSample:
    offsets = np.cumsum([0, *(len(sample.label) for sample in samples[:-1])])
    return OutOfSample(
        t0_ns=np.concatenate([sample.t0_ns for sample in samples]),
        probability=np.concatenate([sample.probability for sample in samples]),
        label=np.concatenate([sample.label for sample in samples]),
        base=np.concatenate([sample.base for sample in samples]),
        trade_event=np.concatenate(
            [sample.trade_event + offset for sample, offset in zip(samples, offsets, strict=True)]
        ),
        trade_return=np.concatenate([sample.trade_return for sample in samples]),
    )


def _fold_report(
    number: int, fold: FoldResult, block_events: int, gates: GatesConfig, rng: np.random.Generator
) -> FoldReport:
    blocks = Blocks.draw(len(fold.sample.label), block_events, RESAMPLES, rng)
    return FoldReport(
        number=number,
        test_start=to_iso(int(fold.sample.t0_ns[0])),
        test_end=to_iso(int(fold.sample.t0_ns[-1])),
        fit_events=fold.fit_events,
        calibration_events=fold.calibration_events,
        threshold=fold.threshold,
        mean_win=fold.mean_win,
        mean_loss=fold.mean_loss,
        scores=score(fold.sample, blocks, gates.confidence),
    )


def judge(pooled: Scores, gates: GatesConfig) -> Verdict:
    """Passed only if every gate is; the reasons are those of the failed gates, or of all when none failed."""
    checks = [informs(pooled, gates), trades_enough(pooled, gates), earns(pooled, gates)]
    failed = tuple(reason for passed, reason in checks if not passed)
    return Verdict(not failed, failed or tuple(reason for _, reason in checks))


def informs(pooled: Scores, gates: GatesConfig) -> tuple[bool, str]:
    """Whether it says more than the base rate does, and that in words."""
    gain, demanded = pooled.log_loss_gain, gates.min_log_loss_gain
    said = f"log loss {pooled.log_loss.value:.4f} against {pooled.base_log_loss:.4f} of the base rate"
    if gain.value is None or gain.low is None:
        return False, f"{said}: no confidence interval could be drawn"
    if gain.value <= 0:
        return False, f"{said}: no better than always saying {pooled.base_rate:.1%}"
    interval = f"{gates.confidence:.0%} interval {gain.low:+.5f} to {gain.high:+.5f}"
    if gain.low <= demanded:
        return False, f"{said}: the gain may be chance ({interval}; its lower end must exceed {demanded:g})"
    return True, f"{said}: better than always saying {pooled.base_rate:.1%} ({interval})"


def trades_enough(pooled: Scores, gates: GatesConfig) -> tuple[bool, str]:
    """Whether there is enough to judge, and that in words."""
    said = f"{pooled.trades:,} out-of-sample trades above the break-even probability"
    if pooled.trades < gates.min_trades:
        return False, f"{said}: at least {gates.min_trades:,} are needed before profit can be judged"
    return True, said


def earns(pooled: Scores, gates: GatesConfig) -> tuple[bool, str]:
    """Whether its trades earn more than they cost, and that in words."""
    mean, demanded = pooled.mean_net_return, gates.min_net_profit
    if mean.value is None or mean.low is None:
        return False, "no out-of-sample trade: net profit is unknown"
    said = f"mean net return a trade {mean.value:+.3%} after fees over {pooled.trades:,} trades"
    interval = f"{gates.confidence:.0%} interval {mean.low:+.3%} to {mean.high:+.3%}"
    if mean.value <= demanded:
        return False, f"{said}: not above {demanded:.2%} ({interval})"
    if mean.low <= demanded:
        return (
            False,
            f"{said}: the profit may be chance ({interval}; its lower end must exceed {demanded:.2%})",
        )
    return True, f"{said} ({interval})"
