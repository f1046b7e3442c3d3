"""The Sharpe ratio in the light of how many runs were made before this one was chosen."""

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from gal_friday_core.errors import DataError
from gal_friday_core.evidence import sharpe
from gal_friday_core.performance import DAYS_PER_YEAR


class Tried(msgspec.Struct, frozen=True):
    """`count` configurations were tried, this one among them; their daily Sharpe ratios vary by `variance`, None where that
    is not known; `source` says where the number comes from.
    """

    count: int = 1
    variance: float | None = None
    source: str = "no other configuration was told"


class Deflated(msgspec.Struct, frozen=True, kw_only=True):
    """Ratios per day. `luck`: what the best of `trials` without skill is expected to show; `dsr`: the probability that the
    true ratio exceeds it, `psr` that it exceeds zero (2014; `psr_2026` knows of autocorrelation). `variance_from`:
    'trials', or 'theory' where the variance of ratios without skill had to be taken. None where returns cannot say.
    """

    days: int
    ratio: float | None
    annual_ratio: float | None
    skewness: float | None
    kurtosis: float | None
    autocorrelation: float | None
    psr: float | None
    psr_2026: float | None
    trials: int
    trials_from: str
    variance: float | None
    variance_from: str
    luck: float | None
    annual_luck: float | None
    dsr: float | None
    minimum_record_days: float | None
    minimum_backtest_years: float | None


def deflated(returns: NDArray[np.float64], tried: Tried, confidence: float) -> Deflated:
    """Of daily `returns` (days,).

    Without the trials' own variance theirs is taken to be that of ratios that differ by chance alone, which is 1 / (T - 1).
    """
    try:
        record = sharpe.Record.of(returns)
        found = _known(record, tried, confidence)
    except DataError:
        return _unknown(len(returns), tried)
    return found


def _known(record: sharpe.Record, tried: Tried, confidence: float) -> Deflated:
    own = tried.variance is not None
    variance = tried.variance if tried.variance is not None else 1 / (record.length - 1)
    luck = sharpe.luck(tried.count, variance)
    annual = record.ratio * math.sqrt(DAYS_PER_YEAR)
    needed = sharpe.minimum_record(record, confidence=confidence)
    return Deflated(
        days=record.length,
        ratio=record.ratio,
        annual_ratio=annual,
        skewness=record.skewness,
        kurtosis=record.kurtosis,
        autocorrelation=record.autocorrelation,
        psr=sharpe.probabilistic(record),
        psr_2026=sharpe.probabilistic_2026(record),
        trials=tried.count,
        trials_from=tried.source,
        variance=variance,
        variance_from="trials" if own else "theory",
        luck=luck,
        annual_luck=luck * math.sqrt(DAYS_PER_YEAR),
        dsr=sharpe.probabilistic(record, luck),
        minimum_record_days=needed if math.isfinite(needed) else None,
        minimum_backtest_years=sharpe.minimum_backtest_years(tried.count, annual) if annual > 0 else None,
    )


def _unknown(days: int, tried: Tried) -> Deflated:
    return Deflated(
        days=days, ratio=None, annual_ratio=None, skewness=None, kurtosis=None, autocorrelation=None, psr=None,
        psr_2026=None, trials=tried.count, trials_from=tried.source, variance=tried.variance, variance_from="trials",
        luck=None, annual_luck=None, dsr=None, minimum_record_days=None, minimum_backtest_years=None,
    )  # fmt: skip
