"""Kraken's public market data, for as long as it is wanted: `KrakenClient` is the engine's live feed.

It keeps one line to the exchange. A line that closes, falls silent (a half-open socket says nothing of
itself) or never comes to stand is replaced, after a pause that doubles and within Kraken's budget of
connections; the new line subscribes to everything anew. What the sink was told of the old line's books is
taken back first.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from gal_friday_adapters.bell import Bell
from gal_friday_adapters.kraken.books import load
from gal_friday_adapters.kraken.connection import PicowsTransport
from gal_friday_adapters.kraken.counts import Counts
from gal_friday_adapters.kraken.line import MarketLine
from gal_friday_adapters.kraken.market import CHANNELS, Market
from gal_friday_adapters.kraken.patience import Patience, Retries
from gal_friday_core.book import OrderBook
from gal_friday_core.candles import Series
from gal_friday_core.errors import ExchangeError
from gal_friday_core.kraken.wire import Pair, Ticker
from gal_friday_core.ports import Clock, MarketSink, Transport

PUBLIC_URL = "wss://ws.kraken.com/v2"
TICKS = 16
"""How often the watch looks within the time after which a silent line is dead."""

log = logging.getLogger(__name__)


class KrakenClient:
    """A `Feed` of the series' candles, and of books and trades of their pairs.

    `timer` (monotonic seconds), `sleep` and `jitter` are time and chance; `clock` only stamps what comes.
    """

    live = True

    def __init__(
        self,
        series: Sequence[Series],
        clock: Clock,
        *,
        url: str = PUBLIC_URL,
        depth: int = 10,
        channels: Sequence[str] = CHANNELS,
        transport: Transport | None = None,
        patience: Patience | None = None,
        jitter: Callable[[], float] = random.random,
        timer: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        patience = patience or Patience()
        self._transport = transport or PicowsTransport()
        self._market = Market(
            series=tuple(series), channels=tuple(channels), depth=depth, url=url, clock=clock, timer=timer,
            patience=patience,
        )  # fmt: skip
        self._retries = Retries(patience, timer=timer, jitter=jitter)
        self._line: MarketLine | None = None
        self._changed = Bell(sleep)
        self._closing = Bell(sleep)
        self._standing = asyncio.Event()
        self._lost_at: float | None = None
        self._failures = 0

    @property
    def counts(self) -> Counts:
        return self._market.counts

    @property
    def stands(self) -> bool:
        """Whether a line is up, everything is subscribed, and every book is verified."""
        return self._line is not None and self._line.stands

    async def standing(self) -> None:
        """Return once a line stands; not at all where none ever does."""
        await self._standing.wait()

    @property
    def system(self) -> str:
        """The exchange's own state: online, cancel_only, post_only, maintenance; unknown before it told."""
        return self._market.system

    @property
    def url(self) -> str:
        return self._market.url

    @property
    def depth(self) -> int:
        return self._market.depth

    @property
    def patience(self) -> Patience:
        return self._market.patience

    @property
    def silent_s(self) -> float | None:
        """Seconds since the exchange was last heard; None while there is no line."""
        return None if self._line is None else self._market.timer() - self._line.heard

    @property
    def instruments(self) -> dict[str, Pair]:
        """Every pair that the exchange lists, once it has said so."""
        return self._market.instruments

    @property
    def tickers(self) -> dict[str, Ticker]:
        """The last ticker of each pair, where the channel is subscribed."""
        return self._market.tickers

    @property
    def books(self) -> dict[str, OrderBook]:
        """The books of the present line; ask each whether it is `verified`."""
        return {} if self._line is None else self._line.books.books

    async def run(self, sink: MarketSink) -> None:
        """Until `close`. Raises ExchangeError where Kraken cannot be reached at all, or refuses what is wanted."""
        load()
        while not self._closing.rung:
            await self._closing.wait(self._retries.pause_s())
            if not self._closing.rung:
                await self._hold(MarketLine(self._market, sink, ended=self._changed.ring), sink)

    async def close(self) -> None:
        self._closing.ring()
        self._changed.ring()

    @property
    def lag_s(self) -> float:
        """How far a book's own time may be from our clock."""
        return self._market.patience.lag_s

    def allow_lag(self, lag_s: float) -> None:
        """How far a book's own time may be from our clock, on this line and those after it."""
        self._market.patience = replace(self._market.patience, lag_s=lag_s)
        if self._line is not None:
            self._line.books.allow_lag(lag_s)

    def reconnect(self, reason: str) -> None:
        """Give up the present line; `run` makes another."""
        self._standing.clear()
        if self._line is not None:
            self._line.give_up(reason)

    async def _hold(self, line: MarketLine, sink: MarketSink) -> None:
        """One line, from the attempt to its end."""
        market = self._market
        try:
            connection = await self._transport.connect(market.url, line)
        except ExchangeError as error:
            market.counts.failed_attempts += 1
            self._fail(str(error))
            return
        market.counts.connections += 1
        self._line = line
        line.opened(connection)
        stood = False
        try:
            while line.closed is None and line.refusal is None and not self._closing.rung:
                self._changed.hush()
                stood = self._watch(line, sink, stood)
                await self._changed.wait(market.patience.silence_s / TICKS)
        finally:
            self._line = None
            self._end(line, sink, stood)
        if line.refusal is not None:
            raise ExchangeError(f"Kraken at {market.url}: {line.refusal}; check market.pairs")

    def _watch(self, line: MarketLine, sink: MarketSink, stood: bool) -> bool:
        """One look at the line; whether it has ever stood."""
        line.check()
        if stood or not line.stands:
            return stood
        market = self._market
        market.stood = True
        self._failures = 0
        self._retries.stood()
        self._standing.set()
        if self._lost_at is not None:
            market.counts.recovered_s.append(market.timer() - self._lost_at)
            self._lost_at = None
        sink.on_status(connected=True, system=market.system, reason=f"connected to {market.url}")
        return True

    def _end(self, line: MarketLine, sink: MarketSink, stood: bool) -> None:
        """Take back what the line had told, and count what was lost."""
        market = self._market
        now = market.timer()
        self._standing.clear()
        line.give_up("closed here")
        line.books.lose("DISCONNECTED")
        reason = line.closed or ""
        sink.on_status(connected=False, system=market.system, reason=reason)
        if self._closing.rung:
            return
        if stood:
            market.counts.losses += 1
            market.counts.detected_s.append(now - line.heard)
            self._lost_at = now
        elif line.refusal is None:
            self._fail(reason)

    def _fail(self, reason: str) -> None:
        """A line that once stood comes back; one that never stood is a wrong address or no network."""
        self._failures += 1
        market = self._market
        if not market.stood and self._failures >= market.patience.first_attempts:
            raise ExchangeError(
                f"cannot reach Kraken at {market.url} after {self._failures} attempts ({reason}): check the "
                "network, or replay stored history"
            )
        log.warning("no market data, attempt %s: %s", self._failures, reason)
