"""The stationary bootstrap of returns that depend on each other, and how long its blocks should be.

A resample is made of blocks of consecutive days, each of a random length, geometric with a given mean, going round at
the end: unlike blocks of one length it gives a stationary series. The mean is chosen by the data.

References: Politis and Romano, The Stationary Bootstrap, Journal of the American Statistical Association 89, 1994;
Politis and White, Automatic Block-Length Selection for the Dependent Bootstrap, Econometric Reviews 23, 2004, with the
correction of Patton, Politis and White, ibid. 28, 2009.
"""

from dataclasses import dataclass
from math import ceil, log10, sqrt

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.errors import DataError

Floats = NDArray[np.float64]

DRAWS = 1_000
LEAST_RETURNS = 10
"""With fewer an interval would be an invention."""


@dataclass(frozen=True, eq=False, slots=True)
class Resamples:
    """The same draws for every statistic of one report: `rows` (draws, length) of the series that is resampled."""

    block: float
    rows: NDArray[np.int64]

    @classmethod
    def draw(cls, length: int, block: float, rng: np.random.Generator, draws: int = DRAWS) -> "Resamples":
        """`draws` resamples of a series of `length`, in blocks of `block` on average, at least 1.

        Raises DataError for a series that is empty, or blocks shorter than one observation.
        """
        if length < 1 or not block >= 1:
            raise DataError(f"{length} observations in blocks of {block:g} cannot be resampled")
        begins = rng.random((draws, length)) < 1 / block
        begins[:, 0] = True
        place = np.broadcast_to(np.arange(length, dtype=np.int64), begins.shape)
        begun = np.maximum.accumulate(np.where(begins, place, 0), axis=1)
        first = rng.integers(0, length, begins.shape)
        rows = (np.take_along_axis(first, begun, axis=1) + place - begun) % length
        return cls(float(block), rows)

    def of(self, values: Floats) -> Floats:
        """(draws, length): the series drawn anew, so many times. Of two series the same days are drawn."""
        found: Floats = values[self.rows]
        return found


def block_length(values: Floats) -> float:
    """The mean block length that estimates the variance of the mean of `values` (n,) best, from 1 to n / 3.

    1 for a series that never varies. Raises DataError for fewer than `LEAST_RETURNS` values.
    """
    count = len(values)
    if count < LEAST_RETURNS:
        raise DataError(
            f"{count} values do not tell how long they remember: at least {LEAST_RETURNS} are needed"
        )
    centred = values - values.mean()
    if not float(centred @ centred) > 1e-30:
        return 1.0
    longest = ceil(min(3 * sqrt(count), count / 3))
    covariance, correlation = _autocovariance(centred)
    reach = _memory(correlation, count)
    lags = np.arange(1, reach + 1)
    taper = np.minimum(1.0, 2 * (1 - lags / reach))  # flat up to half of the reach, then down to 0
    weighted = 2 * taper * covariance[1 : reach + 1]
    spread, slope = covariance[0] + weighted.sum(), (weighted * lags).sum()
    wanted = (abs(slope / spread) ** 2 * count) ** (1 / 3) if spread != 0 else float(longest)
    return float(min(max(wanted, 1.0), longest))


def _autocovariance(centred: Floats) -> tuple[Floats, Floats]:
    """Covariances at lags 0, 1, …, and the absolute correlation of what overlaps at each."""
    count = len(centred)
    lags = min(ceil(sqrt(count)) + _run(count), count - 2)
    covariance, correlation = np.empty(lags + 1), np.empty(lags + 1)
    squares = np.concatenate(([0.0], np.cumsum(centred**2)))
    for lag in range(lags + 1):
        cross = float(centred[lag:] @ centred[: count - lag])
        covariance[lag] = cross / count
        scale = sqrt((squares[-1] - squares[lag + 1]) * squares[count - lag - 1])
        correlation[lag] = abs(cross) / scale if scale > 0 else 0.0
    return covariance, correlation


def _run(count: int) -> int:
    """How many insignificant lags in a row end the memory."""
    return max(5, int(log10(count)))


def _memory(correlation: Floats, count: int) -> int:
    """Twice the lag from which on a run of correlations is insignificant; all lags where there is no such run.

    The paper lets the run begin one lag later; its authors' program, and who followed it, do not.
    """
    run, most = _run(count), len(correlation) - 1
    quiet = correlation < 2 * sqrt(log10(count) / count)
    for first in range(1, most - run + 1):
        if quiet[first : first + run].all():
            return min(2 * first, most)
    return most
