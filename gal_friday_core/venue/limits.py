"""How much a client may ask: the matching engine's counter, the cap on open orders, and REST's counter.

All three are KRAKEN_PROTOCOL §4. A counter decays continuously, and only with the time
that callers pass in.
"""

from decimal import Decimal
from typing import Literal

from msgspec import Struct

from gal_friday_core.times import SECOND_NS

Tier = Literal["starter", "intermediate", "pro"]
Action = Literal["add", "amend", "edit", "cancel"]


class EngineLimit(Struct, frozen=True):
    """One tier's column: threshold of the counter, decay per second, open orders per pair."""

    threshold: Decimal
    decay: Decimal
    open_orders: int


class RestLimit(Struct, frozen=True):
    maximum: Decimal
    decay: Decimal


ENGINE_LIMITS: dict[Tier, EngineLimit] = {
    "starter": EngineLimit(Decimal(60), Decimal(1), 60),
    "intermediate": EngineLimit(Decimal(125), Decimal("2.34"), 80),
    "pro": EngineLimit(Decimal(180), Decimal("3.75"), 225),
}
REST_LIMITS: dict[Tier, RestLimit] = {
    "starter": RestLimit(Decimal(15), Decimal("0.33")),
    "intermediate": RestLimit(Decimal(20), Decimal("0.5")),
    "pro": RestLimit(Decimal(20), Decimal(1)),
}

FIXED: dict[Action, int] = {"add": 1, "amend": 1, "edit": 1, "cancel": 0}
"""Charged whatever becomes of the request."""

BY_AGE: dict[Action, tuple[tuple[int, int], ...]] = {
    "add": (),
    "amend": ((5, 3), (10, 2), (15, 1)),
    "edit": ((5, 6), (10, 5), (15, 4), (45, 2), (90, 1)),
    "cancel": ((5, 8), (10, 6), (15, 5), (45, 4), (90, 2), (300, 1)),
}
"""(seconds of age below which it holds, points on top)."""

TWO_POINT_CALLS = frozenset({"Ledgers", "QueryLedgers", "TradesHistory"})
FREE_CALLS = frozenset(
    {
        "AddOrder",
        "AddOrderBatch",
        "AmendOrder",
        "CancelAll",
        "CancelAllOrdersAfter",
        "CancelOrder",
        "CancelOrderBatch",
        "EditOrder",
    }
)
"""Calls with the matching engine's limiter instead of REST's."""


def age_points(action: Action, age_ns: int) -> int:
    """What touching an order of that age costs on top: young orders are dear.

    >>> age_points("cancel", 4 * SECOND_NS), age_points("cancel", 300 * SECOND_NS)
    (8, 0)
    """
    for limit, points in BY_AGE[action]:
        if age_ns < limit * SECOND_NS:
            return points
    return 0


class Counter:
    """Points that drain at `decay` per second; time never runs backwards for it."""

    __slots__ = ("_decay", "_points", "_since_ns")

    def __init__(self, decay: Decimal) -> None:
        self._decay = decay
        self._points = Decimal(0)
        self._since_ns = 0

    def read(self, now_ns: int) -> Decimal:
        """Points at a time.

        >>> counter = Counter(Decimal("2.34"))
        >>> counter.add(Decimal(50), 0)
        >>> counter.read(10 * SECOND_NS)
        Decimal('26.60')
        """
        if now_ns > self._since_ns:
            drained = self._decay * (now_ns - self._since_ns) / SECOND_NS
            self._points = max(self._points - drained, Decimal(0))
            self._since_ns = now_ns
        return self._points

    def add(self, points: Decimal, now_ns: int) -> None:
        self._points = self.read(now_ns) + points


class EngineLimiter:
    """Counters of one account, one for each pair; every front shares them."""

    def __init__(self, tier: Tier) -> None:
        self.limit = ENGINE_LIMITS[tier]
        self._counters: dict[str, Counter] = {}

    def read(self, symbol: str, now_ns: int) -> Decimal:
        return self._counter(symbol).read(now_ns)

    def charge(self, symbol: str, points: Decimal, now_ns: int) -> bool:
        """Add points; False where the threshold was already reached, and the request is refused."""
        counter = self._counter(symbol)
        free = counter.read(now_ns) + points <= self.limit.threshold
        counter.add(points, now_ns)
        return free

    def _counter(self, symbol: str) -> Counter:
        return self._counters.setdefault(symbol, Counter(self.limit.decay))


class RestLimiter:
    """The counter of one API key. Calling on while limited prolongs it, up to twice the maximum."""

    def __init__(self, tier: Tier) -> None:
        self._limit = REST_LIMITS[tier]
        self._counter = Counter(self._limit.decay)

    def admit(self, method: str, now_ns: int) -> bool:
        """Count a private call; False where it is one too many.

        >>> limiter = RestLimiter("starter")
        >>> [limiter.admit("TradesHistory", 0) for _ in range(8)].count(True)
        7
        """
        if method in FREE_CALLS:
            return True
        cost = Decimal(2 if method in TWO_POINT_CALLS else 1)
        points = self._counter.read(now_ns)
        self._counter.add(min(cost, max(2 * self._limit.maximum - points, Decimal(0))), now_ns)
        return points + cost <= self._limit.maximum
