"""One run of one role in a world: put together as `live --role` does it, from the product's own parts."""

import asyncio
import contextvars
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_adapters.postgres.journal_within import JournalWithin
from gal_friday_adapters.strands.communicator import DirectTableCommunicator
from gal_friday_adapters.strands.listener import ModuleListener
from gal_friday_core.errors import GalFridayError, RegistryError, StorageError
from gal_friday_core.strands.tags import Module
from gal_friday_core.venue.listings import Listing
from gal_friday_live.clock import SystemClock
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.fixed_models import FixedModels
from gal_friday_live.ids import SequentialIds
from gal_friday_live.journal_writer import SessionJournal
from gal_friday_live.roles.alpha import Alpha
from gal_friday_live.roles.composed import RecentCommands
from gal_friday_live.roles.decision import Decision
from gal_friday_live.roles.forwarder import Forwarder
from gal_friday_live.roles.journals import WatchedJournal
from gal_friday_live.roles.role import Role
from gal_friday_live.roles.run import STANDBY_EVERY_S
from gal_friday_live.roles.surface import Seat, session_of
from gal_friday_live.roles.telling import Telling
from gal_friday_live.roles.trader import Trader
from gal_friday_live.service_life import BEAT_S
from gal_friday_live.simulation.desk.lease import SimLease
from gal_friday_live.simulation.desk.server import Server
from gal_friday_live.simulation.life import (
    SESSION,
    Setting,
    SimSurroundings,
    exchange_of,
    feed_of,
    history_of,
    listed_by,
)
from gal_friday_live.simulation.market import eager_model, series_of
from gal_friday_live.simulation.page import Page
from gal_friday_live.wiring import Ports


@dataclass(frozen=True, kw_only=True)
class Chair:
    """Whose place it is: which part of the desk, by which name, with which pairs. Its page outlives who sits there."""

    module: Module
    name: str
    listings: tuple[Listing, ...]
    page: Page

    @property
    def session(self) -> str:
        """Of its journal and its lease: the trader's is the account's."""
        return session_of(SESSION, self.module, self.name)


class NoRegistry:
    """Money is simulated: nobody asks how a model stands."""

    async def get_model_metadata(self, model_id: str) -> dict[str, object]:
        raise RegistryError(f"no model {model_id}")


class RoleLife:
    """One process. `run` is all of it; `role` is there once it is composed, `up` while it runs."""

    def __init__(
        self, setting: Setting, server: Server, chair: Chair, number: int, *, standby: bool = False
    ) -> None:
        self.chair = chair
        self.number = number
        self.role: Role | None = None
        self.listener: ModuleListener | None = None
        self.forwarder: Forwarder | None = None
        self.up = False
        self.stopping = asyncio.Event()
        self.context: contextvars.Context | None = None
        self.lease = SimLease(server, chair.session)
        self._server = server
        self._setting = replace(setting, listings=chair.listings, page=chair.page)
        self._standby = standby
        self._chance = random.Random(f"role {setting.seed} {number}")  # noqa: S311 - drawn from a seed

    async def run(self, wired: Callable[["RoleLife"], None]) -> str:
        """Until `stopping` is set, or it cannot go on; why it ended."""
        self.context = contextvars.copy_context()
        try:
            await self._seated()
            try:
                return await self._live(wired)
            finally:
                await self.lease.release()
        except GalFridayError as error:
            return f"ended: {error}"

    async def _seated(self) -> None:
        """As `run_role`: whoever stands by waits for the lease. Raises LeaseError, StorageError."""
        while True:
            try:
                await self.lease.take()
            except StorageError:
                if not self._standby:
                    raise
                await asyncio.sleep(STANDBY_EVERY_S)
            else:
                return

    async def _live(self, wired: Callable[["RoleLife"], None]) -> str:
        role = self.role = await self._composed()
        self.lease.on_change(role.monitoring.on_lease)
        listener = self.listener = ModuleListener(
            self._setting.store.database(), self.chair.module, role.guarded(), account=SESSION,
            name=self.chair.name, worker=f"life {self.number}", exclusive=True, on_fate=role.on_fate,
            settings=self._setting.config.module_communication,
        )  # fmt: skip
        wired(self)
        try:
            await role.start()
            role.listen(listener.run)
            role.base.monitoring.ready()
            self.up = True
            await self._until_stopped(role)
        finally:
            self.up = False
            await role.stop()
        return "stopped"

    async def _until_stopped(self, role: Role) -> None:
        running = asyncio.ensure_future(role.run())
        stopping = asyncio.ensure_future(self.stopping.wait())
        try:
            while not (running.done() or stopping.done()):
                await asyncio.wait(
                    [running, stopping], timeout=5 * BEAT_S, return_when=asyncio.FIRST_COMPLETED
                )
                role.require_session()
            await role.ingestor.stop()
            await running
        finally:
            running.cancel()
            stopping.cancel()

    async def _composed(self) -> Role:
        """As `composed` does it from a stage."""
        setting, chair = self._setting, self.chair
        clock = SystemClock(wall=setting.wall_ns, steady=setting.steady_ns)
        database = setting.store.database()
        journal = PostgresJournal(database, chair.session, clock, fence=self.lease.fence)
        await journal.begin("simulation", config_hash="0" * 64, code_version="simulation")
        config = ConfigurationManager.from_config(setting.config)
        strands = DirectTableCommunicator(database, chair.module)
        telling = Telling(account=SESSION)
        watched = WatchedJournal(journal)
        within = JournalWithin(chair.session, self.lease.fence)
        decided = PostgresJournal(database, session_of(SESSION, "dm", "dm"), clock)
        if chair.module == "trader":
            trader = Trader(
                config, await self._ports(clock, watched), watched, telling, decision_journal=decided
            )
            return self._told(trader, trader, watched, within)
        seat = Seat(
            name=chair.name, within=within, account_journal=PostgresJournal(database, SESSION, clock),
            decision_journal=decided,
        )  # fmt: skip
        if chair.module == "dm":
            decision = Decision(
                config, await self._ports(clock, watched), seat, telling,
                plans=RecentCommands(strands, SESSION), registry=NoRegistry(),
            )  # fmt: skip
            return self._told(decision, decision, watched, within)
        return Alpha(config, await self._ports(clock, journal), seat, telling, strands)

    def _told(
        self, role: Role, teller: Trader | Decision, watched: WatchedJournal, within: JournalWithin
    ) -> Role:
        forwarder = self.forwarder = Forwarder(
            self._setting.store.database(), self.chair.module, journal=within, kinds=teller.told,
            tell=teller.tell, timer=self._setting.loop.time,
        )  # fmt: skip
        watched.on_append(forwarder.hint)
        role.tells(forwarder.run)
        return role

    async def _ports(self, clock: SystemClock, journal: SessionJournal) -> Ports:
        setting = self._setting
        exchange = exchange_of(setting, clock, self._chance)
        series = tuple(series_of(listing) for listing in setting.listings)
        around = SimSurroundings(setting, exchange.rest.server_time_ns, lambda: self.lease.held)
        return Ports(
            series=series, instruments=await listed_by(exchange.rest, setting), clock=clock,
            feed=feed_of(setting, clock, self._chance),
            models=FixedModels(*(eager_model(item.pair, setting.horizon_bars) for item in series)),
            journal=journal, ids=SequentialIds((setting.seed << 16) + self.number),
            exchange=exchange if self.chair.module == "trader" else None, history=history_of(setting),
            simulated=True, surroundings=around, code_version="simulation",
            health_every_s=setting.config.monitoring.every_s, timer=setting.loop.time,
        )  # fmt: skip
