"""PERFORMANCE drift: does the model do as well as it says? Measured on labels that are known, at any time.

The model's own calibrated probability is the claim: it errs with chance 1 − max(p, 1 − p), and a trade at p earns
p·W − (1 − p)·L. Three bettors try to refute it (`betting`): that it errs no more than it says, that its trades win as
often as it says, and that they do not lose money. The chances of a false alarm are shared among them: a sound model is accused by those who began with it
with probability `drift.false_alarm_rate` over its whole life, however often one looks, and by those who begin anew
once in `drift.looks_between_alarms` labels.
"""

from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from gal_friday_core.drift import charts
from gal_friday_core.drift.betting import RETURNS, Evidence, against
from gal_friday_core.drift.concept import error_bits
from gal_friday_core.drift.delay import Scored, known, waiting, without_overlap
from gal_friday_core.drift.finding import Finding, Severity, found, undecided
from gal_friday_core.drift.prediction import Estimated, estimate
from gal_friday_core.drift.settings import DriftConfig

MUCH = 0.1
"""Errors more than said, as a fraction, from which performance drift is HIGH."""
BETTORS = 3
RECENT = 200
"""Latest outcomes whose means say how things are now: those of a whole life would hide what began late."""
SLACK, WEIGHT = 0.5, 0.1
"""Of the charts, which are there to be seen: alarms come from the bettors, whose false alarms are proven."""


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """What the model's certificate rests on: the threshold of its trades, their mean win and loss, both positive."""

    threshold: float
    mean_win: float
    mean_loss: float
    widest: float
    """The largest net return that a trade can earn; one beyond it counts as that."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the model says of itself: means of `count` outcomes, seen and said, and of the `RECENT` latest.

    `evidence` against it is a bettor's wealth, from 1; `at` the outcomes seen when it was refuted.
    """

    count: int
    seen: float | None
    said: float | None
    recent_seen: float | None
    recent_said: float | None
    evidence: float
    at: int | None

    @property
    def gap(self) -> float:
        """How far the latest outcomes are from what was said of them."""
        return abs((self.recent_seen or 0.0) - (self.recent_said or 0.0))


class PerformanceDrift(msgspec.Struct, frozen=True, kw_only=True):
    """Of labels that share no time: errors of all, wins and net returns of the trades among them.

    `estimated` is what the model says of its `waiting` predictions, whose labels are still to come.
    """

    errors: Claim
    wins: Claim
    returns: Claim
    waiting: int
    estimated: Estimated | None


def performance_drift(scored: Scored, promise: Promise, now_ns: int, config: DriftConfig) -> PerformanceDrift:
    """Everything the model said since it was promoted. Raises DataError as `delay.check` does."""
    measured = known(scored, now_ns)
    apart, traded = without_overlap(measured), without_overlap(measured, promise.threshold)
    unlabelled = waiting(scored, now_ns)
    return PerformanceDrift(
        errors=_claim(error_bits(apart), expected_errors(apart), error_evidence(apart), config),
        wins=_claim(traded.won, traded.probability, shortfall_evidence(traded), config),
        returns=_claim(traded.net_return, promised(traded, promise), loss_evidence(traded, promise), config),
        waiting=len(unlabelled),
        estimated=estimate(unlabelled.probability, promise.threshold, promise.mean_win, promise.mean_loss),
    )


def _claim(seen: NDArray[Any], said: NDArray[np.float64], evidence: Evidence, config: DriftConfig) -> Claim:
    return Claim(
        count=len(seen), seen=_mean(seen), said=_mean(said), recent_seen=_mean(seen[-RECENT:]),
        recent_said=_mean(said[-RECENT:]), evidence=float(evidence.wealth[-1]) if len(seen) else 1.0,
        at=_alarm(evidence, config),
    )  # fmt: skip


def error_evidence(scored: Scored) -> Evidence:
    """That the model errs more often than it says."""
    return against(error_bits(scored).astype(np.float64), expected_errors(scored))


def shortfall_evidence(traded: Scored) -> Evidence:
    """That trades win less often than the model says."""
    return against((~traded.won).astype(np.float64), 1 - traded.probability)


def loss_evidence(traded: Scored, promise: Promise) -> Evidence:
    """That the trades lose money: the mean net return is below zero."""
    return against(1 - traded.net_return / promise.widest, 1.0, RETURNS)


