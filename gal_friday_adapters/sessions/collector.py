"""A sink that writes down in columns what the engine would have been told (`core.market_events`)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.book import scaled
from gal_friday_core.market_events import BAR, BOOK, GAP, INVALID, LEVELS, TRADE, UNKNOWN_TIME, MarketEvents
from gal_friday_core.payloads import MarketDataOHLCV, MarketDataTrade
from gal_friday_core.ports import Book, Clock
from gal_friday_core.times import HOUR_NS

FIRST_ROOM = 4_096
Taker = Callable[[MarketEvents], None]


@dataclass(frozen=True, slots=True)
class Precision:
    """Decimals of a pair's prices and quantities."""

    price: int
    quantity: int


class _Rows:
    """One pair's events of one hour, in arrays that grow."""

    def __init__(self, pair: str, precision: Precision) -> None:
        self.pair = pair
        self.precision = precision
        self.count = 0
        self._room = 0
        self._columns: dict[str, NDArray[Any]] = {}

    def add(self, kind: int, ts_ns: int, exchange_ns: int = UNKNOWN_TIME) -> int:
        """A new row, all else zero; its number."""
        if self.count == self._room:
            self._grow()
        row = self.count
        self.count += 1
        self._columns["kind"][row] = kind
        self._columns["ts"][row] = ts_ns
        self._columns["exchange_ts"][row] = exchange_ns
        return row

    def fill(self, row: int, name: str, value: Any) -> None:
        if isinstance(value, np.ndarray):
            count = min(len(value), LEVELS)
            self._columns[name][row, :count] = value[:count]
        else:
            self._columns[name][row] = value

    def take(self, venue: str) -> MarketEvents:
        """What was written, and an empty table again."""
        columns = {name: column[: self.count] for name, column in self._columns.items()}
        self.count = self._room = 0
        self._columns = {}
        return MarketEvents(venue, self.pair, self.precision.price, self.precision.quantity, **columns)

    def _grow(self) -> None:
        room = 2 * self._room or FIRST_ROOM
        for name, (dtype, *shape) in _LAYOUT.items():
            column = np.zeros((room, *shape), dtype)
            if self._room:
                column[: self._room] = self._columns[name]
            self._columns[name] = column
        self._room = room


_LAYOUT: dict[str, tuple[Any, ...]] = {
    "ts": (np.int64,),
    "exchange_ts": (np.int64,),
    "kind": (np.int8,),
    "bid_prices": (np.int64, LEVELS),
    "bid_quantities": (np.int64, LEVELS),
    "ask_prices": (np.int64, LEVELS),
    "ask_quantities": (np.int64, LEVELS),
    "price": (np.int64,),
    "quantity": (np.int64,),
    "side": (np.int8,),
    "trade_id": (np.int64,),
}


class EventCollector:
    """A `MarketSink`. `take` is given the events of a pair whenever an hour of them is full, and by `finish`.

    `precision` says the decimals of a pair; what they cannot say is counted in `unsayable` and left out.
    """

    def __init__(self, venue: str, clock: Clock, precision: Callable[[str], Precision], take: Taker) -> None:
        self._venue = venue
        self._clock = clock
        self._precision = precision
        self._take = take
        self._rows: dict[str, _Rows] = {}
        self._hour: dict[str, int] = {}
        self.candles: list[MarketDataOHLCV] = []
        self.updates = 0
        self.trades = 0
        self.invalid = 0
        self.gaps = 0
        self.unsayable = 0

    def on_book(self, pair: str, book: Book, received_ns: int, raw: bytes) -> None:
        del raw
        self.updates += 1
        rows = self._of(pair, received_ns)
        row = rows.add(BOOK, received_ns, book.timestamp_ns or UNKNOWN_TIME)
        rows.fill(row, "bid_prices", book.bid_prices)
        rows.fill(row, "bid_quantities", book.bid_quantities)
        rows.fill(row, "ask_prices", book.ask_prices)
        rows.fill(row, "ask_quantities", book.ask_quantities)

    def on_trades(self, pair: str, trades: Sequence[MarketDataTrade], received_ns: int) -> None:
        rows = self._of(pair, received_ns)
        for trade in trades:
            price = scaled(trade.price, rows.precision.price)
            quantity = scaled(trade.volume, rows.precision.quantity)
            if price is None or quantity is None:
                self.unsayable += 1
                continue
            self.trades += 1
            row = rows.add(TRADE, received_ns, trade.timestamp_exchange)
            rows.fill(row, "price", price)
            rows.fill(row, "quantity", quantity)
            rows.fill(row, "side", 1 if trade.side == "BUY" else -1)
            rows.fill(row, "trade_id", int(trade.trade_id))

    def on_candle(self, candle: MarketDataOHLCV) -> None:
        now_ns = self._clock.now_ns()
        self._of(candle.trading_pair, now_ns).add(BAR, now_ns, candle.timestamp_bar_start)
        self.candles.append(candle)

    def on_invalid(self, pair: str, reason: str) -> None:
        del reason
        self.invalid += 1
        now_ns = self._clock.now_ns()
        self._of(pair, now_ns).add(INVALID, now_ns)

    def on_gap(self, pair: str, missed: int) -> None:
        del missed
        self.gaps += 1
        now_ns = self._clock.now_ns()
        self._of(pair, now_ns).add(GAP, now_ns)

    def on_heartbeat(self, received_ns: int) -> None:
        """A sign of life is no event of a pair."""

    def on_status(self, *, connected: bool, system: str, reason: str) -> None:
        """Books are taken back one by one: the line itself is no event of a pair."""

    def on_listing(self, pair: str, status: str) -> None:
        """What may be ordered is no matter of a recorded market."""

    async def drained(self) -> None:
        """Everything is digested at once."""

    def finish(self) -> None:
        """Hand over what is left."""
        for rows in self._rows.values():
            if rows.count:
                self._take(rows.take(self._venue))

    def _of(self, pair: str, ts_ns: int) -> _Rows:
        hour = ts_ns // HOUR_NS
        rows = self._rows.get(pair)
        if rows is None:
            rows = self._rows[pair] = _Rows(pair, self._precision(pair))
        elif rows.count and (hour != self._hour[pair] or rows.precision != self._precision(pair)):
            self._take(rows.take(self._venue))
            rows.precision = self._precision(pair)
        self._hour[pair] = hour
        return rows
