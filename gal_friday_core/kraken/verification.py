"""Replays captured messages through the books and says whether all of it holds together.

`Verification` takes messages in the order of the wire. Books are built by the instruments that the capture
tells; where it tells none, by the decimals under which the checksum of the first snapshot comes out right.
After a fault a book is empty, as it would be live, and takes nothing until a later snapshot heals it.
"""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from gal_friday_core.book import DEPTHS, MOST_DECIMALS, BookResult, OrderBook, scaled
from gal_friday_core.errors import ContractError
from gal_friday_core.kraken.v1 import is_v1, to_v2
from gal_friday_core.kraken.wire import (
    Acknowledgement,
    BookMessage,
    InstrumentMessage,
    Level,
    Message,
    Pair,
    Trade,
    TradeMessage,
    decode,
)

MOST_FAULTS = 20
"""Faults that are told one by one; the others are only counted."""
_SYMBOL = b'"symbol":"'
_CHECKED = 10


@dataclass(frozen=True, slots=True)
class Fault:
    """What was wrong with which message, counted from 1 over all messages of the capture."""

    message: int
    pair: str
    what: str


@dataclass(slots=True)
class PairReport:
    """What one pair's messages came to. `verified` says whether the book stands at the end."""

    pair: str
    depth: int = 0
    price_decimals: int = 0
    qty_decimals: int = 0
    decimals_inferred: bool = False
    snapshots: int = 0
    updates: int = 0
    unverified: int = 0
    checksum_failures: int = 0
    malformed: int = 0
    trades: int = 0
    trade_gaps: int = 0
    book: OrderBook | None = field(default=None, repr=False)
    excused: bool = False
    """Why the book is empty has been told."""
    connection: int = 0
    last_trade: int | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "pair": self.pair,
            "depth": self.depth,
            "price_decimals": self.price_decimals,
            "qty_decimals": self.qty_decimals,
            "decimals_inferred": self.decimals_inferred,
            "snapshots": self.snapshots,
            "updates": self.updates,
            "unverified": self.unverified,
            "checksum_failures": self.checksum_failures,
            "malformed": self.malformed,
            "trades": self.trades,
            "trade_gaps": self.trade_gaps,
            "verified": self.book is not None and self.book.verified,
        }