def expected_errors(scored: Scored) -> NDArray[np.float64]:
    """The chance that each prediction's likelier outcome does not happen, by its own word."""
    return 1 - np.maximum(scored.probability, 1 - scored.probability)


def promised(scored: Scored, promise: Promise) -> NDArray[np.float64]:
    """The mean net return that each probability promises."""
    return scored.probability * promise.mean_win - (1 - scored.probability) * promise.mean_loss


def residuals(traded: Scored, promise: Promise) -> NDArray[np.float64]:
    """How far each trade fell short of its promise, in standard deviations of a trade that wins or loses: up is bad."""
    spread = np.sqrt(traded.probability * (1 - traded.probability)) * (promise.mean_win + promise.mean_loss)
    return (promised(traded, promise) - traded.net_return) / np.maximum(spread, 1e-12)


class ControlCharts(NamedTuple):
    """Of the residuals of trades that have ended, at the times `t1_ns` (trades,) at which that was known."""

    t1_ns: NDArray[np.int64]
    cusum: NDArray[np.float64]
    cusum_limit: float
    ewma: NDArray[np.float64]


def control_charts(traded: Scored, promise: Promise, config: DriftConfig) -> ControlCharts:
    """To be drawn: how far, and since when, trades fall short of their promise."""
    values = residuals(traded, promise)
    limit = charts.cusum_limit(SLACK, config.looks_between_alarms)
    return ControlCharts(traded.t1_ns, charts.cusum(values, SLACK), limit, charts.ewma(values, WEIGHT))


def performance_finding(model_id: str, drift: PerformanceDrift, config: DriftConfig) -> Finding:
    """What it amounts to: more errors or fewer wins than said MEDIUM, far more HIGH, trades that lose money CRITICAL."""
    metrics = msgspec.to_builtins(drift)
    severity = _severity(drift)
    if drift.errors.count < config.min_labels and severity == "LOW":
        return undecided(
            model_id,
            "PERFORMANCE_DRIFT",
            f"{drift.errors.count} labels that share no time are known, {config.min_labels} are needed "
            f"(drift.min_labels), {drift.waiting} predictions wait for theirs",
            metrics,
        )
    return found(
        model_id,
        "PERFORMANCE_DRIFT",
        severity,
        confidence=_confidence(drift, config),
        reason=_reason(drift),
        metrics=metrics,
    )


def _confidence(drift: PerformanceDrift, config: DriftConfig) -> float:
    """One less the chance of so much evidence; of an alarm at least that of the alarms' own rate."""
    claims = (drift.errors, drift.wins, drift.returns)
    wealth = max(claim.evidence for claim in claims)
    least = 1 - config.false_alarm_rate if any(claim.at is not None for claim in claims) else 0.0
    return max(least, 1 - min(1.0, BETTORS / wealth) if wealth > 0 else 0.0)


def _severity(drift: PerformanceDrift) -> Severity:
    if drift.returns.at is not None:
        return "CRITICAL"
    gaps = [claim.gap for claim in (drift.errors, drift.wins) if claim.at is not None]
    if not gaps:
        return "LOW"
    return "HIGH" if max(gaps) >= MUCH else "MEDIUM"


def _reason(drift: PerformanceDrift) -> str:
    errors, wins, returns = drift.errors, drift.wins, drift.returns
    parts = []
    if returns.at is not None:
        parts.append(
            f"its trades lose money: {returns.recent_seen:+.3%} each lately, seen after {returns.at}"
        )
    if wins.at is not None:
        parts.append(
            f"{wins.recent_seen:.1%} of its trades win lately and it says {wins.recent_said:.1%}, seen after {wins.at}"
        )
    if errors.at is not None:
        parts.append(
            f"it errs in {errors.recent_seen:.1%} of labels lately and says {errors.recent_said:.1%}, "
            f"seen after {errors.at}"
        )
    return (
        "; ".join(parts) or f"it does as well as it says over {errors.count} labels and {wins.count} trades"
    )


def _alarm(evidence: Evidence, config: DriftConfig) -> int | None:
    """The first of both kinds of alarm; each bettor has his share of what may go wrong."""
    both = evidence.crossed(BETTORS / config.false_alarm_rate, BETTORS * float(config.looks_between_alarms))
    return min((at for at in both if at is not None), default=None)


def _mean(values: NDArray[Any]) -> float | None:
    return float(values.mean()) if len(values) else None
