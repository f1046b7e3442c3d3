"""The Sharpe family of one track record, in the light of how many were tried."""

import math

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.errors import DataError
from gal_friday_core.evidence import sharpe
from gal_friday_core.evidence.overfitting import BLOCKS, MIN_BLOCK_ROWS, probability_of_overfitting
from gal_friday_core.evidence.report import Choice, SharpeFamily
from gal_friday_core.evidence.trials import Trials

DAYS_A_YEAR = 365
"""Crypto trades on all of them."""


def daily_ratio(returns: NDArray[np.float64]) -> float | None:
    """Of daily `returns` (days,); None where they never vary or are fewer than three."""
    try:
        return sharpe.Record.of(returns).ratio
    except DataError:
        return None


def annual_ratio(returns: NDArray[np.float64]) -> float | None:
    """`daily_ratio` by the year."""
    ratio = daily_ratio(returns)
    return None if ratio is None else ratio * math.sqrt(DAYS_A_YEAR)


def sharpe_family(
    returns: NDArray[np.float64], passive: NDArray[np.float64], trials: Trials, confidence: float
) -> SharpeFamily:
    """Every statistic of daily `returns` (days,), None where they, or the trials, cannot say.

    `passive` (days,): daily returns of taking every trade. In a rising market all trials of a strategy that only
    buys earn alike: their ratios lie close together, around one above zero, which no deflation by their variance
    alone takes off.
    """
    idle = daily_ratio(passive)
    variance = trials.variance
    luck = None if variance is None else sharpe.luck(trials.count, variance)
    try:
        record = sharpe.Record.of(returns)
        psr = sharpe.probabilistic(record)
        psr_2026 = sharpe.probabilistic_2026(record)
        needed = sharpe.minimum_record(record, confidence=confidence)
    except DataError:
        return _unknown(len(returns), trials.count, variance, luck, idle)
    annual = record.ratio * math.sqrt(DAYS_A_YEAR)
    return SharpeFamily(
        days=record.length,
        ratio=record.ratio,
        annual_ratio=annual,
        skewness=record.skewness,
        kurtosis=record.kurtosis,
        autocorrelation=record.autocorrelation,
        psr=psr,
        psr_2026=psr_2026,
        dsr=None if luck is None else sharpe.probabilistic(record, max(idle or 0.0, 0.0) + luck),
        passive=idle,
        luck=luck,
        trials=trials.count,
        variance_of_trials=variance,
        minimum_record_days=needed if math.isfinite(needed) else None,
        minimum_backtest_years=sharpe.minimum_backtest_years(trials.count, annual) if annual > 0 else None,
    )


def _unknown(
    days: int, trials: int, variance: float | None, luck: float | None, passive: float | None
) -> SharpeFamily:
    return SharpeFamily(
        days=days, ratio=None, annual_ratio=None, skewness=None, kurtosis=None, autocorrelation=None,
        psr=None, psr_2026=None, dsr=None, passive=passive, luck=luck, trials=trials, variance_of_trials=variance,
        minimum_record_days=None, minimum_backtest_years=None,
    )  # fmt: skip


def choice(trials: Trials) -> Choice:
    """Whether the choice among the trials overfitted, by CSCV over their daily returns."""
    days, strategies = trials.returns.shape
    if trials.count == 1:
        return _unmeasured(days, strategies, "one configuration was tried: nothing was chosen")
    if trials.count - trials.apart == 1:
        said = f"the other {trials.apart:,} of {trials.count:,} configurations were tried on other days"
        return _unmeasured(days, strategies, f"{said}: nothing was chosen in these", trials.apart)
    if strategies < 2:
        return _unmeasured(
            days,
            strategies,
            f"{trials.count:,} configurations were tried, but the daily returns of {strategies} kept",
        )
    if days < BLOCKS * MIN_BLOCK_ROWS or strategies > days:
        needed = max(BLOCKS * MIN_BLOCK_ROWS, strategies)
        return _unmeasured(
            days,
            strategies,
            f"{days:,} days are too few to judge a choice among {strategies:,}: {needed:,} are needed",
        )
    found = probability_of_overfitting(np.ascontiguousarray(trials.returns))
    return Choice(
        strategies=strategies,
        days=days,
        splits=found.splits,
        probability=found.probability,
        loss_probability=found.loss_probability,
        degradation=found.degradation if math.isfinite(found.degradation) else None,
        about=f"the best of {strategies:,} in one half of {days:,} days falls below the median in the other half "
        f"in {found.probability:.1%} of {found.splits:,} splits",
        apart=trials.apart,
    )


def _unmeasured(days: int, strategies: int, about: str, apart: int = 0) -> Choice:
    return Choice(
        strategies=strategies, days=days, splits=0, probability=None, loss_probability=None, degradation=None,
        about=about, apart=apart,
    )  # fmt: skip
