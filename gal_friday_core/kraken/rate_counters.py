"""How much may still be asked of Kraken, so that its limits are never hit: REST's counter and the engine's per pair.

The same rules that the simulated exchange enforces (`venue.limits`, KRAKEN_PROTOCOL §4), kept on our side and a
little stricter. Times are a monotonic clock's nanoseconds, passed in.
"""

from decimal import Decimal

from gal_friday_core.money import ZERO
from gal_friday_core.times import SECOND_NS
from gal_friday_core.venue.limits import (
    ENGINE_LIMITS,
    FIXED,
    FREE_CALLS,
    REST_LIMITS,
    TWO_POINT_CALLS,
    Action,
    Counter,
    EngineLimit,
    Tier,
    age_points,
)

DEAREST_CANCEL = Decimal(8)
"""Points of cancelling an order younger than five seconds."""
SAFETY = Decimal(1)
"""Points left unused: what is on its way is counted there later than here."""


class RestCounter:
    """The counter of one API key. Ask `wait_ns`, wait, `charge`, call."""

    def __init__(self, tier: Tier) -> None:
        limit = REST_LIMITS[tier]
        self._most = limit.maximum - SAFETY
        self._decay = limit.decay
        self._counter = Counter(limit.decay)

    def wait_ns(self, method: str, now_ns: int) -> int:
        """How long until this call fits; 0 now. Order calls have the engine's limiter instead and always fit.

        >>> counter = RestCounter("starter")
        >>> for _ in range(14):
        ...     counter.charge("Balance", 0)
        >>> counter.wait_ns("Balance", 0) / SECOND_NS, counter.wait_ns("CancelOrder", 0)
        (3.030303031, 0)
        """
        return _drain_ns(self._counter.read(now_ns) + call_points(method) - self._most, self._decay)

    def charge(self, method: str, now_ns: int) -> None:
        """Count a call that is about to be made."""
        self._counter.add(call_points(method), now_ns)

    def exceeded(self, now_ns: int) -> None:
        """Kraken says that the limit is exceeded: somebody else uses the key, or a run before this one did."""
        full = self._most + SAFETY - self._counter.read(now_ns)
        self._counter.add(max(full, ZERO), now_ns)


class PublicPace:
    """Public calls share one address: about one a second (KRAKEN_PROTOCOL §4), a few at once at first."""

    BURST = Decimal(5)

    def __init__(self) -> None:
        self._counter = Counter(Decimal(1))

    def wait_ns(self, now_ns: int) -> int:
        return _drain_ns(self._counter.read(now_ns) + 1 - self.BURST, Decimal(1))

    def charge(self, now_ns: int) -> None:
        self._counter.add(Decimal(1), now_ns)


def call_points(method: str) -> Decimal:
    """What a private REST call costs.

    >>> call_points("Balance"), call_points("TradesHistory"), call_points("AddOrder")
    (Decimal('1'), Decimal('2'), Decimal('0'))
    """
    if method in FREE_CALLS:
        return ZERO
    return Decimal(2 if method in TWO_POINT_CALLS else 1)


class EngineCounters:
    """The matching engine's counters, one for each pair; websocket and REST share them.

    New risk keeps `DEAREST_CANCEL` points free in its pair, so that whatever was placed can be cancelled at once.
    """

    def __init__(self, tier: Tier) -> None:
        self._limit = ENGINE_LIMITS[tier]
        self._counters: dict[str, Counter] = {}

    @property
    def limit(self) -> EngineLimit:
        """The account's column: threshold, decay per second, open orders per pair."""
        return self._limit

    def told_threshold(self, maxratecount: int, now_ns: int) -> bool:
        """The threshold that Kraken tells when executions are subscribed; whether it is the configured tier's.

        A lower one holds from now on with its own tier's decay; a higher one is not used.
        """
        if maxratecount >= self._limit.threshold:
            return maxratecount == self._limit.threshold
        lower = [limit for limit in ENGINE_LIMITS.values() if limit.threshold <= maxratecount]
        slowest = min(ENGINE_LIMITS.values(), key=lambda limit: limit.threshold)
        base = max(lower, key=lambda limit: limit.threshold, default=slowest)
        self._limit = EngineLimit(Decimal(maxratecount), base.decay, base.open_orders)
        for pair, counter in self._counters.items():
            self._counters[pair] = Counter(base.decay)
            self._counters[pair].add(counter.read(now_ns), now_ns)
        return False

    def admits(self, pair: str, action: Action, now_ns: int, *, age_ns: int = 0, orders: int = 1) -> bool:
        return self.wait_ns(pair, action, now_ns, age_ns=age_ns, orders=orders) == 0

    def wait_ns(self, pair: str, action: Action, now_ns: int, *, age_ns: int = 0, orders: int = 1) -> int:
        """How long until this fits; 0 now. `age_ns` is that of the order it touches, since it was placed or amended.

        >>> counters = EngineCounters("starter")
        >>> counters.charge("BTC/USD", "add", 0, orders=52)
        >>> counters.wait_ns("BTC/USD", "add", 0) // SECOND_NS, counters.wait_ns("BTC/USD", "cancel", 0)
        (1, 0)
        """
        kept = ZERO if action == "cancel" else DEAREST_CANCEL
        over = (
            self._counter(pair).read(now_ns) + points(action, age_ns, orders) + kept - self._limit.threshold
        )
        return _drain_ns(over, self._limit.decay)

    def charge(self, pair: str, action: Action, now_ns: int, *, age_ns: int = 0, orders: int = 1) -> None:
        """Count a request that is about to be made; it counts whatever becomes of it."""
        self._counter(pair).add(points(action, age_ns, orders), now_ns)

    def heard(self, pair: str, told: Decimal, now_ns: int) -> None:
        """The counter that Kraken tells. Only more than ours is believed: what is on its way is not in it yet."""
        counter = self._counter(pair)
        counter.add(max(told - counter.read(now_ns), ZERO), now_ns)

    def exceeded(self, pair: str, now_ns: int) -> None:
        """Kraken says that the limit is exceeded."""
        self.heard(pair, self._limit.threshold, now_ns)

    def read(self, pair: str, now_ns: int) -> Decimal:
        return self._counter(pair).read(now_ns)

    def _counter(self, pair: str) -> Counter:
        return self._counters.setdefault(pair, Counter(self._limit.decay))


def points(action: Action, age_ns: int, orders: int = 1) -> Decimal:
    """What touching orders of that age costs. A batch counts like its orders one by one: the sheet is not sure.

    >>> points("cancel", 0), points("amend", 7 * SECOND_NS), points("add", 0)
    (Decimal('8'), Decimal('3'), Decimal('1'))
    """
    return Decimal(orders * (FIXED[action] + age_points(action, age_ns)))


def _drain_ns(over: Decimal, decay: Decimal) -> int:
    """How long so many points take to drain, rounded up."""
    return 0 if over <= 0 else int(over * SECOND_NS / decay) + 1
