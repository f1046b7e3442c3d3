"""How much may still be asked of Kraken, so that its limits are never hit: REST's counter and the engine's per pair.

The same rules that the simulated exchange enforces (`venue.limits`, KRAKEN_PROTOCOL §4), kept on our side and a
little stricter. Times are a monotonic clock's nanoseconds, passed in.
"""

from collections.abc import Iterable
from decimal import Decimal

from gal_friday_core.times import SECOND_NS
from gal_friday_core.venue.limits import (
    ENGINE_LIMITS,
    FIXED,
    FREE_CALLS,
    REST_LIMITS,
    TWO_POINT_CALLS,
    Action,
    EngineLimit,
    Tier,
    age_points,
)

DEAREST_CANCEL = 8
"""Points of cancelling an order younger than five seconds."""
SAFETY = 1
"""Points left unused: what is on its way is counted there later than here."""
_UNITS = 100 * SECOND_NS
"""In a point: so that a decay told in hundredths of a point a second is a whole number of units a nanosecond."""


class _Counter:
    """Points that drain, kept in whole units: exact, and quick enough for the path of an order."""

    __slots__ = ("_since_ns", "_units", "drain")

    def __init__(self, decay: Decimal) -> None:
        self.drain = int(decay * 100)
        self._units = 0
        self._since_ns = 0

    def units(self, now_ns: int) -> int:
        """What is left at a time, which never runs backwards here."""
        if now_ns > self._since_ns:
            self._units = max(self._units - self.drain * (now_ns - self._since_ns), 0)
            self._since_ns = now_ns
        return self._units

    def add(self, units: int, now_ns: int) -> None:
        self._units = self.units(now_ns) + units

    def wait_ns(self, units: int, most: int, now_ns: int) -> int:
        """How long until so many more fit below `most`, rounded up."""
        over = self.units(now_ns) + units - most
        return 0 if over <= 0 else -(-over // self.drain)

    def take(self, units: int, most: int, now_ns: int) -> bool:
        """Add them where they fit below `most`; whether they did."""
        found = self.units(now_ns) + units
        if found > most:
            return False
        self._units = found
        return True


class RestCounter:
    """The counter of one API key. Ask `wait_ns`, wait, `charge`, call."""

    def __init__(self, tier: Tier) -> None:
        limit = REST_LIMITS[tier]
        self._maximum = int(limit.maximum) * _UNITS
        self._most = self._maximum - SAFETY * _UNITS
        self._counter = _Counter(limit.decay)
        self._doubt = 0
        self._doubted_ns = 0

    def wait_ns(self, method: str, now_ns: int) -> int:
        """How long until this call fits; 0 now. Order calls have the engine's limiter instead and always fit.

        >>> counter = RestCounter("starter")
        >>> for _ in range(14):
        ...     counter.charge("Balance", 0)
        >>> counter.wait_ns("Balance", 0) / SECOND_NS, counter.wait_ns("CancelOrder", 0)
        (3.030303031, 0)
        """
        points = call_points(method)
        return self._counter.wait_ns(points * _UNITS, self._most, now_ns) if points else 0

    def charge(self, method: str, now_ns: int) -> None:
        """Count a call that is about to be made."""
        self._counter.add(call_points(method) * _UNITS, now_ns)

    def read(self, now_ns: int) -> Decimal:
        """Points at a time."""
        return Decimal(self._counter.units(now_ns)) / _UNITS

    def resume(self, points: Decimal, now_ns: int) -> None:
        """Go on counting from what an earlier run has left."""
        self._raise_to(int(points * _UNITS), now_ns)

    def exceeded(self, now_ns: int) -> None:
        """Kraken says that the limit is exceeded: somebody else uses the key, or answers that said so were lost.

        How far beyond it is, nobody tells, and calling on prolongs it: a quarter of the maximum is assumed, and half of
        it where that was not enough.

        >>> counter = RestCounter("pro")
        >>> counter.exceeded(0)
        >>> counter.wait_ns("Balance", 0) // SECOND_NS
        7
        >>> counter.exceeded(7 * SECOND_NS)
        >>> counter.wait_ns("Balance", 7 * SECOND_NS) // SECOND_NS
        12
        """
        drained_ns = 2 * self._maximum // self._counter.drain
        if now_ns - self._doubted_ns > drained_ns:
            self._doubt = 0
        self._doubt = self._maximum // 2 if self._doubt else self._maximum // 4
        self._doubted_ns = now_ns
        self._raise_to(self._maximum + self._doubt, now_ns)

    def _raise_to(self, units: int, now_ns: int) -> None:
        self._counter.add(max(units - self._counter.units(now_ns), 0), now_ns)


class PublicPace:
    """Public calls share one address: about one a second (KRAKEN_PROTOCOL §4), a few at once at first."""

    BURST = 5

    def __init__(self) -> None:
        self._counter = _Counter(Decimal(1))

    def wait_ns(self, now_ns: int) -> int:
        return self._counter.wait_ns(_UNITS, self.BURST * _UNITS, now_ns)

    def charge(self, now_ns: int) -> None:
        self._counter.add(_UNITS, now_ns)


def call_points(method: str) -> int:
    """What a private REST call costs.

    >>> call_points("Balance"), call_points("TradesHistory"), call_points("AddOrder")
    (1, 2, 0)
    """
    if method in FREE_CALLS:
        return 0
    return 2 if method in TWO_POINT_CALLS else 1


class EngineCounters:
    """The matching engine's counters, one for each pair; websocket and REST share them.

    New risk keeps `DEAREST_CANCEL` points free in its pair, so that whatever was placed can be cancelled at once.
    """

    def __init__(self, tier: Tier) -> None:
        self._limit = ENGINE_LIMITS[tier]
        self._most = int(self._limit.threshold) * _UNITS
        self._counters: dict[str, _Counter] = {}

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
        self._most = maxratecount * _UNITS
        for pair, counter in self._counters.items():
            self._counters[pair] = _Counter(base.decay)
            self._counters[pair].add(counter.units(now_ns), now_ns)
        return False

    def wait_ns(self, pair: str, action: Action, now_ns: int, *, age_ns: int = 0, orders: int = 1) -> int:
        """How long until this fits; 0 now. `age_ns` is that of the order it touches, since it was placed or amended.

        >>> counters = EngineCounters("starter")
        >>> counters.charge("BTC/USD", "add", 0, orders=52)
        >>> counters.wait_ns("BTC/USD", "add", 0) // SECOND_NS, counters.wait_ns("BTC/USD", "cancel", 0)
        (1, 0)
        """
        kept = 0 if action == "cancel" else DEAREST_CANCEL
        cost = points(action, age_ns, orders)
        return self._counter(pair).wait_ns(cost * _UNITS, self._most - kept * _UNITS, now_ns)

    def take(self, pair: str, now_ns: int) -> bool:
        """Count a new order that is about to be sent, where it fits now; whether it does."""
        return self._counter(pair).take(_NEW, self._most - _KEPT, now_ns)

    def charge(self, pair: str, action: Action, now_ns: int, *, age_ns: int = 0, orders: int = 1) -> None:
        """Count a request that is about to be made; it counts whatever becomes of it."""
        self._counter(pair).add(points(action, age_ns, orders) * _UNITS, now_ns)

    def heard(self, pair: str, told: Decimal, now_ns: int) -> None:
        """The counter that Kraken tells. Only more than ours is believed: what is on its way is not in it yet."""
        counter = self._counter(pair)
        counter.add(max(int(told * _UNITS) - counter.units(now_ns), 0), now_ns)

    def resume(self, pair: str, asked: Iterable[tuple[int, int]], now_ns: int) -> None:
        """Go on counting after what an earlier run asked: how long ago, in nanoseconds, and for how many points.

        Where anything of it may still count, a cancel that it left no trace of is counted too.

        >>> counters = EngineCounters("starter")
        >>> counters.resume("BTC/USD", [(9 * SECOND_NS, 1), (5 * SECOND_NS, 8)], 0)
        >>> counters.read("BTC/USD", 0)
        Decimal('11')
        """
        past, counter, since_ns = _Counter(self._limit.decay), self._counter(pair), 0
        for ago_ns, cost in sorted(asked, reverse=True):
            since_ns = since_ns or ago_ns
            past.add(cost * _UNITS, since_ns - ago_ns)
        left = past.units(since_ns)
        if left:
            counter.add(max(min(left + _KEPT, self._most) - counter.units(now_ns), 0), now_ns)

    def exceeded(self, pair: str, now_ns: int) -> None:
        """Kraken says that the limit is exceeded."""
        self.heard(pair, self._limit.threshold, now_ns)

    def read(self, pair: str, now_ns: int) -> Decimal:
        return Decimal(self._counter(pair).units(now_ns)) / _UNITS

    def _counter(self, pair: str) -> _Counter:
        counter = self._counters.get(pair)
        if counter is None:
            counter = self._counters[pair] = _Counter(self._limit.decay)
        return counter


def points(action: Action, age_ns: int, orders: int = 1) -> int:
    """What touching orders of that age costs. A batch counts like its orders one by one: the sheet is not sure.

    >>> points("cancel", 0), points("amend", 7 * SECOND_NS), points("add", 0)
    (8, 3, 1)
    """
    return orders * (FIXED[action] + age_points(action, age_ns))


_NEW, _KEPT = points("add", 0) * _UNITS, DEAREST_CANCEL * _UNITS
"""Units of a new order, and those that it leaves free."""
