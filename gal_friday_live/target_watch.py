"""Sees the market reach a target: a market sink that compares one integer for each book of a watched pair."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from gal_friday_core.book import scaled
from gal_friday_core.payloads import MarketDataOHLCV, MarketDataTrade
from gal_friday_core.ports import Book

NEVER = 1 << 62


class TargetWatch:
    """Calls `reached` with the pair at every verified book whose best bid is at its target or above."""

    def __init__(self, reached: Callable[[str], None]) -> None:
        self._reached = reached
        self._targets: dict[str, Decimal] = {}
        self._units: dict[str, int] = {}  # the same by the decimals of the pair's book

    def watch(self, pair: str, target: Decimal | None) -> None:
        """Look out for the pair's target from now on; None stops it."""
        self._units.pop(pair, None)
        if target is None:
            self._targets.pop(pair, None)
        else:
            self._targets[pair] = target

    def on_book(self, pair: str, book: Book, received_ns: int, raw: bytes) -> None:
        del received_ns, raw
        if pair not in self._targets:
            return
        target = self._units.get(pair)
        if target is None:
            target = self._scale(pair, book)
        bids = book.bid_prices
        if len(bids) and bids[0] >= target:
            self._reached(pair)

    def on_trades(self, pair: str, trades: Sequence[MarketDataTrade], received_ns: int) -> None:
        """A trade is no bid: nothing can be sold at it."""

    def on_candle(self, candle: MarketDataOHLCV) -> None:
        """Nor is a bar."""

    def on_invalid(self, pair: str, reason: str) -> None:
        """The next verified book may count in other decimals."""
        del reason
        self._units.pop(pair, None)

    def on_gap(self, pair: str, missed: int) -> None:
        """Lost trades say nothing of bids."""

    def on_heartbeat(self, received_ns: int) -> None:
        """Nothing has moved."""

    def on_status(self, *, connected: bool, system: str, reason: str) -> None:
        """A line that is down brings no books."""

    def on_listing(self, pair: str, status: str) -> None:
        """A target is reached, whatever the exchange takes."""

    async def drained(self) -> None:
        """Nothing waits here."""

    def _scale(self, pair: str, book: Book) -> int:
        units = scaled(self._targets[pair], book.price_decimals)
        found = self._units[pair] = NEVER if units is None else units
        return found
