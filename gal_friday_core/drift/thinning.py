"""How many independent rows a series is worth.

Neighbouring bars say almost the same, so a test that takes n rows for n observations finds drift everywhere. For
an autoregressive series of first order with autocorrelation ρ, n rows are worth n (1−ρ)/(1+ρ) (Bayley and
Hammersley, The Effective Number of Independent Observations in an Autocorrelated Time Series, Supplement to the
Journal of the Royal Statistical Society 8, 1946). Windows and volatility remember longer than their first lag
tells, so the larger of that and the integrated autocorrelation is taken.
"""

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.compiled import compiled


def inefficiency(values: NDArray[np.float64]) -> float:
    """Rows of `values` (n,) that are worth one independent row: 1 where they are independent, at most n.

    Values that are not finite are left out; a series that never changes is worth one row.

    >>> inefficiency(np.array([1.0, 1.0, 1.0, 1.0]))
    4.0
    """
    known = np.ascontiguousarray(values[np.isfinite(values)], np.float64)
    return float(_inefficiency(known)) if len(known) > 1 else float(max(len(known), 1))


def inefficiency_of_shares(values: NDArray[np.float64]) -> float:
    """The same for tests that count how many values lie below others: of the series "below its median or not".

    What outliers do to the autocorrelation of the values themselves means nothing to such a test.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return 1.0
    middle = np.median(known)
    below = known < middle if known.min() < middle else known <= middle
    return inefficiency(below.astype(np.float64))


def effective(rows: float, rows_each: float) -> float:
    """Independent rows in so many rows, of which `rows_each` are worth one."""
    return rows / max(rows_each, 1.0)


def thinned(values: NDArray[np.float64], rows_each: float) -> NDArray[np.float64]:
    """Every k-th row, k the least integer not below `rows_each`.

    >>> thinned(np.arange(6.0), 2.5).tolist()
    [0.0, 3.0]
    """
    return values[:: max(1, int(np.ceil(rows_each)))]


@compiled
def _autocorrelation(centred: NDArray[np.float64], lag: int) -> float:
    total = 0.0
    for row in range(len(centred) - lag):
        total += centred[row] * centred[row + lag]
    return total


@compiled
def _inefficiency(values: NDArray[np.float64]) -> float:
    """1 + 2 Σ ρ(k) with ρ known at lags 1, 2, 3, 4, 6, 9 … n/4 and straight in between, until it is lost in noise."""
    count = len(values)
    centred = values - values.mean()
    power = _autocorrelation(centred, 0)
    if not power > 1e-18 * count * max(values.mean() ** 2, 1e-300):
        return float(count)
    noise = 2.0 / np.sqrt(count)
    first = _autocorrelation(centred, 1) / power
    worth = (1.0 + first) / (1.0 - first) if first < 1.0 else float(count)
    total, lag, last = max(first, 0.0), 1, first
    while last > noise:
        further = max(lag + 1, lag * 3 // 2)
        if further > count // 4:
            break
        now = max(_autocorrelation(centred, further) / power, 0.0)
        steps = further - lag
        # Σ over the lags in (lag, further] of the straight line from `last` to `now`.
        total += steps * last + (now - last) * (steps + 1) / 2.0
        lag, last = further, now
    return min(max(worth, 1.0 + 2.0 * total, 1.0), float(count))
