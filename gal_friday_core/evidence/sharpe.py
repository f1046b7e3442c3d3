"""Sharpe ratios as estimates: how probable, how long a record, how much is owed to choosing the best of many.

All ratios here are per observation, not annual: mean of the returns over their standard deviation, without a
risk-free rate. `kurtosis` is the plain one: 3 for normal returns.

Two conventions are in use, and differ: the one of 2014 takes the variance of the estimate at the ratio that
was observed and divides by T - 1; the one of 2026 takes it at the ratio of the null hypothesis, divides by T,
and knows of autocorrelation. Each function says which it follows.

References: Bailey and López de Prado, The Sharpe Ratio Efficient Frontier, Journal of Risk 15, 2012; the same,
The Deflated Sharpe Ratio, Journal of Portfolio Management 40, 2014; Bailey, Borwein, López de Prado and Zhu,
Pseudo-Mathematics and Financial Charlatanism, Notices of the AMS 61, 2014; López de Prado, Lipton and
Zoonekynd, How to Use the Sharpe Ratio, SSRN 5520741, 2026.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.errors import DataError

NORMAL = NormalDist()
EULER = 0.577_215_664_901_532_9


@dataclass(frozen=True, slots=True)
class Record:
    """What a track record says of itself: `ratio` per observation, `length` observations, and their shape."""

    ratio: float
    length: int
    skewness: float = 0.0
    kurtosis: float = 3.0
    autocorrelation: float = 0.0

    @classmethod
    def of(cls, returns: NDArray[np.float64]) -> "Record":
        """The record of `returns` (observations,), plain moments. Raises DataError where they never vary."""
        if len(returns) < 3:
            raise DataError(f"{len(returns)} returns are no track record: at least 3 are needed")
        centred = returns - returns.mean()
        deviation = float(centred.std())
        if not deviation > 0:
            raise DataError(f"{len(returns):,} equal returns have no Sharpe ratio")
        scaled = centred / deviation
        return cls(
            ratio=float(returns.mean() / returns.std(ddof=1)),
            length=len(returns),
            skewness=float((scaled**3).mean()),
            kurtosis=float((scaled**4).mean()),
            autocorrelation=float((scaled[1:] * scaled[:-1]).mean()),
        )


def variance(record: Record, ratio: float) -> float:
    """Variance of the estimate times the number of observations, at a true ratio of `ratio`, for returns
    that do not depend on each other (2014).
    """
    return 1.0 - record.skewness * ratio + (record.kurtosis - 1.0) / 4.0 * ratio**2


def dependent_variance(record: Record, ratio: float) -> float:
    """`variance` for returns of first-order autocorrelation (2026, equation 3): the same where there is none."""
    rho = record.autocorrelation
    return (
        (1.0 + rho) / (1.0 - rho)
        - (1.0 + rho + rho**2) / (1.0 - rho**2) * record.skewness * ratio
        + (1.0 + rho**2) / (1.0 - rho**2) * (record.kurtosis - 1.0) / 4.0 * ratio**2
    )


def probabilistic(record: Record, benchmark: float = 0.0) -> float:
    """Probability that the true ratio exceeds `benchmark` (2014).

    >>> round(probabilistic(Record(1.585 / 12**0.5, 24, -2.448, 10.164)), 10)
    0.9132343069
    """
    spread = _positive(variance(record, record.ratio), record)
    return NORMAL.cdf((record.ratio - benchmark) * math.sqrt((record.length - 1) / spread))


def probabilistic_2026(record: Record, benchmark: float = 0.0) -> float:
    """Probability of a lower ratio than the observed one, were `benchmark` the true ratio (2026)."""
    spread = _positive(dependent_variance(record, benchmark), record)
    return NORMAL.cdf((record.ratio - benchmark) * math.sqrt(record.length / spread))


def expected_best(trials: float) -> float:
    """Expected largest of `trials` independent standard normal draws, approximately; 0 for one.

    >>> round(expected_best(100), 10)
    2.5306028932
    """
    if trials < 1:
        raise DataError(f"{trials} trials: at least the one that is judged was made")
    if trials == 1:
        return 0.0
    return (1 - EULER) * NORMAL.inv_cdf(1 - 1 / trials) + EULER * NORMAL.inv_cdf(1 - 1 / (trials * math.e))


def luck(trials: float, variance_of_trials: float) -> float:
    """The ratio to expect of the best of `trials` without skill, whose ratios vary by `variance_of_trials`.

    >>> round(luck(100, 0.5 / 250), 4)
    0.1132
    """
    return math.sqrt(variance_of_trials) * expected_best(trials)


def deflated(record: Record, trials: float, variance_of_trials: float) -> float:
    """Deflated Sharpe ratio: the probability that the true ratio exceeds what luck gave the best trial (2014).

    `variance_of_trials`: of the trials' ratios, per observation as all ratios here. With trials that resemble
    each other `trials` is the number of independent ones.

    >>> round(deflated(Record(2.5 / 250**0.5, 1250, -3, 10), 100, 0.5 / 250), 10)
    0.9003968344
    """
    return probabilistic(record, luck(trials, variance_of_trials))


def minimum_record(record: Record, benchmark: float = 0.0, confidence: float = 0.95) -> float:
    """Observations from which this ratio is significantly above `benchmark`; infinite where it is not above (2014)."""
    spread = _positive(variance(record, record.ratio), record)
    return 1.0 + spread * _squared_needed(record.ratio - benchmark, confidence)


def minimum_record_2026(record: Record, benchmark: float = 0.0, confidence: float = 0.95) -> float:
    """`minimum_record` in the convention of 2026."""
    spread = _positive(dependent_variance(record, benchmark), record)
    return spread * _squared_needed(record.ratio - benchmark, confidence)


def minimum_backtest_years(trials: float, annual_ratio: float) -> float:
    """Years of backtest below which the best of `trials` without skill is expected to show `annual_ratio`.

    >>> round(minimum_backtest_years(45, 1.0), 7)
    4.998087
    """
    return (expected_best(trials) / annual_ratio) ** 2


def planned_false_discovery(
    record: Record, alternative: float, prior: float, *, benchmark: float = 0.0, confidence: float = 0.95
) -> float:
    """Of the records that pass a test at `confidence`, the share without skill (2026).

    `prior`: share of strategies whose true ratio is `alternative`; all others' is `benchmark`.
    """
    passed = 1.0 - confidence
    needed = benchmark + NORMAL.inv_cdf(confidence) * _deviation(record, benchmark)
    power = 1.0 - NORMAL.cdf((needed - alternative) / _deviation(record, alternative))
    return passed * (1 - prior) / (passed * (1 - prior) + power * prior)


def observed_false_discovery(
    record: Record, alternative: float, prior: float, *, benchmark: float = 0.0
) -> float:
    """Of the records at least as good as this one, the share without skill (2026)."""
    by_luck = 1.0 - NORMAL.cdf((record.ratio - benchmark) / _deviation(record, benchmark))
    by_skill = 1.0 - NORMAL.cdf((record.ratio - alternative) / _deviation(record, alternative))
    return by_luck * (1 - prior) / (by_luck * (1 - prior) + by_skill * prior)


def _squared_needed(excess: float, confidence: float) -> float:
    if excess <= 0:
        return math.inf
    needed = NORMAL.inv_cdf(confidence) / excess
    return needed * needed


def _deviation(record: Record, ratio: float) -> float:
    return math.sqrt(_positive(dependent_variance(record, ratio), record) / record.length)


def _positive(found: float, record: Record) -> float:
    if not found > 0:
        raise DataError(
            f"skewness {record.skewness:.3g} and kurtosis {record.kurtosis:.3g} leave no variance at a ratio of "
            f"{record.ratio:.3g}: no returns have such moments"
        )
    return found
