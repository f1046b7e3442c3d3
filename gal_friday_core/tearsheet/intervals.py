"""The standard figures of daily returns, each with the interval that resampling gives it.

A year has 365 days, there is no risk-free rate, and a standard deviation divides by n - 1, as in `performance`.
Figures that hang on the order of days (a drawdown) are resampled too: their interval says what the same days, in
another order, would have shown.
"""

from collections.abc import Callable, Mapping
from math import sqrt

import msgspec
import numpy as np
from numpy.typing import NDArray

from gal_friday_core.performance import DAYS_PER_YEAR, LEAST_DAYS_TO_ANNUALIZE
from gal_friday_core.resampling import Estimate, interval
from gal_friday_core.tearsheet.stationary import LEAST_RETURNS, Resamples, block_length

Floats = NDArray[np.float64]

TAIL = 0.05
"""The share of days that are the worst."""


class Figure(msgspec.Struct, frozen=True):
    """`estimate` holds None where the days are too few, or say nothing."""

    name: str
    estimate: Estimate


class Intervals(msgspec.Struct, frozen=True, kw_only=True):
    """`block_days`: the mean length of a block, None where nothing was resampled."""

    confidence: float
    draws: int
    days: int
    block_days: float | None
    figures: tuple[Figure, ...]


def total_return(returns: Floats) -> Floats:
    """Of `returns` (draws, days), as every figure here: (draws,)."""
    found: Floats = np.prod(1 + returns, axis=1) - 1
    return found


def annualized_return(returns: Floats) -> Floats:
    """Compound growth a year."""
    found: Floats = np.prod(1 + returns, axis=1) ** (DAYS_PER_YEAR / returns.shape[1]) - 1
    return found


def annualized_volatility(returns: Floats) -> Floats:
    """Standard deviation of days times sqrt(365)."""
    found: Floats = returns.std(axis=1, ddof=1) * sqrt(DAYS_PER_YEAR)
    return found


def sharpe_ratio(returns: Floats) -> Floats:
    """A year's; NaN where no day differs, as for every ratio here."""
    return _over(returns.mean(axis=1) * sqrt(DAYS_PER_YEAR), returns.std(axis=1, ddof=1))


def sortino_ratio(returns: Floats) -> Floats:
    """A year's mean over the downside deviation below 0 (Sortino & Price 1994)."""
    downside = np.sqrt((np.minimum(returns, 0) ** 2).mean(axis=1))
    return _over(returns.mean(axis=1) * sqrt(DAYS_PER_YEAR), downside)


def max_drawdown(returns: Floats) -> Floats:
    """As a positive fraction, between closes of days."""
    equity = np.cumprod(1 + returns, axis=1)
    highest = np.maximum(np.maximum.accumulate(equity, axis=1), 1.0)
    found: Floats = (1 - equity / highest).max(axis=1)
    return found


def calmar_ratio(returns: Floats) -> Floats:
    """Growth a year over the deepest drawdown (Young 1991)."""
    return _over(annualized_return(returns), max_drawdown(returns))


def expected_shortfall(returns: Floats) -> Floats:
    """Mean return of the worst twentieth of days, at least one: negative where they lose."""
    count = int((returns.shape[1] - 1) * TAIL)
    found: Floats = np.partition(returns, count, axis=1)[:, : count + 1].mean(axis=1)
    return found


FIGURES: Mapping[str, Callable[[Floats], Floats]] = {
    "total_return": total_return,
    "annualized_return": annualized_return,
    "annualized_volatility": annualized_volatility,
    "sharpe": sharpe_ratio,
    "sortino": sortino_ratio,
    "max_drawdown": max_drawdown,
    "calmar": calmar_ratio,
    "expected_shortfall": expected_shortfall,
}
_BY_THE_YEAR = frozenset({"annualized_return", "calmar"})
"""Of less than a month these would be an extrapolation only."""


def intervals(returns: Floats, confidence: float, seed: int) -> Intervals:
    """Of daily `returns` (days,). The same returns and seed give the same interval."""
    enough = len(returns) >= LEAST_RETURNS
    drawn = None
    if enough:
        drawn = Resamples.draw(len(returns), block_length(returns), np.random.default_rng(seed))
    return Intervals(
        confidence=confidence,
        draws=len(drawn.rows) if drawn else 0,
        days=len(returns),
        block_days=drawn.block if drawn else None,
        figures=tuple(
            Figure(name, _estimate(figure, returns, drawn, confidence))
            for name, figure in FIGURES.items()
            if name not in _BY_THE_YEAR or len(returns) >= LEAST_DAYS_TO_ANNUALIZE
        ),
    )


def _estimate(
    figure: Callable[[Floats], Floats], returns: Floats, drawn: Resamples | None, confidence: float
) -> Estimate:
    if len(returns) < 2:
        return Estimate(None, None, None)
    value = float(figure(returns[None, :])[0])
    if not np.isfinite(value):
        return Estimate(None, None, None)
    if drawn is None:
        return Estimate(value, None, None)
    return interval(value, figure(drawn.of(returns)), confidence)


def _over(above: Floats, below: Floats) -> Floats:
    """NaN where there is nothing to divide by."""
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 1e-15)
