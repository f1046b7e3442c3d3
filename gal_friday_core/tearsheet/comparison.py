"""The same days of something else: holding the market, or another model. Both are resampled on the same days."""

from collections.abc import Callable, Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from gal_friday_core.candles import Candles
from gal_friday_core.config import CostsConfig
from gal_friday_core.errors import DataError
from gal_friday_core.performance import DAYS_PER_YEAR
from gal_friday_core.resampling import UNKNOWN, Estimate, interval
from gal_friday_core.tearsheet.intervals import (
    annualized_volatility,
    max_drawdown,
    sharpe_ratio,
    total_return,
)
from gal_friday_core.tearsheet.stationary import LEAST_RETURNS, Resamples, block_length

Floats = NDArray[np.float64]

BUY_AND_HOLD = "buy and hold"


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """`other` against this run, of daily returns: figures of the other; of the difference, this run less the other,
    its mean a year and that of the Sharpe ratios, with resampled intervals; `ahead`, the share of resamples in which
    this run returned more. `beta` and `alpha` (a year) of this run upon the other.
    """

    other: str
    days: int
    total_return: float
    sharpe: float | None
    max_drawdown: float
    volatility: float | None
    mean_difference: Estimate
    sharpe_difference: Estimate
    ahead: float | None
    correlation: float | None
    beta: float | None
    alpha: float | None


def compare(other: str, ours: Floats, theirs: Floats, confidence: float, seed: int) -> Comparison:
    """Daily returns (days,) of the same days. Raises DataError where they are not."""
    days = len(ours)
    if len(theirs) != days:
        raise DataError(f"{other} has {len(theirs):,} days, this run {days:,}: run both over the same bars")
    drawn = None
    if days >= LEAST_RETURNS:
        block = max(block_length(ours - theirs), block_length(ours))
        drawn = Resamples.draw(days, block, np.random.default_rng(seed))
    correlation, beta, alpha = _line(ours, theirs)
    return Comparison(
        other=other,
        days=days,
        total_return=float(total_return(theirs[None, :])[0]),
        sharpe=_finite(sharpe_ratio(theirs[None, :])) if days > 1 else None,
        max_drawdown=float(max_drawdown(theirs[None, :])[0]),
        volatility=_finite(annualized_volatility(theirs[None, :])) if days > 1 else None,
        mean_difference=_difference(_mean_a_year, ours, theirs, drawn, confidence),
        sharpe_difference=_difference(sharpe_ratio, ours, theirs, drawn, confidence),
        ahead=None if drawn is None else _ahead(ours, theirs, drawn),
        correlation=correlation,
        beta=beta,
        alpha=alpha,
    )


def held(bars: Mapping[str, Candles], costs: CostsConfig, initial: float, ts: NDArray[np.int64]) -> Floats:
    """(points,): equity of buying every pair at the first bar's open, in equal parts, and selling at the last close.

    It pays slippage and the taker fee as every market order does; between the two it is marked at closes.
    """
    worse, fee = float(costs.slippage), float(costs.taker_fee)
    part = initial / len(bars)
    equity = np.zeros(len(ts))
    for candles in bars.values():
        units = part / (candles.open[0] * (1 + worse) * (1 + fee))
        row = np.searchsorted(candles.ts, ts - candles.series.interval_ns, side="right") - 1
        value = units * candles.close[np.maximum(row, 0)]
        value[row < 0] = part
        value[-1] = units * candles.close[-1] * (1 - worse) * (1 - fee)
        equity += value
    return equity


def _mean_a_year(returns: Floats) -> Floats:
    found: Floats = returns.mean(axis=1) * DAYS_PER_YEAR
    return found


def _difference(
    figure: Callable[[Floats], Floats],
    ours: Floats,
    theirs: Floats,
    drawn: Resamples | None,
    confidence: float,
) -> Estimate:
    if len(ours) < 2:
        return UNKNOWN
    value = float((figure(ours[None, :]) - figure(theirs[None, :]))[0])
    if not np.isfinite(value):
        return UNKNOWN
    if drawn is None:
        return Estimate(value, None, None)
    return interval(value, figure(drawn.of(ours)) - figure(drawn.of(theirs)), confidence)


def _ahead(ours: Floats, theirs: Floats, drawn: Resamples) -> float:
    """Ties count half: a run that is the other one is ahead as often as behind."""
    lead = total_return(drawn.of(ours)) - total_return(drawn.of(theirs))
    return float((lead > 0).mean() + (lead == 0).mean() / 2)


def _line(ours: Floats, theirs: Floats) -> tuple[float | None, float | None, float | None]:
    """Correlation, beta and alpha a year; None where one of the two never varies."""
    if len(ours) < 3 or not (ours.std() > 1e-15 and theirs.std() > 1e-15):
        return None, None, None
    covariance = float(np.cov(ours, theirs)[0, 1])
    beta = covariance / float(theirs.var(ddof=1))
    alpha = (float(ours.mean()) - beta * float(theirs.mean())) * DAYS_PER_YEAR
    return float(np.corrcoef(ours, theirs)[0, 1]), beta, alpha


def _finite(figure: Floats) -> float | None:
    return float(figure[0]) if np.isfinite(figure[0]) else None
