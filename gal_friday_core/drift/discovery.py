"""Many features, one look: p-values adjusted so that few of those told are false.

Reference: Benjamini and Hochberg, Controlling the False Discovery Rate, Journal of the Royal Statistical Society
B 57, 1995; it holds for positively dependent tests too (Benjamini and Yekutieli, Annals of Statistics 29, 2001).
"""

import numpy as np
from numpy.typing import NDArray


def adjusted(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Per test, the smallest false discovery rate at which it is told. NaN, a test that was not made, stays NaN.

    >>> adjusted(np.array([0.01, 0.04, np.nan, 0.03])).round(4).tolist()
    [0.03, 0.04, nan, 0.04]
    """
    made = np.flatnonzero(np.isfinite(p_values))
    order = made[np.argsort(p_values[made], kind="stable")]
    scaled = p_values[order] * len(order) / np.arange(1, len(order) + 1)
    found = np.full(len(p_values), np.nan)
    found[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return found
