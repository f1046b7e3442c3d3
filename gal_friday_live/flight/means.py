"""The means of a stage on an island: all that comes from the world passes the `Outside`."""

import secrets
import time
from base64 import b64encode
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from gal_friday_adapters.kraken.connect import WORLD, Ways
from gal_friday_adapters.kraken.rest_calls import Credentials
from gal_friday_adapters.paths import data_dir
from gal_friday_adapters.simulated_kraken.about import About, ask_about
from gal_friday_core.config import Config
from gal_friday_core.events import Event
from gal_friday_core.payloads import FeaturesCalculated
from gal_friday_core.ports import Clock, Ids
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.engine import Engine
from gal_friday_live.flight.island import Island
from gal_friday_live.flight.outside import Outside
from gal_friday_live.flight.ports import (
    OutsideCalls,
    OutsideClock,
    OutsideHistory,
    OutsidePool,
    OutsideTransport,
)
from gal_friday_live.flight.values import Form, struct, text_of
from gal_friday_live.historical_data_service import HistoricalDataService
from gal_friday_live.ids import SequentialIds
from gal_friday_live.means import Means
from gal_friday_live.websocket_connection_manager import WebSocketConnectionManager

SETTINGS = Form(lambda config: config.model_dump(mode="json"), Config.model_validate)
BAR, FEATURES = "bar", "features"
"""What an engine tells besides what it writes and sends."""


class OutsideMeans(Means):
    """`replay` says that nobody is asked, so that no keys are needed."""

    def __init__(self, outside: Outside, island: Island, *, replay: bool = False) -> None:
        self._outside = outside
        self._island = island
        self._replay = replay
        self.timer = lambda: outside.reading("timer", time.monotonic)
        self.pool = lambda: OutsidePool(outside)

    def ids(self) -> Ids:
        return SequentialIds(self._outside.reading("ids", lambda: secrets.randbits(64)))

    def configuration(self, manager: ConfigurationManager) -> ConfigurationManager:
        return ConfigurationManager.from_config(
            manager.config, again=lambda: self._outside.reading("configuration", manager.read, SETTINGS)
        )

    def listen(self, engine: Engine) -> None:
        """Features as used, and the bars that they were made of, are said too."""
        engine.bus.subscribe("MARKET_DATA_OHLCV", self._bar)
        engine.bus.subscribe("FEATURES_CALCULATED", self._features)
        if self._replay:
            engine.bus.subscribe(
                "LOG_ENTRY", lambda _: None
            )  # in the place of the logger's, so that names agree

    def _bar(self, event: Event) -> None:
        self._outside.tell(BAR, event.payload)

    def _features(self, event: Event) -> None:
        told = event.payload
        assert isinstance(told, FeaturesCalculated)
        self._outside.tell(
            FEATURES,
            {
                "pair": told.trading_pair,
                "known_ns": told.timestamp_features_for,
                "schema_hash": told.features.schema.hash,
                "bits": text_of(told.features.values),
            },
        )

    async def about(self, address: str) -> About:
        return await self._outside.ask("about", address, lambda: ask_about(address), struct(About))

    def following(self, about: About, address: str, clock: Clock) -> AbstractContextManager[None]:
        return nullcontext() if self._replay else super().following(about, address, clock)

    def clock(self, clock: Clock) -> Clock:
        return OutsideClock(self._outside, clock)

    def ways(self, manager: ConfigurationManager) -> Ways:
        del manager
        outside = self._outside
        return Ways(
            calls=lambda url, timeout_s: OutsideCalls(outside, url, timeout_s=timeout_s),
            transport=OutsideTransport(outside, public=False),
            now_ns=lambda: outside.reading("real time", WORLD.now_ns),
            timer=self._island.time,
            jitter=self._jitter,
            nonces=self._nonces,
        )

    def connections(self, manager: ConfigurationManager, clock: Clock) -> WebSocketConnectionManager:
        return WebSocketConnectionManager(
            manager, clock=clock, transport=OutsideTransport(self._outside, public=True),
            timer=self._island.time, jitter=self._jitter,
        )  # fmt: skip

    def history(self, service: HistoricalDataService) -> HistoricalDataService:
        return OutsideHistory(self._outside, service)

    def folder(self, manager: ConfigurationManager) -> Path:
        """A replay writes nothing."""
        return data_dir(manager.config) if self._replay else super().folder(manager)

    def credentials(self, manager: ConfigurationManager) -> Credentials:
        if self._replay:
            return Credentials("replayed", b64encode(b"replayed").decode())
        return super().credentials(manager)

    def _jitter(self) -> float:
        return self._outside.reading("chance", WORLD.jitter)

    def _nonces(self, file: Path | None) -> Callable[[], int]:
        given = (lambda: 0) if self._replay else WORLD.nonces(file)
        return lambda: self._outside.reading("nonce", given)
