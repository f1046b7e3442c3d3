"""The two drivers of the book kernel: `compute_book` over recorded events, `BookStream` one live event at a time.

Both run the same machine code on the same integers, so a row of a batch equals the stream's row of that
moment bit for bit. A row depends on the last `REACH_S` seconds at most.

The row of a moment knows what was received before it, nothing of that moment or later; the row of a bar is
that of its close. Only a loss that is told before the next book, trade or bar takes what was lost from it.
"""

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.errors import DataError, SchemaMismatchError
from gal_friday_core.features import book_kernel as kernel
from gal_friday_core.features.book_layout import (
    BOOK_SINCE,
    LONGEST_WINDOW,
    NEVER,
    REACH_S,
    SET_BACK_NS,
    SLOT,
    TIME,
    TRADES_SINCE,
    new_book_state,
)
from gal_friday_core.features.book_set import BOOK_V1, CANDLES_BOOK_V1
from gal_friday_core.features.drivers import FeatureTable
from gal_friday_core.features.schema import FeatureSchema
from gal_friday_core.market_events import LEVELS, MarketEvents
from gal_friday_core.times import MINUTE_NS, to_iso

KEPT_MOMENTS = 64
"""Bars whose rows are kept until their candle comes: a thin market's candle may be told an hour later."""

__all__ = ["REACH_S", "BookStream", "combine", "compute_book", "warm_book"]

Ladder = NDArray[np.int64]


