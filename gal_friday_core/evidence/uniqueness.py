"""How much of a label is its own: overlapping trades say the same thing more than once.

A label occupies the bars [first, last], both included. Its uniqueness is the mean, over those bars, of one over
the number of labels that occupy the bar. Reference: López de Prado, Advances in Financial Machine Learning,
2018, chapter 4.
"""

from typing import Any

import numpy as np
from numba import njit

from gal_friday_core.compiled import kept


@kept
@njit(cache=True)
def average_uniqueness(first: Any, last: Any, bars: int) -> Any:
    """In (0, 1], one a label. `first`, `last` (labels,): rows of the first and last bar of each, below `bars`.

    >>> average_uniqueness(np.array([0, 2, 4]), np.array([2, 3, 5]), 6).round(3).tolist()
    [0.833, 0.75, 1.0]
    """
    change = np.zeros(bars + 1, np.int64)
    for label in range(len(first)):
        change[first[label]] += 1
        change[last[label] + 1] -= 1
    shares = np.zeros(bars + 1)
    together = 0
    for bar in range(bars):
        together += change[bar]
        shares[bar + 1] = shares[bar] + (1.0 / together if together else 0.0)
    found = np.empty(len(first))
    for label in range(len(first)):
        length = last[label] - first[label] + 1
        found[label] = min((shares[last[label] + 1] - shares[first[label]]) / length, 1.0)
    return found


@kept
@njit(cache=True)
def next_draw(first: Any, last: Any, bars: int, drawn: Any) -> Any:
    """Probability of each label to be drawn next, given those `drawn`, by the sequential bootstrap.

    >>> spans = np.array([0, 2, 4]), np.array([2, 3, 5])
    >>> (next_draw(*spans, 6, np.array([1])) * 14).round(9).tolist()
    [5.0, 3.0, 6.0]
    """
    together = np.zeros(bars, np.int64)
    for label in drawn:
        together[first[label] : last[label] + 1] += 1
    found = np.empty(len(first))
    for label in range(len(first)):
        total = 0.0
        for bar in range(first[label], last[label] + 1):
            total += 1.0 / (1 + together[bar])
        found[label] = total / (last[label] - first[label] + 1)
    return found / found.sum()
