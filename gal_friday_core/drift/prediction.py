"""PREDICTION drift: does the model still say what it used to say, and how well would it do if it is right about itself?

No label is needed. `estimate` takes a calibrated model at its word (confidence-based performance estimation:
expected accuracy is the mean of max(p, 1 − p)); it is blind to a relation that has changed, which is what
`concept` and `performance` watch once labels are known.
"""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gal_friday_core.drift.data import FeatureDrift, Reference, data_drift
from gal_friday_core.drift.discovery import adjusted
from gal_friday_core.drift.finding import Finding, Severity, found, undecided
from gal_friday_core.drift.settings import DriftConfig
from gal_friday_core.drift.statistics import proportions_p_value
from gal_friday_core.drift.thinning import effective, inefficiency

FAR = 0.5
"""Standard deviations of the scores from which their drift is HIGH."""
MANY_TIMES = 3.0
"""So many times as many signals, or as few, is HIGH."""


class Estimated(msgspec.Struct, frozen=True, kw_only=True):
    """What calibrated probabilities promise, before any label: of all rows, and of the trades they would make.

    `precision` and `net_return` (a trade, of the money spent) are None where no row reaches the threshold.
    """

    rows: int
    accuracy: float
    signal_rate: float
    precision: float | None
    net_return: float | None


def estimate(
    probability: NDArray[np.float64], threshold: float, mean_win: float, mean_loss: float
) -> Estimated | None:
    """None of no rows. `mean_win` and `mean_loss` are positive, as `labels.break_even` gives them.

    >>> estimate(np.array([0.9, 0.2]), 0.5, 0.02, 0.01).accuracy
    0.8500000000000001
    """
    if not len(probability):
        return None
    traded = probability[probability >= threshold]
    precision = float(traded.mean()) if len(traded) else None
    return Estimated(
        rows=len(probability),
        accuracy=float(np.maximum(probability, 1 - probability).mean()),
        signal_rate=len(traded) / len(probability),
        precision=precision,
        net_return=None if precision is None else precision * mean_win - (1 - precision) * mean_loss,
    )


@dataclass(frozen=True, eq=False, slots=True)
class ScoreReference:
    """What a model said out of sample before it was promoted, in time order; never on what it learnt from."""

    scores: Reference
    threshold: float
    signal_rate: float
    rows_each_signal: float

    @classmethod
    def of(cls, probability: NDArray[np.float64], threshold: float) -> "ScoreReference":
        """`threshold`: from which probability on the model's trades are entered."""
        signals = (probability >= threshold).astype(np.float64)
        return cls(
            Reference.of(probability[:, None], ("score",)), threshold,
            float(signals.mean()) if len(signals) else 0.0, _rows_each(signals),
        )  # fmt: skip


class PredictionDrift(msgspec.Struct, frozen=True, kw_only=True):
    """`score` as of a feature, its `q_value` adjusted for both tests; `signal_q_value` None where too few signals."""

    score: FeatureDrift
    signal_rate: float | None
    reference_signal_rate: float
    signal_q_value: float | None
    signals_drifted: bool

    @property
    def told(self) -> bool:
        return self.score.told or self.signals_drifted


def prediction_drift(
    reference: ScoreReference, probability: NDArray[np.float64], config: DriftConfig
) -> PredictionDrift:
    """The scores of a current window, in time order, NaN where the model could not score, against the reference."""
    (score,) = data_drift(reference.scores, probability[:, None], config)
    said = probability[np.isfinite(probability)]
    rate = float((said >= reference.threshold).mean()) if len(said) else None
    signal_p = np.nan
    if rate is not None:
        signal_p = proportions_p_value(
            reference.signal_rate, effective(float(reference.scores.known[0]), reference.rows_each_signal),
            rate, effective(len(said), reference.rows_each_signal),
        )  # fmt: skip
    score_q, signal_q = adjusted(np.array([np.nan if score.p_value is None else score.p_value, signal_p]))
    if score.state in {"same", "drifted"}:
        drifted = score_q <= config.false_discovery_rate and (score.shift or 0.0) >= config.min_shift
        score = msgspec.structs.replace(score, q_value=float(score_q), state="drifted" if drifted else "same")
    return PredictionDrift(
        score=score, signal_rate=rate, reference_signal_rate=reference.signal_rate,
        signal_q_value=float(signal_q) if np.isfinite(signal_q) else None,
        signals_drifted=bool(signal_q <= config.false_discovery_rate),
    )  # fmt: skip


