"""How closed trades are spread: their returns, how long they were held, and how few of them made the profit."""

from collections.abc import Sequence
from itertools import groupby

import msgspec
import numpy as np
from numpy.typing import NDArray

from gal_friday_core.money import ZERO
from gal_friday_core.resampling import UNKNOWN, Estimate, interval
from gal_friday_core.tearsheet.stationary import LEAST_RETURNS, Resamples, block_length
from gal_friday_core.times import SECOND_NS
from gal_friday_core.trades import Trade

BINS = 24
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
FEW = 5
"""Trades without which the profit is told again."""


class Bin(msgspec.Struct, frozen=True):
    """Trades with a net return in [low, high); the last bin holds its upper end too."""

    low: float
    high: float
    trades: int


class Distribution(msgspec.Struct, frozen=True, kw_only=True):
    """Net returns are of the money spent; quantiles at `QUANTILES`. `mean` and `hit_rate` with resampled intervals, trades
    taken in the order they ended. `without_best`: net profit without the best `FEW` trades, in quote currency.
    """

    trades: int
    mean: Estimate
    hit_rate: Estimate
    bins: tuple[Bin, ...]
    return_quantiles: tuple[float, ...]
    hold_quantiles_s: tuple[float, ...]
    longest_winning_run: int
    longest_losing_run: int
    without_best: str


def distribution(trades: Sequence[Trade], confidence: float, seed: int) -> Distribution | None:
    """None where no trade was closed."""
    if not trades:
        return None
    returns = np.array([trade.net_return for trade in trades])
    won = np.array([trade.net > 0 for trade in trades], np.float64)
    held = np.array([(trade.exit_ns - trade.entry_ns) / SECOND_NS for trade in trades])
    best_last = sorted(trade.net for trade in trades)
    return Distribution(
        trades=len(trades),
        mean=_mean(returns, confidence, seed),
        hit_rate=_mean(won, confidence, seed),
        bins=_bins(returns),
        return_quantiles=tuple(np.quantile(returns, QUANTILES).tolist()),
        hold_quantiles_s=tuple(np.quantile(held, QUANTILES).tolist()),
        longest_winning_run=_longest(won, 1.0),
        longest_losing_run=_longest(won, 0.0),
        without_best=str(sum(best_last[:-FEW], ZERO)),
    )


def _mean(values: NDArray[np.float64], confidence: float, seed: int) -> Estimate:
    if not len(values):
        return UNKNOWN
    value = float(values.mean())
    if len(values) < LEAST_RETURNS:
        return Estimate(value, None, None)
    drawn = Resamples.draw(len(values), block_length(values), np.random.default_rng(seed))
    return interval(value, drawn.of(values).mean(axis=1), confidence)


def _bins(returns: NDArray[np.float64]) -> tuple[Bin, ...]:
    """Equal bins, one edge of them at zero, so that no bin holds both gains and losses."""
    low, high = min(float(returns.min()), 0.0), max(float(returns.max()), 0.0)
    if not high > low:
        return (Bin(0.0, 0.0, len(returns)),)
    width = (high - low) / BINS
    below, above = int(np.ceil(-low / width)), int(np.ceil(high / width))
    edges = np.arange(-below, above + 1) * width
    counts, _ = np.histogram(returns, edges)
    return tuple(
        Bin(float(edges[place]), float(edges[place + 1]), int(count)) for place, count in enumerate(counts)
    )


def _longest(won: NDArray[np.float64], wanted: float) -> int:
    return max((len(list(run)) for kind, run in groupby(won.tolist()) if kind == wanted), default=0)
