"""A confidence sequence over block means: an interval for every moment, right at all of them at once.

So one may look after every block and stop when one likes. Asymptotic in the sense of Waudby-Smith, Arbour,
Sinha, Kennedy, Ramdas, Time-uniform central limit theory and asymptotic confidence sequences, Annals of
Statistics 52, 2024: the variance is estimated on the way, hence `FIRST` blocks before anything is said.
"""

from dataclasses import dataclass
from math import log

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gal_friday_core.compiled import kept
from gal_friday_core.experiments.boundaries import tightest

FIRST = 20
"""Blocks before the first interval: their spread must be known."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rule:
    """How it is looked: error rate `alpha` over all looks, `rho` of the mixture, and the blocks before the first."""

    alpha: float
    rho: float
    first: int = FIRST

    @classmethod
    def tightest_at(cls, blocks: float, alpha: float, *, first: int = FIRST) -> "Rule":
        """Narrowest after so many blocks, and little wider for long before and after."""
        return cls(alpha, tightest(max(blocks, float(first)), alpha), first)


@dataclass(frozen=True, eq=False, slots=True)
class Walk:
    """After each block (blocks,): the mean, its interval, and the evidence against zero as a logarithm.

    NaN (and no evidence) before the rule's first look. `p_value` is valid at every moment at once.
    """

    mean: Values
    low: Values
    high: Values
    log_evidence: Values

    def crossing(self) -> int | None:
        """The first block after which zero lay outside, counted from one."""
        outside = np.flatnonzero((self.low > 0) | (self.high < 0))
        return int(outside[0]) + 1 if len(outside) else None

    def p_value(self) -> float:
        """The chance of so much evidence, at any time so far, where there is no difference."""
        return float(np.exp(-max(0.0, self.log_evidence.max(initial=0.0))))


def walk(means: Values, rule: Rule) -> Walk:
    """Every interval so far, from `means` in the order in which they became known."""
    found = np.full((4, len(means)), np.nan)
    found[3] = 0.0
    walk_into(np.ascontiguousarray(means), rule.rho, log(1 / rule.alpha), rule.first, found)
    return Walk(*found)


@kept
@njit(cache=True, fastmath=False, error_model="numpy")
def walk_into(means: Values, rho: float, certainty: float, first: int, found: Values) -> None:
    """Rows of `found` (4, blocks): mean, low, high, log evidence. Left as they are before the first look.

    The variance is the sample's, times what neighbouring means are still correlated beyond the standard error
    of that correlation: a block that was chosen too short costs width, not truth.
    """
    total, squares, products, last = 0.0, 0.0, 0.0, 0.0
    shift = means[0] if len(means) else 0.0  # squares of small differences, not differences of large squares
    for row in range(len(means)):
        value = means[row] - shift
        total += value
        squares += value * value
        if row:
            products += value * last
        opening = means[0] - shift
        last = value
        n = row + 1
        mean = total / n
        found[0, row] = mean + shift
        spread = squares - n * mean * mean
        if n < first or spread <= 0:
            continue
        inner = products - mean * (2 * total - opening - value) + (n - 1) * mean * mean
        excess = max(0.0, inner / spread - 1 / np.sqrt(n))
        variance = spread / (n - 1) * (1 + 2 * excess)
        reach = np.sqrt(variance * (n + rho) * (np.log1p(n / rho) + 2 * certainty)) / n
        found[1, row] = mean + shift - reach
        found[2, row] = mean + shift + reach
        gathered = n * (mean + shift)
        found[3, row] = 0.5 * np.log(rho / (n + rho)) + gathered * gathered / (variance * 2 * (n + rho))
