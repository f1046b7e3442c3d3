"""Books and trades into the book kernel, at once and in the order of the wire: the market sink of the features.

What the collector of a recorded session writes down is what is told to the kernel here, so that a row equals
the recorded session's to the bit.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.book import scaled
from gal_friday_core.book_layout import Columns
from gal_friday_core.candles import Series
from gal_friday_core.features.book_drivers import BookStream
from gal_friday_core.features.book_set import BOOK_V1
from gal_friday_core.money import UNITS
from gal_friday_core.payloads import MarketDataOHLCV, MarketDataTrade
from gal_friday_core.ports import Book

PENDING = 10_000
"""Trades of a pair that are kept until its first book tells their decimals."""

Update = Callable[[Series, Columns, int, int], None]
"""Series, what its book shows, decimals of the prices, time of receipt."""


class _Pair:
    """One pair's stream, and how its numbers are scaled."""

    def __init__(self, series: Series) -> None:
        self.series = series
        self.length = series.interval_ns
        self.stream = BookStream(self.length)
        self.decimals: tuple[int, int] | None = None
        self.verified = False
        self.pending: deque[tuple[MarketDataTrade, int]] = deque(maxlen=PENDING)

    def scale(self, book: Book) -> None:
        """Take over the decimals of the pair's book; after a change nothing seen before can be compared."""
        decimals = book.price_decimals, book.qty_decimals
        if self.decimals is not None:
            self.stream = BookStream(self.length)
        self.decimals = decimals
        while self.pending:
            trade, received_ns = self.pending.popleft()
            self.take_trade(trade, received_ns, decimals)

    def take_trade(self, trade: MarketDataTrade, received_ns: int, decimals: tuple[int, int]) -> bool:
        """False for a trade that these decimals cannot say."""
        price, quantity = scaled(trade.price, decimals[0]), scaled(trade.volume, decimals[1])
        if not price or not quantity:
            return False
        side = 1 if trade.side == "BUY" else -1
        self.stream.take_trade(received_ns, trade.timestamp_exchange, price, quantity, side)
        return True


class BookFeatures:
    """A `MarketSink`: one stream a pair. `updates` and `trades` count what was taken, `lost` the losses of a book.

    `on_update` is called after every book that was taken.
    """

    def __init__(self, series: Iterable[Series], on_update: Update | None = None) -> None:
        self._pairs = {item.pair: _Pair(item) for item in series}
        self._on_update = on_update
        self._unknown = np.full(len(BOOK_V1), np.nan)
        self.updates = self.trades = self.lost = self.unsayable = 0

    def row(self, pair: str, moment: int) -> NDArray[np.float64]:
        """The features at a bar's close; NaN throughout while the pair's book is not verified."""
        found = self._pairs[pair]
        return found.stream.row_at(moment) if found.verified else self._unknown

    def newest(
        self, pair: str, now_ns: int, before: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """The features of everything taken so far, behind other columns where some are given.

        NaN throughout while the pair's book is not verified.
        """
        found = self._pairs[pair]
        if found.verified:
            return found.stream.row(now_ns, before)
        return self._unknown if before is None else np.concatenate((before, self._unknown))

    def ready(self, pair: str) -> bool:
        """Whether every feature of the pair is known."""
        found = self._pairs[pair]
        return found.verified and found.stream.ready

    def on_book(self, pair: str, book: Book, received_ns: int, raw: bytes) -> None:
        del raw
        found = self._pairs.get(pair)
        if found is None:
            return
        if found.decimals != (book.price_decimals, book.qty_decimals):
            found.scale(book)
        self.updates += 1
        columns = book.columns()
        found.verified = found.stream.take_book(received_ns, *columns)
        if self._on_update is not None and found.verified:
            self._on_update(found.series, columns, book.price_decimals, received_ns)

    def on_trades(self, pair: str, trades: Sequence[MarketDataTrade], received_ns: int) -> None:
        found = self._pairs.get(pair)
        if found is None:
            return
        for trade in trades:
            if found.decimals is None:
                found.pending.append((trade, received_ns))
            elif found.take_trade(trade, received_ns, found.decimals):
                self.trades += 1
            else:
                self.unsayable += 1

    def on_candle(self, candle: MarketDataOHLCV) -> None:
        """Settle the row of the bar's close before anything that comes after the bar is taken."""
        found = self._pairs.get(candle.trading_pair)
        if found is not None and candle.interval == found.series.interval:
            found.stream.row_at(candle.timestamp_bar_start + found.length)

    def on_invalid(self, pair: str, reason: str) -> None:
        del reason
        found = self._pairs.get(pair)
        if found is not None:
            self.lost += found.verified
            found.verified = False
            found.stream.lose_book()

    def on_gap(self, pair: str, missed: int) -> None:
        del missed
        found = self._pairs.get(pair)
        if found is not None:
            found.pending.clear()
            found.stream.lose_trades()

    def on_heartbeat(self, received_ns: int) -> None:
        """A book that stands still still stands."""

    def on_status(self, *, connected: bool, system: str, reason: str) -> None:
        """A line that breaks loses its books one by one, by `on_invalid`."""

    def on_listing(self, pair: str, status: str) -> None:
        """A book has features, whatever the exchange takes."""

    async def drained(self) -> None:
        """Everything is taken at once."""


def middle(book: Columns, places: int) -> Decimal:
    """Half way between the best bid and the best ask, exactly; prices are in units of 10**-places."""
    bids, _, asks, _ = book
    whole, half = divmod(bids.item(0) + asks.item(0), 2)
    return Decimal(10 * whole + 5) * UNITS[places + 1] if half else whole * UNITS[places]
