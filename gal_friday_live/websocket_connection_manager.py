"""Every public websocket of the engine in one place: made, watched, made anew, measured (001 §2.17).

`feed` is how the engine listens: a client that the engine itself runs. `establish_connection` keeps one of
its own, for whoever wants a market beside the engine.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from gal_friday_adapters.kraken.client import KrakenClient
from gal_friday_adapters.kraken.market import CHANNELS
from gal_friday_adapters.kraken.patience import Patience
from gal_friday_core.candles import Series
from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError, ExchangeError
from gal_friday_core.ports import Clock, MarketSink, Transport
from gal_friday_live.clock import SystemClock
from gal_friday_live.configuration import ConfigurationManager

KNOWN_CHANNELS = (*CHANNELS, "ticker")


class WebSocketConnectionManager:
    """`sink` hears what `establish_connection` brings; `patience` is made of the `market` section by default.

    `timer` (monotonic seconds) and `jitter` are time and chance.
    """

    def __init__(
        self,
        config: ConfigurationManager,
        *,
        sink: MarketSink | None = None,
        clock: Clock | None = None,
        transport: Transport | None = None,
        patience: Patience | None = None,
        timer: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._market = config.config.market
        self._sink = sink
        self._clock = clock or SystemClock()
        self._transport = transport
        self._timer, self._jitter = timer, jitter
        self._patience = patience or Patience(
            silence_s=self._market.max_silence_s, lag_s=self._market.max_lag_s
        )
        self._clients: dict[str, KrakenClient] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        config.on_reload(self._take_limits)

    def _take_limits(self, config: Config) -> None:
        self._patience = replace(self._patience, lag_s=config.market.max_lag_s)
        for client in self._clients.values():
            client.allow_lag(config.market.max_lag_s)

    def feed(
        self, series: Sequence[Series], *, url: str | None = None, channels: Sequence[str] = CHANNELS
    ) -> KrakenClient:
        """A client of these series, to be run by its user; its metrics are among the others.

        `url` is `market.websocket_url` by default.
        """
        client = KrakenClient(
            series, self._clock, url=url or self._market.websocket_url, depth=self._market.depth, channels=channels,
            transport=self._transport, patience=self._patience, timer=self._timer, jitter=self._jitter,
        )  # fmt: skip
        self._clients[f"kraken-{len(self._clients) + 1}"] = client
        return client

    async def establish_connection(self, endpoint: str, subscriptions: list[str]) -> str:
        """Connect and subscribe; the connection's id, once all of it stands.

        `subscriptions` as "channel:PAIR", such as "book:BTC/USD"; channels are book, trade, ohlc and ticker,
        candles of the configured interval. Raises ConfigError for others, ExchangeError where Kraken cannot
        be reached or refuses.
        """
        if self._sink is None:
            raise ConfigError("a connection needs somebody who hears it: give the manager a sink")
        channels, series = self._wanted(subscriptions)
        client = self.feed(series, url=endpoint, channels=channels)
        connection_id = f"kraken-{len(self._clients)}"
        self._running[connection_id] = asyncio.ensure_future(client.run(self._sink))
        await self._standing(connection_id)
        return connection_id

    async def monitor_connection_health(self, connection_id: str) -> dict[str, Any]:
        """Whether it is up, how long it has been silent, and which books are not verified. Raises ExchangeError
        for an unknown id.
        """
        client = self._client(connection_id)
        return {
            "connection_id": connection_id,
            "healthy": client.stands,
            "silent_s": client.silent_s,
            "system": client.system,
            "unverified_books": sorted(pair for pair, book in client.books.items() if not book.verified),
        }

    async def handle_reconnection(self, connection_id: str) -> bool:
        """Replace the line; whether the new one stands. Raises ExchangeError for an unknown id."""
        client = self._client(connection_id)
        client.reconnect("reconnection asked for")
        try:
            await self._standing(connection_id)
        except ExchangeError:
            return False
        return True

    async def get_connection_metrics(self) -> dict[str, Any]:
        """The counts of every connection by its id."""
        return {
            name: {"stands": client.stands, **client.counts.as_dict()}
            for name, client in self._clients.items()
        }

    async def close(self) -> None:
        """End the connections that were established here."""
        for name in self._running:
            await self._clients[name].close()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _client(self, connection_id: str) -> KrakenClient:
        try:
            return self._clients[connection_id]
        except KeyError:
            known = ", ".join(self._clients) or "none"
            raise ExchangeError(f"no connection {connection_id!r}; there are: {known}") from None

    async def _standing(self, connection_id: str) -> None:
        """Return once the line stands. Raises what ended its client, or ExchangeError where it was closed."""
        client, running = self._clients[connection_id], self._running.get(connection_id)
        standing = asyncio.ensure_future(client.standing())
        await asyncio.wait(
            {standing} if running is None else {standing, running}, return_when=asyncio.FIRST_COMPLETED
        )
        if standing.done():
            return
        standing.cancel()
        if running is not None:
            running.result()
        raise ExchangeError(f"connection {connection_id} was closed")

    def _wanted(self, subscriptions: Iterable[str]) -> tuple[list[str], list[Series]]:
        channels: dict[str, None] = {}
        pairs: dict[str, None] = {}
        for item in subscriptions:
            channel, _, pair = item.partition(":")
            if channel not in KNOWN_CHANNELS or "/" not in pair:
                raise ConfigError(
                    f"cannot subscribe to {item!r}: write channel:PAIR, such as book:BTC/USD, with a channel of "
                    f"{', '.join(KNOWN_CHANNELS)}"
                )
            channels[channel], pairs[pair] = None, None
        if not pairs:
            raise ConfigError(
                "a connection without subscriptions hears nothing: name one, such as book:BTC/USD"
            )
        return list(channels), [Series(self._market.exchange, pair, self._market.interval) for pair in pairs]
