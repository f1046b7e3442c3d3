"""Recording the market as it comes: the live client on a recording transport, and nobody else to hear it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gal_friday_adapters.kraken.client import KrakenClient
from gal_friday_adapters.kraken.connection import PicowsTransport
from gal_friday_adapters.sessions.part import Rotation
from gal_friday_adapters.sessions.recording import RecordingTransport
from gal_friday_adapters.sessions.writer import Recorded, SessionWriter
from gal_friday_core.candles import Series
from gal_friday_core.errors import ExchangeError
from gal_friday_core.payloads import MarketDataOHLCV, MarketDataTrade
from gal_friday_core.ports import Book, Clock, Transport
from gal_friday_live.clock import SystemClock
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.websocket_connection_manager import WebSocketConnectionManager

REPORT_EVERY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to record, from where, and when its parts end."""

    series: Sequence[Series]
    channels: Sequence[str]
    url: str
    rotation: Rotation


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a recording is."""

    stands: bool
    recorded: Recorded
    feed: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self.recorded), "feed": self.feed}


async def record(
    manager: ConfigurationManager,
    wanted: Wanted,
    folder: Path,
    *,
    stop: asyncio.Event,
    seconds: float | None = None,
    report: Callable[[Progress], None] = lambda _: None,
    clock: Clock | None = None,
    transport: Transport | None = None,
) -> Progress:
    """Until `stop` is set or the time is up; what was recorded.

    Raises StorageError where nothing can be written, ExchangeError where the exchange cannot be reached,
    says nothing at all, or refuses what is wanted. Everything heard until then is on disk all the same.
    """
    clock = clock or SystemClock()
    writer = SessionWriter(folder, rotation=wanted.rotation)
    recording = RecordingTransport(transport or PicowsTransport(), writer, clock, renew_after_loss=True)
    connections = WebSocketConnectionManager(manager, clock=recording, transport=recording)
    client = connections.feed(wanted.series, url=wanted.url, channels=wanted.channels)
    writer.start()
    try:
        running = asyncio.ensure_future(client.run(Nobody()))
        reporting = asyncio.ensure_future(_report(client, writer, report))
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait(
            {running, reporting, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        await client.close()
        reporting.cancel()
        stopping.cancel()
        await running
    finally:
        await asyncio.to_thread(writer.close)
    if not client.counts.messages:
        raise ExchangeError(
            f"nothing was received from {wanted.url}: check address, network and pairs, or give it longer"
        )
    return _progress(client, writer)


async def _report(client: KrakenClient, writer: SessionWriter, report: Callable[[Progress], None]) -> None:
    while True:
        await asyncio.sleep(REPORT_EVERY_S)
        report(_progress(client, writer))


def _progress(client: KrakenClient, writer: SessionWriter) -> Progress:
    return Progress(stands=client.stands, recorded=writer.counts, feed=client.counts.as_dict())


class Nobody:
    """A `MarketSink` that does not listen: the client is there to ask, to verify and to come back."""

    def on_book(self, pair: str, book: Book, received_ns: int, raw: bytes) -> None: ...

    def on_trades(self, pair: str, trades: Sequence[MarketDataTrade], received_ns: int) -> None: ...

    def on_candle(self, candle: MarketDataOHLCV) -> None: ...

    def on_invalid(self, pair: str, reason: str) -> None: ...

    def on_gap(self, pair: str, missed: int) -> None: ...

    def on_heartbeat(self, received_ns: int) -> None: ...

    def on_status(self, *, connected: bool, system: str, reason: str) -> None: ...

    def on_listing(self, pair: str, status: str) -> None: ...

    async def drained(self) -> None: ...
