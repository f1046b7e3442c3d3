"""Brings the market onto the bus: bars, books and trades in the order of the wire (001 §2.1).

A feed pushes; what it pushes waits in one queue, and whoever drains an idle queue delivers all of it. So a
live feed never waits for a handler, and a replayed one moves its clock only when all is digested.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from gal_friday_core.candles import Series
from gal_friday_core.config import Config
from gal_friday_core.kraken.wire import BookMessage, decode
from gal_friday_core.payloads import MarketDataL2, MarketDataOHLCV, MarketDataTrade
from gal_friday_core.ports import Book, Feed, MarketSink
from gal_friday_core.times import SECOND_NS
from gal_friday_live.bus import PubSubManager
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.tasks import TaskSupervisor

SOURCE = "DataIngestor"
ONLINE = "online"
BACKLOG = 1_000
"""Book updates of one pair that may wait; beyond it one snapshot takes their place, so that none is lost."""

log = logging.getLogger(__name__)

Delivery = tuple[Callable[[Any], Awaitable[None]], Any]


class HearsCandles(Protocol):
    """Sees each bar before the engine does, as an `Exchange`."""

    async def on_candle(self, candle: MarketDataOHLCV) -> None: ...


class DataIngestor:
    """The engine's `MarketSink`. `published` counts bars, `refused` what came that was not a new closed bar;
    `ended` is true once the feed is over.

    `books` holds the order book of each pair whose book is verified, and of no other. `sinks` hear every
    call first, at once and from the event loop. `after` says for a series when its last known bar opened:
    only later ones are new. Books and trades become events only where somebody subscribes to them. With
    `settles` a bar is over only when every task it started is; without, an order that waits for a distant
    exchange's answer holds up no market data.
    """

    def __init__(
        self,
        config: ConfigurationManager,
        event_bus: PubSubManager,
        *,
        feed: Feed,
        exchange: HearsCandles,
        tasks: TaskSupervisor,
        after: Mapping[Series, int] | None = None,
        sinks: Sequence[MarketSink] = (),
        settles: bool = True,
    ) -> None:
        self._settles = settles
        self._take_limits(config.config)
        config.on_reload(self._take_limits)
        self._venue = config.config.market.exchange
        self._bus = event_bus
        self._feed = feed
        self._exchange = exchange
        self._tasks = tasks
        self._sinks = tuple(sinks)
        self._latest = {(series.venue, series.pair): opened for series, opened in (after or {}).items()}
        self._queue: deque[Delivery] = deque()
        self._following: set[str] = set()
        self._waiting: Counter[str] = Counter()
        self._generation: Counter[str] = Counter()
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._draining = False
        self._running = False
        self._heard_ns = 0
        self.books: dict[str, Book] = {}
        self._listing_handlers: list[Callable[[str, str], None]] = []
        self.listings: dict[str, str] = {}
        self.connected = False
        self.system = "unknown"
        self.ended = False
        self.published = 0
        self.coalesced = 0
        self.invalidated: Counter[str] = Counter()
        self.missed_trades = 0
        self.refused: Counter[str] = Counter()

    def book(self, pair: str, now_ns: int) -> Book | None:
        """The pair's book where it is verified and the line was heard within `market.max_book_age_s`, else None."""
        book = self.books.get(pair)
        if book is None or not book.verified or now_ns - self._heard_ns > self._max_age_ns:
            return None
        return book

    def silent_s(self, now_ns: int) -> float | None:
        """Since anything was heard, in seconds; None where the feed never told when."""
        return (now_ns - self._heard_ns) / SECOND_NS if self._heard_ns else None

    def fault(self, pair: str, now_ns: int) -> str:
        """Why no decision may rest on the pair's market; empty where one may, and for feeds of stored bars."""
        if not self._feed.live:
            return ""
        if not self.connected:
            return "not connected"
        if self.system != ONLINE:
            return f"the exchange is {self.system}"
        if self.book(pair, now_ns) is None:
            silent_s = (now_ns - self._heard_ns) / SECOND_NS
            return f"no verified book; the line was heard {silent_s:.1f} s ago"
        return ""

    def listed(self, handler: Callable[[str, str], None]) -> None:
        """One more who hears a pair's status as the exchange tells it."""
        self._listing_handlers.append(handler)

    def _take_limits(self, config: Config) -> None:
        self._max_age_ns = int(config.market.max_book_age_s * SECOND_NS)

    async def start(self) -> None:
        self._running = True

    async def stop(self) -> None:
        """End `run` after what is in hand."""
        self._running = False
        await self._feed.close()

    async def run(self) -> None:
        """Until the feed ends or `stop`. Raises ExchangeError where the feed cannot go on."""
        tasks = {asyncio.ensure_future(self._feed.run(self)), asyncio.ensure_future(self._pump())}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self.drained()
        self.ended = True

    async def drained(self) -> None:
        """Deliver what waits; where somebody is at it, wait for that."""
        if self._draining:
            await self._idle.wait()
            return
        self._draining = True
        self._idle.clear()
        queue = self._queue
        try:
            while queue and self._running:
                deliver, item = queue.popleft()
                await deliver(item)
        finally:
            self._draining = False
            self._idle.set()

    def on_candle(self, candle: MarketDataOHLCV) -> None:
        for sink in self._sinks:
            sink.on_candle(candle)
        self._push(self._take, candle)

    def on_book(self, pair: str, book: Book, received_ns: int, raw: bytes) -> None:
        self.books[pair] = book
        self._heard_ns = received_ns
        for sink in self._sinks:
            sink.on_book(pair, book, received_ns, raw)
        if self._bus.has_subscribers("MARKET_DATA_L2"):
            self._queue_levels(pair, book, received_ns, raw)
        elif self._following:
            self._following.clear()

    def on_trades(self, pair: str, trades: Sequence[MarketDataTrade], received_ns: int) -> None:
        self._heard_ns = received_ns
        for sink in self._sinks:
            sink.on_trades(pair, trades, received_ns)
        if self._bus.has_subscribers("MARKET_DATA_TRADE"):
            for trade in trades:
                self._push(self._publish_trade, trade)

    def on_invalid(self, pair: str, reason: str) -> None:
        """Forget the book; whoever follows the events is told by an empty snapshot."""
        self.invalidated[reason] += 1
        self.books.pop(pair, None)
        for sink in self._sinks:
            sink.on_invalid(pair, reason)
        if pair in self._following:
            self._following.discard(pair)
            self._supersede(pair, _snapshot(self._venue, pair, None, None))

    def on_gap(self, pair: str, missed: int) -> None:
        self.missed_trades += missed
        for sink in self._sinks:
            sink.on_gap(pair, missed)

    def on_heartbeat(self, received_ns: int) -> None:
        self._heard_ns = received_ns
        for sink in self._sinks:
            sink.on_heartbeat(received_ns)

    def on_status(self, *, connected: bool, system: str, reason: str) -> None:
        self.connected, self.system = connected, system
        log.log(logging.INFO if connected else logging.WARNING, "market data: %s (%s)", reason, system)
        for sink in self._sinks:
            sink.on_status(connected=connected, system=system, reason=reason)

    def on_listing(self, pair: str, status: str) -> None:
        self.listings[pair] = status
        log.log(logging.INFO if status == ONLINE else logging.WARNING, "%s is %s", pair, status)
        for told in self._listing_handlers:
            told(pair, status)
        for sink in self._sinks:
            sink.on_listing(pair, status)

    async def _pump(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            await self.drained()

    def _push(self, deliver: Callable[[Any], Awaitable[None]], item: object) -> None:
        self._queue.append((deliver, item))
        self._arrived.set()

    def _queue_levels(self, pair: str, book: Book, received_ns: int, raw: bytes) -> None:
        """The changed levels; the whole book for those who begin to listen, and where too much waits."""
        if self._waiting[pair] >= BACKLOG:
            self.coalesced += self._waiting[pair]
            self._supersede(pair, _snapshot(self._venue, pair, book, received_ns))
        elif pair not in self._following:
            self._following.add(pair)
            self._supersede(pair, _snapshot(self._venue, pair, book, received_ns))
        else:
            self._waiting[pair] += 1
            self._push(self._publish_change, (self._generation[pair], pair, received_ns, raw))

    def _supersede(self, pair: str, levels: MarketDataL2) -> None:
        """Let one snapshot take the place of all that waits for the pair."""
        self._generation[pair] += 1
        self._waiting[pair] = 1
        self._push(self._publish_snapshot, (self._generation[pair], levels))

    async def _publish_snapshot(self, item: tuple[int, MarketDataL2]) -> None:
        generation, levels = item
        if generation == self._generation[levels.trading_pair]:
            self._waiting[levels.trading_pair] -= 1
            await self._bus.publish("MARKET_DATA_L2", levels, source=SOURCE)

    async def _publish_change(self, item: tuple[int, str, int, bytes]) -> None:
        generation, pair, received_ns, raw = item
        if generation == self._generation[pair]:
            self._waiting[pair] -= 1
            await self._bus.publish("MARKET_DATA_L2", _change(self._venue, received_ns, raw), source=SOURCE)

    async def _publish_trade(self, trade: MarketDataTrade) -> None:
        await self._bus.publish("MARKET_DATA_TRADE", trade, source=SOURCE)

    async def _take(self, candle: MarketDataOHLCV) -> None:
        """A simulated venue sees a bar before the strategy does, so that what was decided on the last bar
        fills in this one.
        """
        if not self._is_new(candle):
            return
        tasks = self._tasks
        await self._exchange.on_candle(candle)
        if self._settles and tasks.working:
            await tasks.settle()
        await self._publish_market_data(candle)
        if self._settles and tasks.working:
            await tasks.settle()

    async def _publish_market_data(self, candle: MarketDataOHLCV) -> None:
        self.published += 1
        await self._bus.publish("MARKET_DATA_OHLCV", candle, source=SOURCE)

    def _is_new(self, candle: MarketDataOHLCV) -> bool:
        if not candle.closed:
            self.refused["RUNNING"] += 1
            return False
        key = (candle.exchange, candle.trading_pair)
        if candle.timestamp_bar_start <= self._latest.get(key, -1):
            self.refused["NOT_LATER"] += 1
            return False
        self._latest[key] = candle.timestamp_bar_start
        return True


def _change(venue: str, received_ns: int, raw: bytes) -> MarketDataL2:
    """The levels that a verified book message set."""
    message = decode(raw)
    assert isinstance(message, BookMessage)
    return MarketDataL2(
        trading_pair=message.symbol,
        exchange=venue,
        bids=tuple((level.price, level.qty) for level in message.bids),
        asks=tuple((level.price, level.qty) for level in message.asks),
        is_snapshot=message.type == "snapshot",
        timestamp_exchange=message.timestamp,
        checksum=message.checksum,
        timestamp_received=received_ns,
    )


def _snapshot(venue: str, pair: str, book: Book | None, received_ns: int | None) -> MarketDataL2:
    bids, asks = book.levels(book.depth) if book is not None else ([], [])
    return MarketDataL2(
        trading_pair=pair,
        exchange=venue,
        bids=tuple((level.price, level.qty) for level in bids),
        asks=tuple((level.price, level.qty) for level in asks),
        is_snapshot=True,
        timestamp_exchange=book.timestamp_ns if book is not None else None,
        checksum=book.checksum if book is not None else None,
        depth=book.depth if book is not None else None,
        timestamp_received=received_ns,
    )
