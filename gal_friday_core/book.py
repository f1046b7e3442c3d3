"""One pair's order book as Kraken's websocket v2 keeps it: exact, verified, or empty.

Prices and quantities are integers in units of 10**-decimals of the pair. Every message is applied whole, cut
to the subscribed depth and verified by the CRC32 that it carries; after a mismatch, a malformed message or
`invalidate`, the book is empty and takes no update until the next snapshot.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from gal_friday_core import book_kernel, book_layout
from gal_friday_core.book_layout import (
    ASK_COUNT,
    ASK_START,
    BID_COUNT,
    BID_START,
    COMPUTED,
    HEADER,
    TIMESTAMP,
    UNKNOWN_TIME,
    VERIFIED,
    Columns,
)
from gal_friday_core.errors import ContractError
from gal_friday_core.kraken.wire import BookMessage, Level, PriceLevel
from gal_friday_core.money import EXACT

DEPTHS = (10, 25, 100, 500, 1000)
"""What Kraken lets one subscribe to."""
MOST_DECIMALS = 12
MOST_DIGITS = 18
_FIRST_TEXT = 16_384
_LONGEST_TEXT = 1 << 30


class BookResult(IntEnum):
    """What became of a message. Up to SNAPSHOT the book is good; the others say why it is not, or untouched."""

    APPLIED = book_layout.APPLIED
    SNAPSHOT = book_layout.SNAPSHOT
    CHECKSUM = book_layout.CHECKSUM
    """The checksum did not match: the book is empty now; subscribe anew."""
    MALFORMED = book_layout.MALFORMED
    """Not a message by Kraken's rules: the book is empty now; subscribe anew."""
    NOT_A_BOOK = book_layout.NOT_A_BOOK
    OTHER_PAIR = book_layout.OTHER_PAIR
    NO_SNAPSHOT = book_layout.NO_SNAPSHOT
    """An update to an empty book: ignored until a snapshot comes."""


