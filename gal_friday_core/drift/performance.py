"""PERFORMANCE drift: does the model do as well as it says? Measured on labels that are known, at any time.

The model's own calibrated probability is the claim: it errs with chance 1 − max(p, 1 − p), and a trade at p earns
p·W − (1 − p)·L. Three bettors try to refute it (`betting`): that it errs no more than it says, that its trades win as
often as it says, and that they do not lose money. The chances of a false alarm are shared among them: a sound model is accused by those who began with it
with probability `drift.false_alarm_rate` over its whole life, however often one looks, and by those who begin anew
once in `drift.looks_between_alarms` labels.
"""

from typing import Any

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
SLACK, WEIGHT = 0.5, 0.1
"""Of the charts, which are there to be seen: alarms come from the bettors, whose false alarms are proven."""


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """What the model's certificate rests on: the threshold of its trades, their mean win and loss, both positive."""

    threshold: float
    mean_win: float
    mean_loss: float
    widest: float
    """The largest net return that a trade can earn; one beyond it counts as that."""


class PerformanceDrift(msgspec.Struct, frozen=True, kw_only=True):
    """Of labels that share no time. Evidence is wealth from 1; an alarm is the number of labels or trades seen at it."""

    labels: int
    trades: int
    waiting: int
    error_rate: float | None
    expected_error_rate: float | None
    error_evidence: float
    errors_at: int | None
    win_rate: float | None
    expected_win_rate: float | None
    shortfall_evidence: float
    shortfall_at: int | None
    mean_net_return: float | None
    promised_net_return: float | None
    loss_evidence: float
    losses_at: int | None
    estimated: Estimated | None


def performance_drift(scored: Scored, promise: Promise, now_ns: int, config: DriftConfig) -> PerformanceDrift:
    """Everything the model said since it was promoted. Raises DataError as `delay.check` does."""
    measured = known(scored, now_ns)
    apart, traded = without_overlap(measured), without_overlap(measured, promise.threshold)
    errors, shortfall, losses = (
        error_evidence(apart),
        shortfall_evidence(traded),
        loss_evidence(traded, promise),
    )
    unlabelled = waiting(scored, now_ns)
    return PerformanceDrift(
        labels=len(apart), trades=len(traded), waiting=len(unlabelled),
        error_rate=_mean(error_bits(apart)), expected_error_rate=_mean(expected_errors(apart)),
        error_evidence=_last(errors), errors_at=_alarm(errors, config),
        win_rate=_mean(traded.won), expected_win_rate=_mean(traded.probability),
        shortfall_evidence=_last(shortfall), shortfall_at=_alarm(shortfall, config),
        mean_net_return=_mean(traded.net_return), promised_net_return=_mean(promised(traded, promise)),
        loss_evidence=_last(losses), losses_at=_alarm(losses, config),
        estimated=estimate(unlabelled.probability, promise.threshold, promise.mean_win, promise.mean_loss),
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


def control_charts(traded: Scored, promise: Promise, config: DriftConfig) -> dict[str, Any]:
    """CUSUM and EWMA of the residuals with their limits, for a page."""
    values = residuals(traded, promise)
    return {
        "t1_ns": traded.t1_ns,
        "cusum": charts.cusum(values, SLACK),
        "cusum_limit": charts.cusum_limit(SLACK, config.looks_between_alarms),
        "ewma": charts.ewma(values, WEIGHT),
    }


def performance_finding(model_id: str, drift: PerformanceDrift, config: DriftConfig) -> Finding:
    """What it amounts to: more errors or fewer wins than said MEDIUM, far more HIGH, trades that lose money CRITICAL."""
    metrics = msgspec.to_builtins(drift)
    severity = _severity(drift)
    if drift.labels < config.min_labels and severity == "LOW":
        return undecided(
            model_id,
            "PERFORMANCE_DRIFT",
            f"{drift.labels} labels that share no time are known, {config.min_labels} are needed "
            f"(drift.min_labels), {drift.waiting} predictions wait for theirs",
            metrics,
        )
    wealth = max(drift.error_evidence, drift.shortfall_evidence, drift.loss_evidence)
    confidence = 1 - min(1.0, BETTORS / wealth) if wealth > 0 else 0.0
    return found(
        model_id, "PERFORMANCE_DRIFT", severity, confidence=confidence, reason=_reason(drift), metrics=metrics
    )


def _severity(drift: PerformanceDrift) -> Severity:
    if drift.losses_at is not None:
        return "CRITICAL"
    more = [
        (seen or 0.0) - (said or 0.0)
        for at, seen, said in (
            (drift.errors_at, drift.error_rate, drift.expected_error_rate),
            (drift.shortfall_at, drift.expected_win_rate, drift.win_rate),
        )
        if at is not None
    ]
    if not more:
        return "LOW"
    return "HIGH" if max(more) >= MUCH else "MEDIUM"


def _reason(drift: PerformanceDrift) -> str:
    parts = []
    if drift.losses_at is not None:
        parts.append(
            f"its trades lose money: {drift.mean_net_return:+.3%} each over {drift.trades}, seen after {drift.losses_at}"
        )
    if drift.shortfall_at is not None:
        parts.append(
            f"{drift.win_rate:.1%} of {drift.trades} trades win and it says {drift.expected_win_rate:.1%}, "
            f"seen after {drift.shortfall_at}"
        )
    if drift.errors_at is not None:
        parts.append(
            f"it errs in {drift.error_rate:.1%} of {drift.labels} labels and says {drift.expected_error_rate:.1%}, "
            f"seen after {drift.errors_at}"
        )
    return (
        "; ".join(parts) or f"it does as well as it says over {drift.labels} labels and {drift.trades} trades"
    )


def _alarm(evidence: Evidence, config: DriftConfig) -> int | None:
    """The first of both kinds of alarm; each bettor has his share of what may go wrong."""
    both = evidence.crossed(BETTORS / config.false_alarm_rate, BETTORS * float(config.looks_between_alarms))
    return min((at for at in both if at is not None), default=None)


def _mean(values: NDArray[Any]) -> float | None:
    return float(values.mean()) if len(values) else None


def _last(evidence: Evidence) -> float:
    return float(evidence.wealth[-1]) if len(evidence.wealth) else 1.0
