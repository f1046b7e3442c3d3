"""By which means a stage touches the world. Each is the plain one here; a flight record has others in their place."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from gal_friday_adapters.kraken.connect import WORLD, Ways
from gal_friday_adapters.kraken.rest_calls import Credentials
from gal_friday_adapters.paths import data_dir
from gal_friday_adapters.simulated_kraken.about import About, ask_about, following
from gal_friday_adapters.simulated_kraken.scaled_time import ScaledTime
from gal_friday_core.errors import ConfigError
from gal_friday_core.ports import Clock, Ids
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.engine import Engine
from gal_friday_live.historical_data_service import HistoricalDataService
from gal_friday_live.ids import random_ids
from gal_friday_live.inference_pool import InferencePool
from gal_friday_live.websocket_connection_manager import WebSocketConnectionManager


class Means:
    """The world itself. `timer` counts seconds, and never jumps."""

    timer: Callable[[], float] = staticmethod(time.monotonic)
    pool: Callable[[], InferencePool] = InferencePool

    def ids(self) -> Ids:
        """Names of this run's events."""
        return random_ids()

    def configuration(self, manager: ConfigurationManager) -> ConfigurationManager:
        """The settings, which a reload reads again."""
        return manager

    def listen(self, engine: Engine) -> None:
        """Whoever wants to hear what the engine made of the market."""

    async def about(self, address: str) -> About:
        """What a simulated Kraken tells of itself."""
        return await ask_about(address)

    def following(self, about: About, address: str, clock: Clock) -> AbstractContextManager[None]:
        """Meanwhile the clock shows the time of the simulated Kraken, should that go slower."""
        return following(about, address, clock) if isinstance(clock, ScaledTime) else nullcontext()

    def clock(self, clock: Clock) -> Clock:
        """The clock that decides, from the one that shows the time."""
        return clock

    def ways(self, manager: ConfigurationManager) -> Ways:
        """To Kraken's REST and private line."""
        del manager
        return WORLD

    def connections(self, manager: ConfigurationManager, clock: Clock) -> WebSocketConnectionManager:
        """To the market."""
        return WebSocketConnectionManager(manager, clock=clock)

    def history(self, service: HistoricalDataService) -> HistoricalDataService:
        """Bars of the past."""
        return service

    def folder(self, manager: ConfigurationManager) -> Path:
        """Where the product writes; it is there then."""
        folder = data_dir(manager.config)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def credentials(self, manager: ConfigurationManager) -> Credentials:
        """The exchange's keys. Raises ConfigError where there are none."""
        keys = manager.get_api_keys()
        if not keys:
            raise ConfigError(
                "live trading needs exchange keys: set KRAKEN_API_KEY and KRAKEN_API_SECRET, or their _FILE variants"
            )
        return Credentials(keys["key"].get_secret_value(), keys["secret"].get_secret_value())
