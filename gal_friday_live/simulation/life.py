"""One run of the engine in a world: put together as `live` does it, from the product's own parts."""

import asyncio
import contextvars
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from gal_friday_adapters.kraken.client import KrakenClient
from gal_friday_adapters.kraken.dead_man_switch import SwitchRule
from gal_friday_adapters.kraken.kraken_exchange import KrakenExchange, KrakenSettings
from gal_friday_adapters.kraken.nonce import Nonces
from gal_friday_adapters.kraken.patience import Patience
from gal_friday_adapters.kraken.rest import KrakenRest
from gal_friday_adapters.kraken.rest_calls import Credentials
from gal_friday_adapters.kraken.rest_line import RestClock, RestLine, RestPatience
from gal_friday_adapters.kraken.rest_memory import RestMemory
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_adapters.simulated_kraken.demo import KEY, SECRET
from gal_friday_core.candles import Candles, Series
from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError, ExchangeError, GalFridayError
from gal_friday_core.instruments import Instrument
from gal_friday_core.ports import Clock
from gal_friday_core.predictor import Predictor
from gal_friday_core.venue.listings import Listing
from gal_friday_live.clock import SystemClock
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.engine import Engine
from gal_friday_live.fixed_models import FixedModels
from gal_friday_live.ids import SequentialIds, derived
from gal_friday_live.probes import Answers, ClockOffset, LineDown, Probe
from gal_friday_live.simulation.loop import SimLoop
from gal_friday_live.simulation.market import Laggard, eager_model, history, series_of
from gal_friday_live.simulation.page import Page
from gal_friday_live.simulation.store import Store
from gal_friday_live.simulation.wires import PRIVATE_URL, PUBLIC_URL, Network, SimCalls, SimTransport
from gal_friday_live.surroundings import Surroundings
from gal_friday_live.wiring import Ports, build

