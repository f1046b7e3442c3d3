"""Each gate of a certificate: its number, the limit that the configuration sets, and both in plain words."""

from collections.abc import Sequence

from gal_friday_core.certificate import Gate
from gal_friday_core.config import GatesConfig
from gal_friday_core.evidence.challenge import Challenge
from gal_friday_core.evidence.parity import Parity
from gal_friday_core.evidence.report import Canary, Choice, Quality, SharpeFamily, Stress
from gal_friday_core.evidence.stress import COSTS_DOUBLED, ONE_BAR_LATE
from gal_friday_core.scores import Scores
from gal_friday_core.validation import earns, informs, trades_enough


def walk_forward(pooled: Scores, gates: GatesConfig) -> tuple[Gate, ...]:
    """It says something, it earns, and there is enough to judge both."""
    gain, profit = pooled.log_loss_gain.low, pooled.mean_net_return.low
    return (
        Gate.of("log_loss_gain", gain, "above", gates.min_log_loss_gain, informs(pooled, gates)[1]),
        Gate.of("net_profit", profit, "above", gates.min_net_profit, earns(pooled, gates)[1]),
        Gate.of(
            "trades",
            float(pooled.trades),
            "at_least",
            float(gates.min_trades),
            trades_enough(pooled, gates)[1],
        ),
    )


def beats_production(challenge: Challenge | None, gates: GatesConfig) -> Gate:
    """The lower end of the interval by which it betters the model in production; nothing to ask where there is none."""
    if challenge is None:
        return Gate.of("beats_production", None, "above", None, "no model of this type is in production")
    limit = gates.min_gain_on_production
    return Gate.of("beats_production", challenge.gain.low, "above", limit, challenge.about)


def skill(sharpe: SharpeFamily, choice: Choice, gates: GatesConfig) -> tuple[Gate, ...]:
    """Whether the track record is skill: in itself, after all that was tried, and long enough to tell."""
    psr, dsr, needed = _in_words(sharpe)
    return (
        Gate.of("psr", sharpe.psr, "at_least", gates.min_psr, psr),
        Gate.of("dsr", sharpe.dsr, "at_least", gates.min_dsr, dsr),
        _overfitting(sharpe.trials, choice, gates),
        Gate.of("min_track_record", sharpe.minimum_record_days, "at_most", float(sharpe.days), needed),
    )


def _in_words(sharpe: SharpeFamily) -> tuple[str, str, str]:
    if sharpe.annual_ratio is None or sharpe.psr is None:
        return (f"{sharpe.days:,} days out of sample hold too few trades for a Sharpe ratio",) * 3
    ratio = f"Sharpe ratio {sharpe.annual_ratio:+.2f} a year over {sharpe.days:,} days out of sample"
    psr = f"{ratio}: above zero with probability {sharpe.psr:.1%}"
    tried = f"luck of the best of {sharpe.trials:,}" if sharpe.trials > 1 else "luck of a single try"
    dsr = f"{ratio}: {tried} cannot be told, since most trials' ratios are unknown"
    if sharpe.dsr is not None:
        dsr = f"{ratio}: beyond the {tried} and of taking every trade with probability {sharpe.dsr:.1%}"
    if sharpe.minimum_record_days is None:
        return psr, dsr, f"{ratio}: no record is long enough to prove it"
    return psr, dsr, f"{ratio}: {sharpe.minimum_record_days:,.0f} days would be needed"


def _overfitting(trials: int, choice: Choice, gates: GatesConfig) -> Gate:
    limit = None if trials - choice.apart == 1 else gates.max_pbo
    return Gate.of("pbo", choice.probability, "at_most", limit, choice.about)


def stress(measured: Sequence[Stress], gates: GatesConfig) -> tuple[Gate, ...]:
    """The mean net return of the same decisions at twice the costs, and one bar late."""
    found = {one.name: one for one in measured}
    return (
        _stress("stress_costs", found.get(COSTS_DOUBLED), gates),
        _stress("stress_latency", found.get(ONE_BAR_LATE), gates),
    )


def _stress(name: str, found: Stress | None, gates: GatesConfig) -> Gate:
    limit = gates.min_stressed_profit
    if found is None or found.mean_net_return.value is None:
        return Gate.of(name, None, "above", limit, "no trade to stress")
    mean = found.mean_net_return.value
    said = f"{found.name}: mean net return a trade {mean:+.3%} over {found.trades:,} trades"
    return Gate.of(name, mean, "above", limit, said)


def leakage(canary: Canary) -> Gate:
    """Signs of a leak, none of which is allowed."""
    leaks = None if canary.leaks is None else float(canary.leaks)
    return Gate.of("leakage_canary", leaks, "equal", 0.0, "; ".join(_leaks(canary)))


def _leaks(canary: Canary) -> list[str]:
    said = []
    if not canary.recomputed:
        said.append("nobody here computes this feature set, so nobody could look for leaks in it")
    if canary.differing:
        said.append(
            f"{canary.differing:,} of {canary.rows:,} feature rows are not what the candles until then give "
            f"({', '.join(canary.features)})"
        )
    if canary.overlaps:
        said.append(f"{canary.overlaps:,} labels that were learnt from touch a tested moment")
    said += [
        f"{suspect.feature} alone tells the outcome with an AUC of {suspect.auc:.3f}: too good to be true"
        for suspect in canary.suspects
    ]
    return said or [f"{canary.rows:,} feature rows computed again without their future: the same bits"]


def serving(rows: int, differing: int) -> Gate:
    """What the engine's compiled form predicts against what the training library predicts."""
    value = float(differing) if rows else None
    return Gate.of(
        "serving_parity",
        value,
        "equal",
        0.0,
        f"{differing:,} of {rows:,} predictions differ from the library's own",
    )


def replayed(parity: Parity | None) -> Gate:
    """Live drivers, bar by bar, against the table that was learnt from."""
    if parity is None or not parity.rows:
        return Gate.of("replay_parity", None, "equal", 0.0, "no bars were replayed as live")
    said = f"{parity.source}: {parity.differing:,} of {parity.rows:,} bars replayed as live differ"
    return Gate.of("replay_parity", float(parity.differing), "equal", 0.0, said)


def untouched(artifact_id: str, files: int) -> Gate:
    """The files verified, or there would be no certificate."""
    return Gate.of(
        "artifact_hash",
        0.0,
        "equal",
        0.0,
        f"sha256 {artifact_id[:12]}…: 0 of {files} files altered since sealed",
    )


def calibrated(pooled: Scores, gates: GatesConfig) -> Gate:
    """Mean distance between said and seen."""
    error = pooled.calibration_error
    said = f"said and seen probabilities differ by {error:.1%} on average"
    return Gate.of("calibration_error", error, "at_most", gates.max_calibration_error, said)


def believable(quality: Quality) -> Gate:
    """Reasons not to believe the candles, none of which is allowed."""
    said = "; ".join(quality.reasons) or (
        f"{quality.candles:,} candles, {quality.missing_share:.1%} of bars missing: nothing speaks against them"
    )
    return Gate.of("data_quality", float(len(quality.reasons)), "equal", 0.0, said)
