"""Kraken's public candles: websocket v2, channel `ohlc`, final candles only, reconnecting for ever.

Silence is death: Kraken sends a heartbeat about once a second when it has nothing else to say. After a
lost connection the subscription is made anew, and its snapshot fills the hole.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from gal_friday_adapters.kraken.ohlc import Candle, CandleTracker
from gal_friday_core.candles import Series
from gal_friday_core.errors import ExchangeError
from gal_friday_core.payloads import MarketDataOHLCV
from gal_friday_core.ports import Clock, MarketSink
from gal_friday_core.times import MINUTE_NS, SECOND_NS

PUBLIC_URL = "wss://ws.kraken.com/v2"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for what, in seconds. Retries double from `retry_s` to `retry_max_s`, jittered."""

    open_s: float = 10.0
    idle_s: float = 8.0
    grace_s: float = 3.0
    retry_s: float = 1.0
    retry_max_s: float = 30.0
    first_attempts: int = 3


class Message(msgspec.Struct, frozen=True):
    """What matters of any message; the rest is not looked at."""

    channel: str = ""
    method: str = ""
    success: bool = True
    error: str = ""
    data: msgspec.Raw = msgspec.Raw(b"[]")


_MESSAGE = msgspec.json.Decoder(Message)
_CANDLES = msgspec.json.Decoder(list[Candle])


class KrakenFeed:
    """Final candles of the given series. `connections` counts how often it connected."""

    def __init__(
        self,
        series: Sequence[Series],
        clock: Clock,
        *,
        url: str = PUBLIC_URL,
        patience: Patience | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._series = tuple(series)
        self._clock = clock
        self._url = url
        self._patience = patience or Patience()
        self._jitter = jitter
        self._tracker = CandleTracker(self._series, int(self._patience.grace_s * SECOND_NS))
        self._closing = asyncio.Event()
        self.connections = 0

    async def run(self, sink: MarketSink) -> None:
        """Hand over each final candle."""
        async with aclosing(self.candles()) as candles:
            async for candle in candles:
                sink.on_candle(candle)
                await sink.drained()

    async def candles(self) -> AsyncGenerator[MarketDataOHLCV, None]:
        """Until `close`. Raises ExchangeError where Kraken cannot be reached at all, or refuses the subscription."""
        failures = 0
        while not self._closing.is_set():
            try:
                async with connect(
                    self._url, open_timeout=self._patience.open_s, ping_interval=None, close_timeout=1
                ) as socket:
                    self.connections += 1
                    failures = 0
                    await self._subscribe(socket)
                    async for candle in self._listen(socket):
                        yield candle
            except (OSError, TimeoutError, WebSocketException) as error:
                failures += 1
                self._give_up(failures, error)
                await self._wait(failures)

    async def close(self) -> None:
        self._closing.set()

    async def _subscribe(self, socket: ClientConnection) -> None:
        for interval in sorted({item.interval_ns // MINUTE_NS for item in self._series}):
            pairs = [item.pair for item in self._series if item.interval_ns // MINUTE_NS == interval]
            params = {"channel": "ohlc", "symbol": pairs, "interval": interval, "snapshot": True}
            request = {"method": "subscribe", "params": params, "req_id": interval}
            await socket.send(msgspec.json.encode(request).decode())

    async def _listen(self, socket: ClientConnection) -> AsyncGenerator[MarketDataOHLCV, None]:
        """Raises TimeoutError once the line has been silent for too long."""
        heard_ns = self._clock.now_ns()
        while not self._closing.is_set():
            raw = await self._receive(socket, heard_ns)
            now_ns = self._clock.now_ns()
            if raw is not None:
                heard_ns = now_ns
                for candle in self._read(raw):
                    for final in self._tracker.update(candle):
                        yield final
            elif now_ns - heard_ns >= self._patience.idle_s * SECOND_NS:
                raise TimeoutError(f"silent for {self._patience.idle_s} s")
            for final in self._tracker.expire(now_ns):
                yield final

    async def _receive(self, socket: ClientConnection, heard_ns: int) -> Any:
        """The next message, or None when something is due before one comes."""
        due_ns = heard_ns + int(self._patience.idle_s * SECOND_NS)
        candle_due_ns = self._tracker.next_due_ns()
        if candle_due_ns is not None:
            due_ns = min(due_ns, candle_due_ns)
        wait_s = max(due_ns - self._clock.now_ns(), 0) / SECOND_NS
        receiving = asyncio.ensure_future(socket.recv())
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait({receiving, closing}, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
            return receiving.result() if receiving.done() else None
        finally:
            for task in (receiving, closing):
                task.cancel()

    def _read(self, raw: Any) -> list[Candle]:
        """Raises ExchangeError for a refused subscription, and for a message that is not Kraken's."""
        try:
            message = _MESSAGE.decode(raw)
            if not message.success:
                raise ExchangeError(f"Kraken refused {message.method}: {message.error}; check market.pairs")
            return _CANDLES.decode(message.data) if message.channel == "ohlc" else []
        except msgspec.DecodeError as error:
            raise ExchangeError(f"{self._url} sent a message that is not Kraken's: {error}") from None

    def _give_up(self, failures: int, error: Exception) -> None:
        """A line that once stood comes back; one that never stood is a wrong address or no network."""
        reason = f"{type(error).__name__}: {error}"
        if not self.connections and failures >= self._patience.first_attempts:
            raise ExchangeError(
                f"cannot reach Kraken at {self._url} after {failures} attempts ({reason}): check the network, "
                "or replay stored history"
            ) from error
        log.warning("market feed lost, attempt %s: %s", failures, reason)

    async def _wait(self, failures: int) -> None:
        patience = self._patience
        longest = min(patience.retry_s * 2 ** (failures - 1), patience.retry_max_s)
        closing = asyncio.ensure_future(self._closing.wait())
        await asyncio.wait({closing}, timeout=longest * (0.5 + self._jitter() / 2))
        closing.cancel()
