"""What must hold while nothing is wrong: no fault for a while, the engine up, its clock right.

A fault may leave a position without its stop, or a fill unheard, for as long as it lasts and a little longer. Nothing
else may: what is still not in order when it has been calm for some time is not late, but forgotten.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal

from gal_friday_adapters.simulated_kraken.demo import KEY
from gal_friday_adapters.simulated_kraken.exchange import Exchange
from gal_friday_core.money import ZERO, product
from gal_friday_core.times import SECOND_NS
from gal_friday_core.venue.orders import Execution
from gal_friday_live.simulation.present import Trades

SETTLED_NS = 10 * SECOND_NS
"""How long it must have been calm before anything is held against an engine."""
BARE_NS = 20 * SECOND_NS
"""Longest that something held may have no order which sells it: a swap, a lost stop that is placed anew."""
TRIED_NS = 3 * SECOND_NS
"""Who sent an order that sells it so short a time ago has not forgotten it: a triggered stop ends where nobody buys."""
OVERTAKEN_NS, UNHEARD_NS = 15 * SECOND_NS, 80 * SECOND_NS
"""Longest until a fill is booked, once a later one is; and where nothing follows by which its loss could be noticed:
then the next comparison of the account must find it.
"""
SMALLEST = Decimal("1.1")
"""A stop is refused by its trigger's price, which is below the last one: what is worth hardly the least cannot have one."""
UNWRITTEN_NS = 15 * SECOND_NS
"""Longest until a halt is in the journal."""

Violate = Callable[[str, str], None]


class CalmWatch:
    """`look` is called every second or so; `is_calm` says whether nothing is wrong at this moment.

    `held_by_others` is what no engine looks after. `engine` is that of the present life, `halt_is_durable` whether the journal says that trading is halted.
    """

    def __init__(
        self,
        exchange: Exchange,
        violate: Violate,
        *,
        now_ns: Callable[[], int],
        engine: Callable[[], Trades | None],
        halt_is_durable: Callable[[], bool],
    ) -> None:
        self.is_calm: Callable[[], bool] = lambda: False
        self.held_by_others: Callable[[str], Decimal] = lambda _: ZERO
        self._exchange = exchange
        self._violate = violate
        self._now_ns = now_ns
        self._present = engine
        self._halt_is_durable = halt_is_durable
        self._engine: Trades | None = None
        self._since = 0
        self._bare: dict[str, int] = {}
        self._booked = 0  # so many of the account's fills are known to be booked
        self._overtaken: dict[str, int] = {}
        self._unwritten: int | None = None
        self._told: set[str] = set()

    def look(self) -> None:
        engine, now_ns = self._present(), self._now_ns()
        if engine is None or engine is not self._engine or not self.is_calm():
            self._engine, self._since, self._booked, self._unwritten = engine, now_ns, 0, None
            self._bare.clear()
            return
        if now_ns - self._since < SETTLED_NS:
            return
        self._look_at_stops(now_ns)
        self._look_at_fills(engine, now_ns)
        self._look_at_halt(engine, now_ns)

    def forget_fills(self, fills: Sequence[Execution]) -> None:
        """The oldest fills of the account, which are booked, are no longer among them."""
        self._booked = max(self._booked - len(fills), 0)
        for fill in fills:
            self._overtaken.pop(fill.exec_id, None)

    def bare(self, symbol: str) -> Decimal:
        """What is held of a pair and no open order would sell; zero where it is too little for any order."""
        listing = self._exchange.listing(symbol)
        held = self._exchange.balances(KEY).get(listing.base.name, ZERO) - self.held_by_others(symbol)
        if held < listing.quantity_min:
            return ZERO
        covered = sum(
            (
                order.left
                for order in self._exchange.orders(KEY)
                if order.is_open and order.symbol == symbol and order.asked.side == "sell"
            ),
            ZERO,
        )
        bare = held - covered
        worth = product(bare, self._exchange.markets[symbol].bars.last_price())
        return bare if bare >= listing.quantity_min and worth >= listing.cost_min * SMALLEST else ZERO

    def _is_tried(self, symbol: str, now_ns: int) -> bool:
        """Whether the exchange took an order a moment ago that was to sell it."""
        return any(
            order.symbol == symbol and order.asked.side == "sell" and now_ns - order.opened_ns <= TRIED_NS
            for order in self._exchange.orders(KEY)
        )

    def _look_at_stops(self, now_ns: int) -> None:
        for symbol in self._exchange.markets:
            bare = self.bare(symbol)
            if not bare or self._is_tried(symbol, now_ns):
                self._bare.pop(symbol, None)
            elif now_ns - self._bare.setdefault(symbol, now_ns) > BARE_NS:
                since_s = (now_ns - self._bare[symbol]) / SECOND_NS
                self._tell("P10", f"{symbol} has no stop", f": {bare} for {since_s:.0f} calm seconds")

    def _look_at_fills(self, engine: Trades, now_ns: int) -> None:
        booked = engine.portfolio.positions.booked
        fills = self._exchange.account(KEY).executions
        while self._booked < len(fills):
            first = fills[self._booked]
            if not booked(first.exec_id, first.time_ns):
                break
            self._booked += 1
        later = False
        for fill in reversed(fills[self._booked :]):
            if booked(fill.exec_id, fill.time_ns):
                later = True
                continue
            since = max(fill.time_ns, self._since)
            overtaken = self._overtaken.setdefault(fill.exec_id, now_ns) if later else now_ns
            if now_ns - since > UNHEARD_NS or now_ns - max(overtaken, self._since) > OVERTAKEN_NS:
                more = f": {fill.side} {fill.quantity} {fill.symbol}"
                self._tell("P3", f"fill {fill.exec_id} is not booked", more)

    def _look_at_halt(self, engine: Trades, now_ns: int) -> None:
        if not engine.halt.halted or self._halt_is_durable():
            self._unwritten = None
            return
        self._unwritten = self._unwritten or now_ns
        if now_ns - self._unwritten > UNWRITTEN_NS:
            self._tell("P5", "a halt is not in the journal", f": {engine.halt.reason}")

    def _tell(self, promise: str, what: str, more: str) -> None:
        """Once for each thing."""
        if what not in self._told:
            self._told.add(what)
            self._violate(promise, what + more)