class BookStream:
    """Features of one pair's book and trades, live: told every update, every trade and every loss, in order.

    `every_ns` is the grid of moments (a bar's length) whose rows can be had afterwards; times are those of
    receipt.
    """

    __slots__ = ("_clock", "_earliest_ns", "_every_ns", "_next_ns", "_out", "_rows", "_state", "schema")

    def __init__(self, every_ns: int, schema: FeatureSchema = BOOK_V1) -> None:
        if schema.hash != BOOK_V1.hash:
            raise SchemaMismatchError(
                f"no kernel computes feature set {schema.name!r} with hash {schema.hash[:12]}: this version "
                f"computes {BOOK_V1.name!r} with hash {BOOK_V1.hash[:12]}"
            )
        self.schema = schema
        self._state, self._clock = new_book_state()
        self._out = np.empty(len(schema))
        self._every_ns = every_ns
        self._next_ns = self._earliest_ns = 0
        self._rows: OrderedDict[int, NDArray[np.float64]] = OrderedDict()

    @property
    def time_ns(self) -> int:
        """Of the newest event or row; 0 before the first."""
        return int(self._clock[TIME])

    @property
    def ready(self) -> bool:
        """Whether every column is finite."""
        slot, since = self._clock[SLOT], (self._clock[BOOK_SINCE], self._clock[TRADES_SINCE])
        return NEVER not in since and bool(slot - max(since) > LONGEST_WINDOW)

    def take_book(
        self, ts: int, bid_prices: Ladder, bid_quantities: Ladder, ask_prices: Ladder, ask_quantities: Ladder
    ) -> bool:
        """The verified book after an update: int64 in the venue's units, best first, of any depth.

        False, and the book counts as lost, where a side is empty or the sides cross.
        """
        self._reach(ts)
        return kernel.take_book(
            self._state, self._clock, ts, bid_prices, bid_quantities, ask_prices, ask_quantities
        )

    def take_trade(self, ts: int, exchange_ts: int, price: int, quantity: int, side: int) -> None:
        """One trade in the venue's units; `side` 1 where the buyer took, -1 where the seller did.

        Raises DataError for anything else; the stream is then as it was.
        """
        self._reach(ts)
        if not kernel.take_trade(self._state, self._clock, ts, exchange_ts, price, quantity, side):
            raise DataError(_refused(ts, price, quantity, side))

    def lose_book(self) -> None:
        """The book was found wrong or its line broke: no features of it before it was observed anew."""
        kernel.lose_book(self._clock)

    def lose_trades(self) -> None:
        """Trades were missed: no features of them before they were observed anew."""
        kernel.lose_trades(self._state, self._clock)

    def row(self, ts: int, before: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Everything taken so far, as it stands at `ts`: float64 in schema order, the caller's own.

        Columns of another schema may be put `before` it.
        """
        kernel.row(self._state, self._clock, ts, self._out)
        return self._out.copy() if before is None else np.concatenate((before, self._out))

    def row_at(self, moment: int) -> NDArray[np.float64]:
        """The row of a moment of the grid: of what was received before it.

        NaN throughout for a moment that is long past, or before the first event.
        """
        if moment >= self._next_ns:
            self._reach(moment)
        kept = self._rows.get(moment)
        return np.full(len(self.schema), np.nan) if kept is None else kept

    def extend(self, events: MarketEvents) -> FeatureTable:
        """Take recorded events that follow what was taken; the rows of the grid's moments that they settle.

        A long session can so be read in parts. Raises DataError for a trade that is none.
        """
        every = self._every_ns
        if not len(events):
            return FeatureTable(np.empty(0, np.int64), np.empty((0, len(self.schema))), self.schema)
        next_ns = self._next_ns or (int(events.ts[0]) // every + 1) * every
        moments = np.arange(next_ns, int(events.ts.max()) + every + 1, every)
        out = np.empty((len(moments), len(self.schema)))
        written = self._run(events, moments, every, out)
        self._next_ns = next_ns + written * every
        self._earliest_ns = self._next_ns - every - SET_BACK_NS
        return FeatureTable(moments[:written], out[:written], self.schema)

    def _run(
        self, events: MarketEvents, moments: NDArray[np.int64], bar_ns: int, out: NDArray[np.float64]
    ) -> int:
        """Events through the batch driver, rows of `moments` into `out`; how many rows they settled."""
        columns = {name: np.ascontiguousarray(column) for name, column in events.arrays().items()}
        taken, written = kernel.run(
            self._state,
            self._clock,
            (columns["ts"], columns["exchange_ts"]),
            columns["kind"],
            (
                columns["bid_prices"],
                columns["bid_quantities"],
                columns["ask_prices"],
                columns["ask_quantities"],
            ),
            (columns["price"], columns["quantity"], columns["side"]),
            moments,
            bar_ns,
            out,
        )
        if taken < len(events):
            ts, price, quantity, side = (
                int(columns[name][taken]) for name in ("ts", "price", "quantity", "side")
            )
            raise DataError(
                f"{events.venue} {events.pair}, row {taken}: {_refused(ts, price, quantity, side)}"
            )
        return written

    def _reach(self, ts: int) -> None:
        """Write the rows of all moments up to `ts`, before anything of `ts` is taken."""
        if self._earliest_ns <= ts < self._next_ns:
            return
        every = self._every_ns
        last = ts - ts % every
        if ts < self._earliest_ns:
            self._rows.clear()
        elif self._next_ns:
            first = max(self._next_ns, last - (KEPT_MOMENTS - 1) * every)
            for moment in range(first, last + 1, every):
                self._rows[moment] = self.row(moment)
            while len(self._rows) > KEPT_MOMENTS:
                self._rows.popitem(last=False)
        self._next_ns = last + every
        self._earliest_ns = last - SET_BACK_NS


def compute_book(
    events: MarketEvents, moments: NDArray[np.int64], bar_ns: int, schema: FeatureSchema = BOOK_V1
) -> FeatureTable:
    """The rows of ascending `moments` over one recorded session; `ts` of the table is the moment.

    `bar_ns` is the length of the bars in the session. Moments after the last event stand as it left them.
    Raises DataError for a trade that is none, SchemaMismatchError for another schema.
    """
    stream = BookStream(bar_ns, schema)
    moments = np.ascontiguousarray(moments, dtype=np.int64)
    out = np.full((len(moments), len(schema)), np.nan)
    written = stream._run(events, moments, bar_ns, out)  # noqa: SLF001 - the other driver of the same memory
    for row in range(written, len(moments)):
        out[row] = stream.row(int(moments[row]))
    return FeatureTable(moments, out, schema)


def combine(candles: FeatureTable, book: FeatureTable) -> FeatureTable:
    """`candles-book-v1`: row by row the features of a bar and those of book and trades at its close.

    Raises DataError where the tables differ in length, SchemaMismatchError where they are of other sets.
    """
    if candles.schema.features + book.schema.features != _PARTS:
        raise SchemaMismatchError(
            f"cannot combine {candles.schema.name!r} and {book.schema.name!r} into {CANDLES_BOOK_V1.name!r}"
        )
    if len(candles) != len(book):
        raise DataError(
            f"{len(candles):,} rows of bars and {len(book):,} of books: compute both for one set of bars"
        )
    return FeatureTable(candles.ts, np.hstack((candles.values, book.values)), CANDLES_BOOK_V1)


_PARTS = (*CANDLES_BOOK_V1.features[: -len(BOOK_V1)], *BOOK_V1.features)


def _refused(ts: int, price: int, quantity: int, side: int) -> str:
    return (
        f"trade refused at {to_iso(ts)}: price {price}, quantity {quantity}, side {side}; price and quantity are "
        "positive and the side is 1 or -1"
    )


def warm_book() -> None:
    """Compile both drivers ahead, or load them from the cache, so that the first live update does not wait."""
    ladder = np.ones(LEVELS, np.int64)
    stream = BookStream(MINUTE_NS)
    stream.take_book(1, ladder, ladder, ladder + 1, ladder)
    frozen = ladder.copy()
    frozen.flags.writeable = False
    stream.take_book(1, frozen, frozen, frozen, frozen)
    stream.take_trade(1, 1, 1, 1, 1)
    stream.lose_book()
    stream.lose_trades()
    stream.row(1)
    whole, small, ladder = np.zeros(0, np.int64), np.zeros(0, np.int8), np.zeros((0, LEVELS), np.int64)
    ladders, trade = (ladder, ladder, ladder, ladder), (whole, whole, small, whole)
    nothing = MarketEvents("none", "BASE/QUOTE", 0, 0, whole, whole, small, *ladders, *trade)
    compute_book(nothing, whole, MINUTE_NS)