class OrderBook:
    """`depth` 1 to 1000 levels a side (Kraken serves DEPTHS); decimals 0 to 12 as the instrument says."""

    __slots__ = (
        "_columns", "_levels", "_room", "_state", "_text", "_view", "depth", "pair", "price_decimals", "qty_decimals",
    )  # fmt: skip

    def __init__(self, pair: str, depth: int, price_decimals: int, qty_decimals: int) -> None:
        symbol = pair.encode()
        if not 1 <= len(symbol) <= book_layout.SYMBOL_ROOM or not 1 <= depth <= DEPTHS[-1]:
            raise ContractError(f"no book of {depth} levels for {pair!r}: depths are {DEPTHS}")
        if not (0 <= price_decimals <= MOST_DECIMALS and 0 <= qty_decimals <= MOST_DECIMALS):
            raise ContractError(
                f"{pair}: decimals {price_decimals} and {qty_decimals} are not within 0 to {MOST_DECIMALS}"
            )
        self.pair, self.depth = pair, depth
        self.price_decimals, self.qty_decimals = price_decimals, qty_decimals
        self._columns: Columns | None = None
        self._state = np.zeros(book_layout.size(depth), np.int64)
        self._state[book_layout.DEPTH] = depth
        self._state[book_layout.ROOM] = self._levels = book_layout.room(depth)
        self._state[book_layout.MESSAGE_ROOM] = book_layout.message_room(depth)
        self._state[book_layout.PRICE_DECIMALS] = price_decimals
        self._state[book_layout.QTY_DECIMALS] = qty_decimals
        self._state[book_layout.SYMBOL_LENGTH] = len(symbol)
        self._state[book_layout.SYMBOL : book_layout.SYMBOL + len(symbol)] = list(symbol)
        self._grow(_FIRST_TEXT)
        self.apply_raw(b"")  # empties the book, and compiles the kernel now rather than at the first message

    def apply_raw(self, raw: bytes | bytearray | memoryview) -> int:
        """Apply the bytes of one message; what became of it, a number of `BookResult`."""
        length = len(raw)
        if length > self._room:
            if length > _LONGEST_TEXT:
                self.invalidate()
                return book_layout.MALFORMED
            self._grow(2 * length)
        self._view[:length] = raw
        self._columns = None
        return book_kernel.apply_text(self._state, self._text, length)

    def apply(self, message: BookMessage) -> BookResult:
        """Apply a decoded message: the slow way to the same result."""
        if message.symbol != self.pair:
            return BookResult.OTHER_PAIR
        self._columns = None
        state = self._state
        most = int(state[book_layout.MESSAGE_ROOM])
        at = HEADER + 6 * int(state[book_layout.ROOM])
        for levels in (message.bids, message.asks):
            if len(levels) > most or not self._put(levels, at, most):
                self.invalidate()
                return BookResult.MALFORMED
            at += 2 * most
        snapshot = message.type == "snapshot"
        state[book_layout.KIND] = book_layout.SNAPSHOT_KIND if snapshot else book_layout.UPDATE_KIND
        state[book_layout.SENT_BIDS], state[book_layout.SENT_ASKS] = len(message.bids), len(message.asks)
        state[book_layout.SENT] = message.checksum
        state[book_layout.SENT_TIMESTAMP] = UNKNOWN_TIME if message.timestamp is None else message.timestamp
        return BookResult(book_kernel.apply_levels(state))

    def invalidate(self) -> None:
        """Forget every level; nothing is read from here until the next snapshot verifies."""
        self._columns = None
        book_kernel.clear(self._state)

    @property
    def verified(self) -> bool:
        """Whether the last message left a book whose checksum was right."""
        return bool(self._state.item(VERIFIED))

    @property
    def timestamp_ns(self) -> int | None:
        """The exchange's time of the last message; None where it said none, or nothing is verified."""
        found = int(self._state[TIMESTAMP])
        return None if found == UNKNOWN_TIME else found

    @property
    def checksum(self) -> int:
        """The CRC32 computed after the last message that was applied, also where it did not match."""
        return int(self._state[COMPUTED])

    @property
    def crossed(self) -> bool:
        """Whether the best bid is not below the best ask, as happens while matching is suspended."""
        bids, asks = self.bid_prices, self.ask_prices
        return bool(len(bids) and len(asks) and bids[0] >= asks[0])

    @property
    def bid_prices(self) -> NDArray[np.int64]:
        """(n,) int64 view, best first, in units of 10**-price_decimals; valid until the next message."""
        return self._column(0, BID_START, BID_COUNT)

    @property
    def bid_quantities(self) -> NDArray[np.int64]:
        """(n,) int64 view, in units of 10**-qty_decimals; valid until the next message."""
        return self._column(1, BID_START, BID_COUNT)

    @property
    def ask_prices(self) -> NDArray[np.int64]:
        """(n,) int64 view, best first, in units of 10**-price_decimals; valid until the next message."""
        return self._column(3, ASK_START, ASK_COUNT)

    @property
    def ask_quantities(self) -> NDArray[np.int64]:
        """(n,) int64 view, in units of 10**-qty_decimals; valid until the next message."""
        return self._column(4, ASK_START, ASK_COUNT)

    def columns(self) -> Columns:
        """All four at once, for who needs them with every message: prices and quantities of bids, then of asks.

        Views like the properties', made once a message.
        """
        if self._columns is None:
            self._columns = self._viewed()
        return self._columns

    def _viewed(self) -> Columns:
        state, room = self._state, self._levels
        number = state.item
        bid, ask = HEADER + number(BID_START), HEADER + 3 * room + number(ASK_START)
        bid_end, ask_end = bid + number(BID_COUNT), ask + number(ASK_COUNT)
        return (
            state[bid:bid_end],
            state[bid + room : bid_end + room],
            state[ask:ask_end],
            state[ask + room : ask_end + room],
        )

    def levels(self, count: int | None = None) -> tuple[list[PriceLevel], list[PriceLevel]]:
        """The best bids and asks as (price, quantity), with the decimals of the pair."""
        bids = zip(self.bid_prices[:count].tolist(), self.bid_quantities[:count].tolist(), strict=True)
        asks = zip(self.ask_prices[:count].tolist(), self.ask_quantities[:count].tolist(), strict=True)
        return self._exact(bids), self._exact(asks)

    def _exact(self, levels: Iterable[tuple[int, int]]) -> list[PriceLevel]:
        price_places, qty_places = -self.price_decimals, -self.qty_decimals
        return [
            PriceLevel(Decimal(price).scaleb(price_places), Decimal(quantity).scaleb(qty_places))
            for price, quantity in levels
        ]

    def _column(self, number: int, start_at: int, count_at: int) -> NDArray[np.int64]:
        state = self._state
        begin = HEADER + number * state.item(book_layout.ROOM) + state.item(start_at)
        return state[begin : begin + state.item(count_at)]

    def _put(self, levels: Sequence[Level], at: int, most: int) -> bool:
        """Levels into the message's room; whether the pair's decimals can say them."""
        for place, level in enumerate(levels):
            price = scaled(level.price, self.price_decimals)
            quantity = scaled(level.qty, self.qty_decimals)
            if price is None or quantity is None or price == 0:
                return False
            self._state[at + place], self._state[at + most + place] = price, quantity
        return True

    def _grow(self, room: int) -> None:
        self._room = room
        self._text = np.zeros(room + book_kernel.PADDING, np.uint8)
        self._view = memoryview(self._text.data)


def scaled(number: Decimal, decimals: int) -> int | None:
    """In units of 10**-decimals; None where that is no whole number from 0 to below 10**18.

    >>> scaled(Decimal("29430.20"), 1), scaled(Decimal("29430.25"), 1)
    (294302, None)
    """
    if not number.is_finite() or number < 0 or abs(number.adjusted()) > 2 * MOST_DIGITS:
        return None
    units = EXACT.scaleb(number, decimals)
    whole = units.to_integral_value()
    return int(whole) if whole == units and whole < 10**MOST_DIGITS else None
