"""What a pair is worth now: the middle of its verified book, else the newest trade or bar, each with its age.

Prices come from the live market that the engine hears anyway, never from a request in the middle of a
decision.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

import msgspec

from gal_friday_core.config import Config
from gal_friday_core.payloads import MarketDataOHLCV, MarketDataTrade
from gal_friday_core.ports import Book, Clock
from gal_friday_core.times import SECOND_NS, interval_ns
from gal_friday_live.configuration import ConfigurationManager

_HALF = Decimal("0.5")

Source = Literal["BOOK", "TRADE", "BAR"]


class MarketPrice(msgspec.Struct, frozen=True):
    """One pair's price in quote currency, where it is from, and when it was known."""

    price: Decimal
    timestamp_ns: int
    source: Source

    def age_ns(self, now_ns: int) -> int:
        """How old it is; never less than nothing."""
        return max(0, now_ns - self.timestamp_ns)


class MarketPriceService:
    """A `MarketSink` that remembers. A book counts while it is verified and its line was heard of late."""

    def __init__(self, config: ConfigurationManager, *, clock: Clock) -> None:
        self._take_limits(config.config)
        config.on_reload(self._take_limits)
        self._clock = clock
        self._books: dict[str, Book] = {}
        self._last: dict[str, MarketPrice] = {}
        self._heard_ns = 0

    def _take_limits(self, config: Config) -> None:
        self._max_age_ns = int(config.market.max_book_age_s * SECOND_NS)

    def get_latest_price(self, trading_pair: str) -> Decimal | None:
        """The newest price known of the pair; None before the first."""
        known = self.latest(trading_pair)
        return known.price if known is not None else None

    def latest(self, pair: str) -> MarketPrice | None:
        """The middle of the book where there is a usable one, else the last trade or bar, however old."""
        return self.middle(pair) or self._last.get(pair)

    def middle(self, pair: str) -> MarketPrice | None:
        """Half way between best bid and ask; None without a verified book that was heard of late."""
        book = self._books.get(pair)
        if book is None or not book.verified or self._clock.now_ns() - self._heard_ns > self._max_age_ns:
            return None
        bids, asks = book.bid_prices, book.ask_prices
        if not (len(bids) and len(asks)):
            return None
        units = Decimal(int(bids[0]) + int(asks[0])) * _HALF
        return MarketPrice(units.scaleb(-book.price_decimals), self._heard_ns, "BOOK")

    def on_book(self, pair: str, book: Book, received_ns: int, raw: bytes) -> None:
        del raw
        self._books[pair] = book
        self._heard_ns = received_ns

    def on_trades(self, pair: str, trades: Sequence[MarketDataTrade], received_ns: int) -> None:
        self._heard_ns = received_ns
        if trades:
            self._newer(pair, MarketPrice(trades[-1].price, trades[-1].timestamp_exchange, "TRADE"))

    def on_candle(self, candle: MarketDataOHLCV) -> None:
        closed_ns = candle.timestamp_bar_start + interval_ns(candle.interval)
        self._newer(candle.trading_pair, MarketPrice(candle.close, closed_ns, "BAR"))

    def on_invalid(self, pair: str, reason: str) -> None:
        del reason
        self._books.pop(pair, None)

    def on_gap(self, pair: str, missed: int) -> None:
        """Lost trades leave the last price as it was."""

    def on_heartbeat(self, received_ns: int) -> None:
        self._heard_ns = received_ns

    def on_status(self, *, connected: bool, system: str, reason: str) -> None:
        del system, reason
        if not connected:
            self._books.clear()

    def on_listing(self, pair: str, status: str) -> None:
        """A price is one, whatever the exchange takes."""

    async def drained(self) -> None:
        """Nothing waits here."""

    def _newer(self, pair: str, price: MarketPrice) -> None:
        known = self._last.get(pair)
        if known is None or price.timestamp_ns >= known.timestamp_ns:
            self._last[pair] = price
