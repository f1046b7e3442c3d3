"""Means of consecutive values, in blocks so long that one block hardly knows of the next.

Outcomes of neighbouring bars share a market, and often the very trade, so their variance says too little
about that of a sum. The length is settled before the values that it is used on are seen.
"""

import numpy as np
from numpy.typing import NDArray

SHORTEST = 50
TOLERATED = 0.01
"""Correlation of neighbouring block means that may remain: it makes intervals one percent too narrow."""
MIN_PILOT = 200
"""Fewer values say nothing about correlation."""

Values = NDArray[np.float64]


def block_means(values: Values, length: int) -> Values:
    """Of the complete blocks, in order; what is left over at the end waits for more."""
    blocks = len(values) // length
    means: Values = values[: blocks * length].reshape(blocks, length).mean(axis=1)
    return means


def autocovariances(values: Values) -> Values:
    """From lag 0 to the last before the first that is no longer positive (Geyer's rule), at most a quarter of the rows."""
    centred = values - values.mean()
    size = 1 << (2 * len(centred) - 1).bit_length()
    power = np.abs(np.fft.rfft(centred, size)) ** 2
    covariance: Values = np.fft.irfft(power, size)[: max(1, len(centred) // 4)] / len(centred)
    noise = 2 * covariance[0] / np.sqrt(len(centred))
    ended = np.flatnonzero(covariance <= noise)
    return covariance[: ended[0]] if len(ended) else covariance


def block_length(pilot: Values, *, at_least: int = SHORTEST) -> int:
    """The shortest length whose neighbouring means are correlated by no more than `TOLERATED`.

    The covariance of neighbouring block sums is that of the lags that reach across the border, each as often
    as it does, so their correlation falls with one over the length. `at_least` where the pilot is too short.
    """
    if len(pilot) < MIN_PILOT or not np.ptp(pilot):
        return at_least
    covariance = autocovariances(pilot)
    lags = np.arange(len(covariance))
    across, long_run = float(lags @ covariance), float(2 * covariance.sum() - covariance[0])
    return max(at_least, int(np.ceil(across / (TOLERATED * long_run))))
