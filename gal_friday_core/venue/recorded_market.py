"""A recorded session as the outside market: its book and trades are the liquidity that clients meet.

The record is the truth about everybody else. After each event the outside quantity of every level that the
event names is what the record says; what clients took from a level is missing until the record names it
again. Clients queue behind what was there when they came: a recorded trade takes from the front of the queue,
so a client's order fills only after what stood before it, and a cancel outside comes off the back, so it
never lets a client move up on luck.

Recorded times are moved so that the first event falls on the venue's start.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from msgspec import Struct

from gal_friday_core.candles import Candles
from gal_friday_core.kraken.wire import BookMessage, Message, TradeMessage
from gal_friday_core.money import ZERO
from gal_friday_core.venue.floor import Floor
from gal_friday_core.venue.requests import Side
from gal_friday_core.venue.updates import PriceLevel

DEPTHS = (10, 25, 100, 500, 1000)


class RecordedBook(Struct, frozen=True, kw_only=True):
    """A book message: levels as sent, a quantity of 0 deletes; a snapshot replaces all."""

    time_ns: int
    bids: tuple[PriceLevel, ...]
    asks: tuple[PriceLevel, ...]
    snapshot: bool = False


class RecordedTrade(Struct, frozen=True, kw_only=True):
    """A trade; `side` is the taker's."""

    time_ns: int
    side: Side
    price: Decimal
    quantity: Decimal


Recorded = RecordedBook | RecordedTrade


def recorded(messages: Iterable[tuple[int, Message]], symbol: str) -> Iterator[Recorded]:
    """The events of one pair among decoded messages with the times (ns) of their arrival, trade snapshots left out."""
    for time_ns, message in messages:
        if isinstance(message, BookMessage) and message.symbol == symbol:
            yield RecordedBook(
                time_ns=time_ns,
                bids=tuple((level.price, level.qty) for level in message.bids),
                asks=tuple((level.price, level.qty) for level in message.asks),
                snapshot=message.type == "snapshot",
            )
        elif isinstance(message, TradeMessage) and message.type == "update":
            for trade in message.data:
                if trade.symbol == symbol:
                    yield RecordedTrade(
                        time_ns=time_ns, side=trade.side, price=trade.price, quantity=trade.qty
                    )


class RecordedMarket:
    """Replays events in their order; `depth` as recorded, by default the smallest that holds the snapshot."""

    def __init__(self, events: Iterable[Recorded], *, depth: int | None = None) -> None:
        self._events = iter(events)
        self._depth = depth
        self._next: Recorded | None = next(self._events, None)
        self._shift_ns = 0
        self._placed = 0
        self._said: dict[Side, dict[Decimal, Decimal]] = {"buy": {}, "sell": {}}

    def open(self, floor: Floor, now_ns: int) -> None:
        """The first event is now; a snapshot that opens the record opens the book."""
        if self._next is not None:
            self._shift_ns = now_ns - self._next.time_ns
            if isinstance(self._next, RecordedBook) and self._next.snapshot:
                self.act(floor, now_ns)

    def due_ns(self) -> int | None:
        return None if self._next is None else self._next.time_ns + self._shift_ns

    def history(self) -> Candles | None:
        return None

    def skip(self) -> None:
        """The record goes on, the book stands still; the next event that matches brings it back into step."""
        if isinstance(self._next, RecordedBook):
            self._hear(self._next)
        self._next = next(self._events, None)

    def act(self, floor: Floor, now_ns: int) -> None:
        """One event."""
        event, self._next = self._next, next(self._events, None)
        if isinstance(event, RecordedBook):
            named = self._hear(event)
            self._follow(floor, named, now_ns)
        elif event is not None:
            self._trade(floor, event, now_ns)

    def _hear(self, event: RecordedBook) -> set[tuple[Side, Decimal]]:
        """Take the levels in and cut to the depth (KRAKEN_PROTOCOL §6.1); the levels that this changes."""
        named: set[tuple[Side, Decimal]] = set()
        sides: tuple[tuple[Side, tuple[PriceLevel, ...]], ...] = (("buy", event.bids), ("sell", event.asks))
        if event.snapshot:
            most = max(len(event.bids), len(event.asks), 1)
            self._depth = self._depth or next((depth for depth in DEPTHS if depth >= most), most)
        for side, levels in sides:
            said = self._said[side]
            if event.snapshot:
                named |= {(side, price) for price in said}
                said.clear()
            for price, quantity in levels:
                named.add((side, price))
                if quantity:
                    said[price] = quantity
                else:
                    said.pop(price, None)
            named |= {(side, price) for price in self._beyond(side)}
        return named

    def _beyond(self, side: Side) -> list[Decimal]:
        """Levels pushed out of the recorded depth: nobody tells of them any more, so they go."""
        said = self._said[side]
        if self._depth is None or len(said) <= self._depth:
            return []
        gone = sorted(said, reverse=side == "buy")[self._depth :]
        for price in gone:
            del said[price]
        return gone

    def _follow(self, floor: Floor, named: set[tuple[Side, Decimal]], now_ns: int) -> None:
        """Bring levels to what the record says: first what leaves, then what comes, the best price first."""
        for side, price in sorted(named):
            self._shrink(floor, side, price, now_ns)
        for side, price in sorted(named, key=lambda level: level[1] if level[0] == "sell" else -level[1]):
            self._grow(floor, side, price, now_ns)

    def _shrink(self, floor: Floor, side: Side, price: Decimal, now_ns: int) -> None:
        excess = self._outside(floor, side, price) - self._said[side].get(price, ZERO)
        for order in reversed(floor.book.queue(side, price)):
            if excess <= 0:
                return
            if order.owner is not None:
                continue
            if order.left <= excess:
                excess -= order.left
                floor.outside_remove(order.key, now_ns)
            else:
                floor.outside_shrink(order.key, order.left - excess, now_ns)
                excess = ZERO

    def _grow(self, floor: Floor, side: Side, price: Decimal, now_ns: int) -> None:
        missing = self._said[side].get(price, ZERO) - self._outside(floor, side, price)
        if missing > 0:
            self._placed += 1
            floor.outside_limit(f"recorded-{self._placed}", side, price, missing, now_ns)

    def _outside(self, floor: Floor, side: Side, price: Decimal) -> Decimal:
        """What rests at a level and is nobody's of ours."""
        return sum((order.left for order in floor.book.queue(side, price) if order.owner is None), ZERO)

    def _trade(self, floor: Floor, event: RecordedTrade, now_ns: int) -> None:
        """Fill what stands before the trade's price and at it; what is left of it was between others."""
        maker: Side = "sell" if event.side == "buy" else "buy"
        better = [price for price, _ in floor.book.levels(maker) if _reached(event, price)]
        taken = floor.outside_market(event.side, event.quantity, now_ns, limit=event.price)
        if taken < event.quantity:
            floor.outside_print(event.side, event.price, event.quantity - taken, now_ns)
        self._follow(floor, {(maker, price) for price in better}, now_ns)


def _reached(event: RecordedTrade, price: Decimal) -> bool:
    return price <= event.price if event.side == "buy" else price >= event.price
