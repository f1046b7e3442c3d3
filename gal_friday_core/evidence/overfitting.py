"""Probability of backtest overfitting by combinatorially symmetric cross-validation.

Cut time into S blocks; of every choice of half of them, take the strategy that is best in it, and see how it
ranks in the other half. Overfit choices are worse than the median there. Reference: Bailey, Borwein,
López de Prado and Zhu, The Probability of Backtest Overfitting, Journal of Computational Finance 20, 2017.
"""

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gal_friday_core.compiled import kept
from gal_friday_core.errors import DataError

BLOCKS = 16
"""12,870 ways to choose half of them."""
MAX_BLOCKS = 20
MIN_BLOCK_ROWS = 4


@dataclass(frozen=True, eq=False, slots=True)
class Overfitting:
    """`probability` that the best in sample is below the median out of sample, over `splits` splits.

    `logits` (splits,): of the chosen strategy's relative rank out of sample, positive above the median.
    `loss_probability`: share of splits in which the chosen one lost money out of sample. `degradation`: slope of its
    ratio out of sample upon that in sample; negative where a better past meant a worse future.
    """

    probability: float
    loss_probability: float
    degradation: float
    splits: int
    logits: NDArray[np.float64]


def probability_of_overfitting(
    returns: NDArray[np.float64], blocks: int = BLOCKS, *, outnumbered: bool = False
) -> Overfitting:
    """`returns` (times, strategies): one column a strategy that was tried, one row a period, all at the same times.

    Rows that are left over when time is cut into `blocks` equal ones are the oldest, and are not used. Raises
    DataError for an odd number of blocks, for fewer than two strategies, for returns that are not finite, and
    for more strategies than times: such a matrix is most probably transposed, unless its maker says `outnumbered`.
    """
    times, strategies = _checked(returns, blocks, outnumbered)
    rows = times // blocks
    used = returns[times - rows * blocks :].reshape(blocks, rows, strategies)
    sums, squares = used.sum(axis=1), (used**2).sum(axis=1)
    chosen = _halves(blocks)
    ranks, inside, outside = _judge(sums, squares, chosen, rows * blocks // 2)
    relative = ranks / (strategies + 1)
    logits = np.log(relative / (1 - relative))
    return Overfitting(
        probability=float((logits <= 0).mean()),
        loss_probability=float((outside < 0).mean()),
        degradation=_slope(inside, outside),
        splits=len(chosen),
        logits=logits,
    )


def _checked(returns: NDArray[np.float64], blocks: int, outnumbered: bool) -> tuple[int, int]:
    if returns.ndim != 2 or returns.shape[1] < 2:
        raise DataError(f"returns of shape {returns.shape}: (times, strategies) with two strategies or more")
    times, strategies = returns.shape
    if blocks % 2 or not 2 <= blocks <= MAX_BLOCKS:
        raise DataError(f"{blocks} blocks cannot be halved: an even number from 2 to {MAX_BLOCKS}")
    if strategies > times and not outnumbered:
        raise DataError(
            f"{strategies:,} strategies at {times:,} times: one row a time, one column a strategy; is it transposed?"
        )
    if times < blocks * MIN_BLOCK_ROWS:
        raise DataError(
            f"{times:,} times are too few for {blocks} blocks: at least {blocks * MIN_BLOCK_ROWS:,}"
        )
    if not np.isfinite(returns).all():
        raise DataError("returns that are not finite: fill times without a position with 0")
    return times, strategies


def _halves(blocks: int) -> NDArray[np.bool_]:
    """(splits, blocks): every choice of half of the blocks."""
    found = np.zeros((math.comb(blocks, blocks // 2), blocks), np.bool_)
    for split, half in enumerate(combinations(range(blocks), blocks // 2)):
        found[split, list(half)] = True
    return found


def _slope(inside: NDArray[np.float64], outside: NDArray[np.float64]) -> float:
    spread = inside - inside.mean()
    total = float((spread**2).sum())
    return float((spread * (outside - outside.mean())).sum() / total) if total > 0 else math.nan


@kept
@njit(cache=True)
def _judge(sums: Any, squares: Any, chosen: Any, rows: int) -> Any:
    """Of each split: the rank out of sample, from 1, of the best in sample, ties counted half; and both its ratios."""
    splits, blocks = chosen.shape
    strategies = sums.shape[1]
    ranks, inside, outside = np.empty(splits), np.empty(splits), np.empty(splits)
    total, total_squares = sums.sum(axis=0), squares.sum(axis=0)
    ratio = np.empty(strategies)
    for split in range(splits):
        in_sum, in_squares = np.zeros(strategies), np.zeros(strategies)
        for block in range(blocks):
            if chosen[split, block]:
                in_sum += sums[block]
                in_squares += squares[block]
        best, best_ratio = 0, -np.inf
        for strategy in range(strategies):
            value = _ratio(in_sum[strategy], in_squares[strategy], rows)
            if value > best_ratio:
                best, best_ratio = strategy, value
            ratio[strategy] = _ratio(
                total[strategy] - in_sum[strategy], total_squares[strategy] - in_squares[strategy], rows
            )
        below, equal = 0, 0
        for strategy in range(strategies):
            below += ratio[strategy] < ratio[best]
            equal += ratio[strategy] == ratio[best]
        ranks[split] = below + (equal + 1) / 2
        inside[split], outside[split] = best_ratio, ratio[best]
    return ranks, inside, outside


@kept
@njit(cache=True)
def _ratio(total: float, squares: float, rows: int) -> float:
    """Mean over standard deviation; 0 for a strategy that did nothing."""
    mean = total / rows
    variance = squares / rows - mean * mean
    return mean / np.sqrt(variance) if variance > 1e-18 else 0.0
