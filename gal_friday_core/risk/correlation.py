"""How far pairs move together: an exponentially weighted correlation of their bars' log returns."""

import math
from collections.abc import Iterable
from decimal import Decimal

from gal_friday_core.money import ZERO, from_float, product

LEAST_BARS = 30
"""Common returns below which a correlation is not known."""


class Correlations:
    """Covariances around zero, weighted by half-lives: RiskMetrics Technical Document, 1996, section 5.2.

    Only returns over the same bar are compared. What is not known counts as 1 and what is negative as 0: a hedge
    that may break is no hedge.
    """

    def __init__(self, pairs: Iterable[str], half_life_bars: int) -> None:
        self._pairs = tuple(pairs)
        self._keep = 0.5 ** (1 / half_life_bars)
        self._close: dict[str, tuple[int, float]] = {}
        self._returns: dict[str, tuple[int, float]] = {}
        self._moments: dict[tuple[str, str], tuple[int, float, float, float]] = {}

    def observe(self, pair: str, bar_start_ns: int, interval_ns: int, close: float) -> None:
        """A closed bar. One after a hole gives no return."""
        if len(self._pairs) < 2 or pair not in self._pairs:
            return
        before = self._close.get(pair)
        self._close[pair] = (bar_start_ns, close)
        if before is None or before[0] != bar_start_ns - interval_ns:
            return
        move = math.log(close / before[1])
        self._returns[pair] = (bar_start_ns, move)
        for other in self._pairs:
            known = self._returns.get(other)
            if other != pair and known is not None and known[0] == bar_start_ns:
                self._learn(pair, move, other, known[1])

    def between(self, first: str, second: str) -> float:
        """In [0, 1]."""
        if first == second:
            return 1.0
        count, product_, first_square, second_square = self._moments.get(_key(first, second), (0, 0, 0, 0))
        scale = math.sqrt(first_square * second_square)
        if count < LEAST_BARS or scale == 0:
            return 1.0
        return min(max(product_ / scale, 0.0), 1.0)

    def alongside(self, pair: str, worth: dict[str, Decimal]) -> Decimal:
        """What is held and reserved of every pair, each by its correlation with `pair`, in quote currency."""
        total = ZERO
        for other, value in worth.items():
            if value:
                share = self.between(pair, other)
                total += value if share == 1.0 else product(value, from_float(round(share, 6)))
        return total

    def _learn(self, first: str, move: float, second: str, other: float) -> None:
        key = _key(first, second)
        if key[0] != first:
            move, other = other, move
        count, both, left, right = self._moments.get(key, (0, 0.0, 0.0, 0.0))
        keep = self._keep
        self._moments[key] = (
            count + 1, keep * both + move * other, keep * left + move * move, keep * right + other * other,
        )  # fmt: skip


def _key(first: str, second: str) -> tuple[str, str]:
    return (first, second) if first < second else (second, first)