class Verification:
    """Counts over a capture; `pairs` by symbol, `faults` the first of them."""

    def __init__(self) -> None:
        self.messages = 0
        self.unreadable = 0
        self.lost_stretches = 0
        self.faults: list[Fault] = []
        self.pairs: dict[str, PairReport] = {}
        self._listed: dict[str, Pair] = {}
        self._depths: dict[str, int] = {}

    def take(self, raw: bytes, connection: int = 0) -> None:
        """One message of v2, or of v1, as it was sent."""
        self.messages += 1
        try:
            for message in to_v2(raw) if is_v1(raw) else (raw,):
                self._take(message, connection)
        except ContractError as error:
            self._unreadable(raw, str(error))

    def damaged(self, reason: str) -> None:
        """A part of the capture cannot be read: it may have been any pair's, so every book waits for its snapshot."""
        self.unreadable += 1
        self._fault("", reason)
        self._drop(self.pairs.values())

    def lost(self, reason: str) -> None:
        """The recorder itself says that messages are missing here."""
        self.lost_stretches += 1
        self._fault("", reason)
        self._drop(self.pairs.values())

    def reconnected(self, connection: int = 0) -> None:
        """A line went down or came up: subscriptions begin anew, which is no fault."""
        self._drop((pair for pair in self.pairs.values() if pair.connection == connection), excused=False)

    def report(self) -> dict[str, Any]:
        """JSON-able. `book_updates` are update messages; `resyncs` verified snapshots after a book's first."""
        pairs = [self.pairs[name] for name in sorted(self.pairs)]
        return {
            "messages": self.messages,
            "book_updates": sum(pair.updates for pair in pairs),
            "book_snapshots": sum(pair.snapshots for pair in pairs),
            "checksum_failures": sum(pair.checksum_failures for pair in pairs),
            "resyncs": sum(max(0, pair.snapshots - 1) for pair in pairs),
            "gaps": self.lost_stretches + sum(pair.trade_gaps for pair in pairs),
            "unverified": sum(pair.unverified for pair in pairs),
            "malformed": self.unreadable + sum(pair.malformed for pair in pairs),
            "trades": sum(pair.trades for pair in pairs),
            "clean": not self.faults,
            "faults": [
                {"message": fault.message, "pair": fault.pair, "what": fault.what} for fault in self.faults
            ],
            "pairs": [pair.as_dict() for pair in pairs],
        }

    def _take(self, raw: bytes, connection: int) -> None:
        """The bytes go to the book that they name; whatever else they are, `decode` says."""
        start = raw.find(_SYMBOL) + len(_SYMBOL)
        known = self.pairs.get(raw[start : raw.find(b'"', start)].decode("utf-8", "replace"))
        if known is not None and known.book is not None and b'"snapshot"' not in raw:
            found = known.book.apply_raw(raw)
            if found not in (BookResult.NOT_A_BOOK, BookResult.OTHER_PAIR):
                self._count(known, BookResult(found), connection, update=True)
                return
        self._sort(decode(raw), raw, connection)

    def _sort(self, message: Message, raw: bytes, connection: int) -> None:
        match message:
            case BookMessage():
                self._book(message, raw, connection)
            case TradeMessage():
                for trade in message.data:
                    self._trade(trade)
            case InstrumentMessage():
                self._listed.update((pair.symbol, pair) for pair in message.data.pairs)
            case Acknowledgement(success=True, result=result) if result and result.depth:
                self._depths[result.symbol] = result.depth
            case _:
                pass

    def _book(self, message: BookMessage, raw: bytes, connection: int) -> None:
        pair, update = self._pair(message.symbol), message.type == "update"
        if not update:
            self._begin(pair, message)
        found = BookResult.NO_SNAPSHOT if pair.book is None else BookResult(pair.book.apply_raw(raw))
        self._count(pair, found, connection, update=update)

    def _begin(self, pair: PairReport, message: BookMessage) -> None:
        """A book for this snapshot, with the decimals and the depth that hold now."""
        listed = self._listed.get(pair.pair)
        levels = max(len(message.bids), len(message.asks))
        depth = self._depths.get(pair.pair) or next(
            (depth for depth in DEPTHS if depth >= levels), DEPTHS[-1]
        )
        if listed is not None:
            decimals = (listed.price_precision, listed.qty_precision)
        elif pair.book is not None:
            decimals = (pair.price_decimals, pair.qty_decimals)
        else:
            decimals, pair.decimals_inferred = infer_decimals(message), True
        if pair.book is None or (pair.depth, pair.price_decimals, pair.qty_decimals) != (depth, *decimals):
            pair.depth, pair.price_decimals, pair.qty_decimals = depth, *decimals
            pair.book = OrderBook(pair.pair, depth, *decimals)

    def _count(self, pair: PairReport, result: BookResult, connection: int, *, update: bool) -> None:
        pair.connection = connection
        pair.updates += update
        if result is BookResult.SNAPSHOT:
            pair.snapshots += 1
            pair.excused = False
        elif result is BookResult.CHECKSUM:
            pair.checksum_failures += 1
            self._excuse(pair, "the book's checksum does not match")
        elif result is BookResult.NO_SNAPSHOT:
            pair.unverified += 1
            if not pair.excused:
                self._excuse(pair, "an update to a book that has no snapshot")
        elif result is not BookResult.APPLIED:
            pair.malformed += 1
            self._excuse(pair, "a book message that breaks the rules of the wire or the pair's decimals")

    def _excuse(self, pair: PairReport, what: str) -> None:
        pair.excused = True
        self._fault(pair.pair, what)

    def _trade(self, trade: Trade) -> None:
        pair = self._pair(trade.symbol)
        pair.trades += 1
        last = pair.last_trade
        if last is not None and trade.trade_id > last + 1:
            pair.trade_gaps += 1
            self._fault(pair.pair, f"trades {last + 1} to {trade.trade_id - 1} are missing")
        pair.last_trade = trade.trade_id if last is None else max(last, trade.trade_id)

    def _unreadable(self, raw: bytes, reason: str) -> None:
        """A message that no one can use. The books that it may have been for wait for their next snapshot."""
        named = [pair for pair in self.pairs.values() if pair.pair.encode() in raw]
        self.unreadable += 1
        self._fault(named[0].pair if named else "", reason)
        self._drop(named or self.pairs.values())

    def _drop(self, pairs: Iterable[PairReport], *, excused: bool = True) -> None:
        for pair in pairs:
            pair.excused = excused
            if pair.book is not None:
                pair.book.invalidate()

    def _pair(self, symbol: str) -> PairReport:
        return self.pairs.setdefault(symbol, PairReport(symbol))

    def _fault(self, pair: str, what: str) -> None:
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(self.messages, pair, what))


def infer_decimals(message: BookMessage) -> tuple[int, int]:
    """Decimals of price and quantity under which a snapshot's checksum is right.

    Tried from those that its numbers show upwards, since a sender may have dropped trailing zeros; where
    none is right, those that are shown.
    """
    shown = _shown(level.price for level in _levels(message)), _shown(level.qty for level in _levels(message))
    for price_decimals in range(shown[0], MOST_DECIMALS + 1):
        for qty_decimals in range(shown[1], MOST_DECIMALS + 1):
            if _checksum(message, price_decimals, qty_decimals) == message.checksum:
                return price_decimals, qty_decimals
    return shown


def _levels(message: BookMessage) -> Iterator[Level]:
    yield from message.asks
    yield from message.bids


def _shown(numbers: Iterable[Decimal]) -> int:
    exponents = (number.as_tuple().exponent for number in numbers)
    places = max((-exponent for exponent in exponents if isinstance(exponent, int)), default=0)
    return min(max(places, 0), MOST_DECIMALS)


def _checksum(message: BookMessage, price_decimals: int, qty_decimals: int) -> int:
    """CRC32 over the best ten levels of each side of a snapshot."""
    asks = sorted(message.asks, key=lambda level: level.price)[:_CHECKED]
    bids = sorted(message.bids, key=lambda level: -level.price)[:_CHECKED]
    digits = (
        f"{scaled(level.price, price_decimals)}{scaled(level.qty, qty_decimals)}" for level in (*asks, *bids)
    )
    return zlib.crc32("".join(digits).encode())
