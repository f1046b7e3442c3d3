"""Candles rebuilt from single trades, equal to the venue's own to the last digit."""

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.candles import Candles, Series

LOTS_PER_UNIT = 100_000_000
"""Volumes have eight decimals: summed as whole lots, a sum is exact and rounds once, as the venue's does."""
_EXACT_LOTS = 2**53


def bars_of_trades(
    series: Series, ts: NDArray[np.int64], price: NDArray[np.float64], quantity: NDArray[np.float64]
) -> Candles:
    """The bars that these trades make; a bar without a trade has no row.

    `ts` in nanoseconds, ascending; trades of one time keep their order. `quantity` in base units.
    """
    slots = ts - ts % series.interval_ns
    starts = np.flatnonzero(np.append(True, slots[1:] != slots[:-1])) if len(ts) else np.empty(0, np.int64)
    if not len(starts):
        whole, real = np.empty(0, np.int64), np.empty(0, np.float64)
        return Candles(series, whole, real, real, real, real, real, whole)
    counts = np.diff(np.append(starts, len(ts)))
    return Candles(
        series,
        slots[starts],
        price[starts],
        np.maximum.reduceat(price, starts),
        np.minimum.reduceat(price, starts),
        price[starts + counts - 1],
        _sums(quantity, starts),
        counts,
    )


def _sums(quantity: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    if quantity.sum() * LOTS_PER_UNIT >= _EXACT_LOTS:
        plain: NDArray[np.float64] = np.add.reduceat(quantity, starts)
        return plain
    lots = np.rint(quantity * LOTS_PER_UNIT).astype(np.int64)
    exact: NDArray[np.float64] = np.add.reduceat(lots, starts) / LOTS_PER_UNIT
    return exact
