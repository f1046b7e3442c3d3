"""Traffic that follows what was learnt: Gaussian Thompson sampling with a floor and a slow forgetting.

The floor keeps every variant learnt about and every weight finite; the discount lets a market change. What
comes of it is judged by `weighting`, never by comparing means. The share of a variant is its probability of
being best, which is what drawing from the posteriors gives on average.
"""

from collections.abc import Sequence
from math import comb, erf, fsum, sqrt
from typing import Final

import msgspec
import numpy as np
from numba import njit

from gal_friday_core.compiled import kept

FLOOR: Final = 0.05
DISCOUNT: Final = 0.999
WARM: Final = 30
"""Outcomes of each variant before shares move."""

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(96)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


class Arm(msgspec.Struct, frozen=True):
    """What is known of a variant: discounted count, sum, and sum of squares; `outcomes` counts all there were."""

    outcomes: int = 0
    count: float = 0.0
    total: float = 0.0
    squares: float = 0.0

    def seen(self, value: float) -> "Arm":
        """After an outcome of its own."""
        return Arm(self.outcomes + 1, self.count + 1, self.total + value, self.squares + value * value)

    def aged(self, discount: float = DISCOUNT) -> "Arm":
        """After any unit's outcome, its own or another's."""
        return Arm(self.outcomes, self.count * discount, self.total * discount, self.squares * discount)

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0

    @property
    def error(self) -> float:
        """Standard error of the mean."""
        if self.count <= 1:
            return float("inf")
        variance = max(self.squares / self.count - self.mean**2, 1e-18)
        return sqrt(variance / (self.count - 1))


def shares(arms: Sequence[Arm], floor: float = FLOOR) -> tuple[float, ...]:
    """By chance of being best, none below `floor`; even until each has `WARM` outcomes, and while one is forgotten."""
    even = 1 / len(arms)
    if any(arm.outcomes < WARM or arm.count <= 1 for arm in arms):
        return tuple(even for _ in arms)
    return tuple(floor + (1 - len(arms) * floor) * chance for chance in chances(arms))


def chances(arms: Sequence[Arm]) -> list[float]:
    """The probability of each to have the highest mean, under normal posteriors (Gauss-Hermite quadrature)."""
    if len(arms) == 2:
        one, two = arms
        better = chance_better(one.mean, one.error, two.mean, two.error)
        return [better, 1 - better]
    found = []
    for own, arm in enumerate(arms):
        others = [other for index, other in enumerate(arms) if index != own]
        likely = [
            float(weight) * float(np.prod([_below(arm.mean + arm.error * node, other) for other in others]))
            for node, weight in zip(_NODES, _WEIGHTS, strict=True)
        ]
        found.append(fsum(likely))
    total = fsum(found)
    return [chance / total for chance in found]


def _below(value: float, arm: Arm) -> float:
    return 0.5 * (1 + erf((value - arm.mean) / (arm.error * sqrt(2))))


@kept
@njit(cache=True, fastmath=False, error_model="numpy")
def chance_better(mean: float, error: float, other_mean: float, other_error: float) -> float:
    """Of two normal posteriors, that the first lies above."""
    spread = sqrt(error * error + other_error * other_error)
    return 0.5 * (1 + erf((mean - other_mean) / (spread * sqrt(2))))


def chance_of_higher_rate(wins: int, losses: int, other_wins: int, other_losses: int) -> float:
    """That the other's winning rate is higher, both unknown beforehand: Beta(1 + wins, 1 + losses) each.

    Exact (Miller, Formulas for Bayesian A/B testing, 2015).

    >>> round(chance_of_higher_rate(10, 90, 15, 85), 8)
    0.85328379
    """
    a, b = wins + 1, losses + 1
    c, d = other_wins + 1, other_losses + 1
    total = 0.0
    for i in range(c):
        total += _beta_ratio(a, b, d, i)
    return total


def _beta_ratio(a: int, b: int, d: int, i: int) -> float:
    """B(a + i, b + d) / ((d + i) B(1 + i, d) B(a, b))."""
    whole = comb(a + i + b + d - 2, a + i - 1) * (a + i + b + d - 1)
    return comb(d + i - 1, i) * comb(a + b - 2, a - 1) * (a + b - 1) / whole