BEAT_S = 5.0
"""How often it is seen to that the account is still ours."""
SESSION = derived("session", "simulation")
NOWHERE = Path("/nonexistent/simulated")
PATIENCE = Patience(silence_s=4.0, answer_s=5.0, first_attempts=10_000, attempts=10_000)
"""As the product's, but that a line is looked at four times a second; a world's outages are longer than a life's start."""
REST_PATIENCE = RestPatience(timeout_s=4.0, lockout_s=20.0)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What every life of a world finds: it outlives them."""

    loop: SimLoop
    network: Network
    store: Store
    listings: Sequence[Listing]
    config: Config
    horizon_bars: int
    seed: int
    wall_ns: Callable[[], int]
    steady_ns: Callable[[], int]
    nonces: Nonces
    asked: RestMemory
    free_disk_mb: Callable[[], float]
    page: Page
    model_s: Callable[[], float]
    switch: SwitchRule | None


class Disk:
    """The probe of free space, on a simulated disk."""

    code = "DISK_FULL"

    def __init__(self, free_mb: Callable[[], float]) -> None:
        self._free_mb = free_mb

    async def run(self) -> None:
        """Nothing to wait for."""

    def read(self) -> float:
        return self._free_mb()


class SimSurroundings(Surroundings):
    """The same conditions, looked at on simulated time; the loop's own lag and memory are not simulated."""

    def __init__(
        self,
        setting: Setting,
        exchange_time_ns: Callable[[], Awaitable[int]],
        lease_held: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__(
            folder=NOWHERE, database=setting.store.database(), lease_held=lease_held,
            exchange_time_ns=exchange_time_ns, halt_page=setting.page,
        )  # fmt: skip
        object.__setattr__(self, "_setting", setting)

    def probes(
        self, *, market_fault: Callable[[], str], account_fault: Callable[[], str], offset: ClockOffset | None
    ) -> Sequence[Probe]:
        setting: Setting = self._setting  # type: ignore[attr-defined]
        timer = setting.loop.time

        async def ask_database() -> None:
            async with self.database.connection() as connection:
                await connection.execute("select 1")

        probes: list[Probe] = [
            Disk(setting.free_disk_mb),
            Answers("STORAGE_DOWN", ask_database, timer=timer),
            LineDown("MARKET_LINE_DOWN", market_fault, timer=timer),
            LineDown("ACCOUNT_LINE_DOWN", account_fault, timer=timer),
        ]
        return (*probes, offset) if offset is not None else tuple(probes)


class Life:
    """One process. `run` is all of it; `engine` is there once it is wired."""

    def __init__(self, setting: Setting, number: int, *, skewed: bool = False) -> None:
        self.number = number
        self.skewed = skewed
        self.fence = 0
        self.engine: Engine | None = None
        self.exchange: KrakenExchange | None = None
        self.up = False
        self.stopping = asyncio.Event()
        self.context: contextvars.Context | None = None
        self.settings = ConfigurationManager.from_config(
            setting.config, again=lambda: _looser(setting.config)
        )
        self._setting = setting
        self._chance = random.Random(f"life {setting.seed} {number}")  # noqa: S311 - drawn from a seed

    async def run(self, wired: Callable[["Life"], None]) -> str:
        """Until `stopping` is set, or it cannot go on; why it ended."""
        self.context = contextvars.copy_context()
        setting = self._setting
        try:
            engine = await self._wired()
        except GalFridayError as error:
            return f"cannot start: {error}"
        wired(self)
        setting.network.trace("engine", "starts")
        try:
            try:
                await engine.start()
                self.up = True
                setting.network.trace("engine", "is up")
                await self._until_stopped(engine)
            finally:
                self.up = False
                await engine.stop()
        except GalFridayError as error:
            return f"ended: {error}"
        return "stopped"

    def loosen(self) -> str:
        """An operator writes looser limits into the configuration, and has it read again; what came of that."""
        try:
            self.settings.reload()
        except ConfigError as error:
            return f"reload: {error}"
        return "reload: taken"

    async def _until_stopped(self, engine: Engine) -> None:
        running = asyncio.ensure_future(engine.run())
        stopping = asyncio.ensure_future(self.stopping.wait())
        try:
            while not (running.done() or stopping.done()):
                await asyncio.wait([running, stopping], timeout=BEAT_S, return_when=asyncio.FIRST_COMPLETED)
                engine.require_account()
            await engine.ingestor.stop()
            await running
        finally:
            running.cancel()
            stopping.cancel()

    async def _wired(self) -> Engine:
        setting = self._setting
        clock = SystemClock(wall=setting.wall_ns, steady=setting.steady_ns)
        setting.store.fence += 1
        fence = self.fence = setting.store.fence
        journal = PostgresJournal(setting.store.database(), SESSION, clock, fence=lambda: fence)
        await journal.begin("simulation", config_hash="0" * 64, code_version="simulation")
        exchange = self.exchange = exchange_of(setting, clock, self._chance)
        instruments = await listed_by(exchange.rest, setting)
        series = tuple(series_of(listing) for listing in setting.listings)
        feed = feed_of(setting, clock, self._chance)
        time_ns = exchange.rest.server_time_ns
        models = FixedModels(*(self._model(item.pair) for item in series))
        ports = Ports(
            series=series, instruments=instruments, clock=clock, feed=feed, models=models, journal=journal,
            ids=SequentialIds((setting.seed << 16) + self.number), exchange=exchange,
            history=history_of(setting),
            simulated=True, surroundings=SimSurroundings(setting, time_ns), code_version="simulation",
            health_every_s=setting.config.monitoring.every_s, timer=setting.loop.time,
        )  # fmt: skip
        engine = self.engine = build(self.settings, ports)
        return engine

    def _model(self, pair: str) -> Predictor:
        setting = self._setting

        def hold_up() -> None:
            if (
                self.up
            ):  # while it starts it is measured, and one that is slow then goes to a pool of processes
                setting.loop.hold_up(setting.model_s())

        return Laggard.of(eager_model(pair, setting.horizon_bars), hold_up)


def feed_of(setting: Setting, clock: Clock, chance: random.Random) -> KrakenClient:
    """The market of every listing, over the simulated network."""
    series = tuple(series_of(listing) for listing in setting.listings)
    return KrakenClient(
        series, clock, url=PUBLIC_URL, transport=SimTransport(setting.network), patience=PATIENCE,
        jitter=chance.random, timer=setting.loop.time,
    )  # fmt: skip


def exchange_of(setting: Setting, clock: Clock, chance: random.Random) -> KrakenExchange:
    """The account, over the simulated network."""
    timer, jitter = setting.loop.time, chance.random
    calls = SimCalls(setting.network, timeout_s=REST_PATIENCE.timeout_s)
    line = RestLine(
        calls, Credentials(KEY, SECRET), nonce=setting.nonces.next, tier="pro",
        clock=RestClock(now_ns=setting.steady_ns, timer=timer, jitter=jitter), patience=REST_PATIENCE,
        memory=setting.asked,
    )  # fmt: skip
    settings = KrakenSettings(
        private_url=PRIVATE_URL,
        deadline_s=setting.config.exchange.order_deadline_s,
        tier="pro",
        switch=setting.switch,
    )
    return KrakenExchange(
        KrakenRest(line), clock, settings, transport=SimTransport(setting.network), patience=PATIENCE,
        timer=timer, jitter=jitter,
    )  # fmt: skip


async def listed_by(rest: KrakenRest, setting: Setting) -> list[Instrument]:
    """Every listing as the exchange tells of it. Raises ExchangeError."""
    listed = await rest.instruments()
    missing = [one.symbol for one in setting.listings if one.symbol not in listed]
    if missing:
        raise ExchangeError(f"not listed: {', '.join(missing)}")
    return [listed[one.symbol] for one in setting.listings]


def history_of(setting: Setting) -> dict[Series, Candles]:
    """The bars before the world began."""
    return {series_of(one): history(series_of(one).pair, float(one.start_price)) for one in setting.listings}


def _looser(config: Config) -> Config:
    looser = {"max_pair_exposure": Decimal(1), "max_total_exposure": Decimal(1)}
    return config.model_copy(update={"risk": config.risk.model_copy(update=looser)})