def prediction_finding(
    model_id: str, drift: PredictionDrift, estimated: Estimated | None, config: DriftConfig
) -> Finding:
    """What it amounts to; `estimated` is shown beside it."""
    metrics = _metrics(drift, estimated)
    if drift.score.state == "short" and drift.signal_q_value is None:
        return undecided(model_id, "PREDICTION_DRIFT", _short(drift.score, config), metrics)
    known = [q for q in (drift.score.q_value, drift.signal_q_value) if q is not None]
    silent = drift.score.state in {"dead", "missing"}
    confidence = 1.0 if silent else 1 - min(known, default=1.0)
    return found(
        model_id,
        "PREDICTION_DRIFT",
        _severity(drift),
        confidence=confidence,
        reason=_reason(drift),
        metrics=metrics,
        repair=silent,
    )


def _severity(drift: PredictionDrift) -> Severity:
    if drift.score.state in {"dead", "missing"}:
        return "CRITICAL"
    far = drift.score.told and (drift.score.shift or 0.0) >= FAR
    if far or (drift.signals_drifted and _times(drift) >= MANY_TIMES):
        return "HIGH"
    return "MEDIUM" if drift.told else "LOW"


def _times(drift: PredictionDrift) -> float:
    """How many times as many signals, or as few; without any on one side, infinitely many."""
    rates = (drift.signal_rate or 0.0, drift.reference_signal_rate)
    return max(rates) / min(rates) if min(rates) > 0 else np.inf


def _reason(drift: PredictionDrift) -> str:
    score = drift.score
    if score.state == "dead":
        return "the model says the same number again and again: look at its features before training again"
    if score.state == "missing":
        return f"the model could not score {score.missing_share:.0%} of the rows: look at its features"
    parts = []
    if score.told:
        parts.append(f"the scores have shifted by {score.shift:.2f} standard deviations")
    if drift.signals_drifted and drift.signal_rate is not None:
        parts.append(
            f"{drift.signal_rate:.2%} of the bars are signals, {drift.reference_signal_rate:.2%} were before"
        )
    return "; ".join(parts) or "scores and signals are as they were"


def _short(score: FeatureDrift, config: DriftConfig) -> str:
    """Which side is too short, and what would help."""
    if score.independent_rows < config.min_effective_rows:
        side, worth, then = "the predictions are", score.independent_rows, "wait for more"
    else:
        side, worth, then = "what it said of its holdout is", score.reference_rows, "train on more history"
    return f"{side} worth {worth:.1f} independent rows, fewer than {config.min_effective_rows}: {then}"


def _metrics(drift: PredictionDrift, estimated: Estimated | None) -> dict[str, Any]:
    return {
        "score_shift": drift.score.shift,
        "score_stability_index": drift.score.stability,
        "score_ks": drift.score.ks,
        "score_q_value": drift.score.q_value,
        "score_state": drift.score.state,
        "signal_rate": drift.signal_rate,
        "reference_signal_rate": drift.reference_signal_rate,
        "signal_q_value": drift.signal_q_value,
        "estimated": None if estimated is None else msgspec.to_builtins(estimated),
    }


def _rows_each(signals: NDArray[np.float64]) -> float:
    """A model that never, or always, signals has no runs that could be counted: its rows count alone."""
    return inefficiency(signals) if len(signals) and signals.min() < signals.max() else 1.0
