"""One role as a process: `run_role` takes its lease, hears its strands, and answers its operator until it is to end."""

import asyncio
import gc
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any, Final

from gal_friday_adapters import paths
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_adapters.postgres.journal_within import JournalWithin
from gal_friday_adapters.postgres.lease import AccountLease
from gal_friday_adapters.strands.listener import ModuleListener
from gal_friday_core.errors import ConfigError, LeaseError, StorageError
from gal_friday_core.strands.tags import Module
from gal_friday_core.times import to_iso
from gal_friday_live import systemd
from gal_friday_live.alert_watch import AlertDesk
from gal_friday_live.bus import PubSubManager
from gal_friday_live.cli_service import CLIService
from gal_friday_live.code_version import code_version
from gal_friday_live.configuration import ConfigurationManager, fingerprint
from gal_friday_live.control_socket import ControlSocket, control_path
from gal_friday_live.explanation import explain
from gal_friday_live.flight.ports import beside
from gal_friday_live.ids import derived, random_ids
from gal_friday_live.limit_reload import LimitReload
from gal_friday_live.live_engine import Announce, session_id
from gal_friday_live.live_request import LiveRequest, RoleName
from gal_friday_live.live_stage import Ground, opened
from gal_friday_live.logger_service import LoggerService
from gal_friday_live.means import Means
from gal_friday_live.performance_optimizer import PerformanceOptimizer
from gal_friday_live.roles.composed import Place, composed
from gal_friday_live.roles.role import Role
from gal_friday_live.service_life import live_until_over
from gal_friday_live.stage import Stage

MODULES: Final[Mapping[RoleName, Module]] = {"alpha": "alpha", "decision": "dm", "trader": "trader"}
STANDBY_EVERY_S: Final = 0.25
"""Between two looks of a standby whether the lease is free."""


@dataclass(frozen=True, kw_only=True)
class RoleLive:
    """The running role: what `CLIService` controls."""

    role: Role
    name: str
    stage: Stage
    request: LiveRequest
    database: Database
    session: str
    run_id: str
    listener: ModuleListener
    logger: LoggerService
    desk: AlertDesk
    reloading: LimitReload
    stopping: asyncio.Event

    def status(self) -> dict[str, Any]:
        return {
            "role": self.request.role,
            "name": self.name,
            **self.role.status(),
            "mode": self.request.mode,
            "session": self.session,
            "run": self.run_id,
            "strands": dict(self.listener.counts),
            "alerts": self.desk.counts(),
            "code_version": code_version(self.stage.manager.config),
        }

    def positions(self) -> dict[str, Any]:
        return self.role.positions()

    def orders(self, *, ended: bool) -> list[dict[str, Any]]:
        return self.role.orders(ended=ended)

    async def overview(self) -> dict[str, Any]:
        raise ConfigError("one role of a split engine has no overview: ask for its status")

    async def explain(self, order: str) -> dict[str, Any]:
        return await explain(self.database, order)

    def metrics(self) -> dict[str, Any]:
        raise ConfigError("one role of a split engine measures nothing yet: ask for its status")

    @property
    def optimizer(self) -> PerformanceOptimizer:
        raise ConfigError("one role of a split engine tunes nothing: ask for its status")

    async def reload(self, who: str) -> dict[str, Any]:
        return await self.reloading.reload(who)

    def request_stop(self, who: str) -> None:
        del who
        self.stopping.set()

    @property
    def bus(self) -> PubSubManager:
        return self.role.base.bus

    def is_over(self) -> bool:
        return self.stopping.is_set() or self.stage.is_over()

    def require_lease(self) -> None:
        self.role.require_session()

    async def run(self) -> None:
        await self.role.run()

    async def end_feed(self) -> None:
        await self.role.ingestor.stop()


async def run_role(
    manager: ConfigurationManager,
    request: LiveRequest,
    *,
    database_url: str,
    stop: asyncio.Event,
    reload: asyncio.Event | None = None,
    announce: Announce = lambda _: None,
) -> dict[str, Any]:
    """Do one role's part until `stop` or the time asked for; its last status.

    `announce` is told once it can begin, and before where a standby waits. Raises GalFridayError for whatever stands
    against starting, LeaseError where another process has this role of the account.
    """
    async with (
        Database(database_url) as database,
        opened(manager, request, Ground(venue=request.venue), Means()) as stage,
        _assembled(request, stage, database, database_url=database_url, stop=stop, announce=announce) as live,
    ):
        if live is None:
            return {"event": "ended", "role": request.role, "mode": request.mode}
        service = CLIService(stage.manager, live.role.monitoring, live)
        async with (
            live.desk,
            ControlSocket(control_path(paths.data_dir(manager.config)), service.answer) as door,
        ):
            try:
                await live.logger.start()
                await live.role.start()
                live.role.listen(live.listener.run)
                gc.collect()
                gc.freeze()
                live.role.base.monitoring.ready()
                systemd.notify("READY=1")
                announce({"event": "ready", "control": str(door.path), **live.status()})
                await live_until_over(live, seconds=request.seconds, reload=reload or asyncio.Event())
            finally:
                systemd.notify("STOPPING=1")
                gc.unfreeze()
                try:
                    await live.role.stop()
                finally:
                    await live.logger.stop()
        return {"event": "ended", **live.status()}


@asynccontextmanager
async def _assembled(
    request: LiveRequest,
    stage: Stage,
    database: Database,
    *,
    database_url: str,
    stop: asyncio.Event,
    announce: Announce,
) -> AsyncIterator[RoleLive | None]:
    """The role in its seat, with the seat's lease; nothing of it is started yet. None where it was to stop before."""
    assert request.role is not None, "whoever asks for a role says which"
    module, config = MODULES[request.role], stage.manager.config
    name = request.name or module
    account = session_id(request.mode, stage.venue, stage.account)
    session = account if module == "trader" else derived("session", account, module, name)
    async with AsyncExitStack() as stack:
        lease = AccountLease(database_url, session)
        if not await _seated(lease, request, stop, announce):
            yield None
            return
        stack.push_async_callback(lease.release)
        journal = PostgresJournal(database, session, stage.clock, fence=lease.fence)
        stack.push_async_callback(journal.close)
        mode = request.mode if module == "trader" else f"{request.mode}-{module}"
        await journal.begin(mode, config_hash=fingerprint(config), code_version=code_version(config))
        place = Place(
            module=module, name=name, account=account, journal=journal, database=database, lease=lease,
            within=JournalWithin(session, lease.fence), code_version=code_version(config),
        )  # fmt: skip
        role, run_id = await composed(place, request, stage), str(uuid.uuid4())
        lease.on_change(role.monitoring.on_lease)
        await journal.append(
            "RUN", run_id, stage.clock.now_ns(), _run_record(place, role, request, stage, mode)
        )
        listener = ModuleListener(
            database, module, role.guarded(), account=account, name=name, exclusive=True, on_fate=role.on_fate,
            settings=config.module_communication,
        )  # fmt: skip
        clock, title = stage.clock, f"{mode} {stage.account} {name}"
        yield RoleLive(
            role=role, name=name, stage=stage, request=request, database=database, session=session, run_id=run_id,
            listener=listener, stopping=stop, desk=AlertDesk(role, config.alerts, name=title, clock=beside(clock)),
            logger=LoggerService(
                stage.manager, role.base.bus, clock=clock, run=run_id, database_url=database_url
            ),
            reloading=LimitReload(stage.manager, journal=journal, clock=clock, ids=random_ids()),
        )  # fmt: skip


def _run_record(place: Place, role: Role, request: LiveRequest, stage: Stage, mode: str) -> dict[str, Any]:
    """Which role begins to run, on what, by which code and configuration."""
    override = role.base.ports.override
    return {
        "mode": mode, "venue": stage.venue, "account": stage.account, "account_session": place.account,
        "role": request.role, "name": place.name, "code_version": place.code_version,
        "config_hash": fingerprint(stage.manager.config), "override": asdict(override) if override else None,
        "series": [item.key for item in stage.series], "started": to_iso(stage.clock.now_ns()),
    }  # fmt: skip


async def _seated(lease: AccountLease, request: LiveRequest, stop: asyncio.Event, announce: Announce) -> bool:
    """Take the lease; a standby waits for it, and may be stopped meanwhile. Raises LeaseError where it is another's, StorageError
    where no database answers at the start.
    """
    told = False
    while not stop.is_set():
        try:
            await lease.take()
        except StorageError as error:
            # Whoever stands by outlives the database's restarts too.
            if not request.standby or not (told or isinstance(error, LeaseError)):
                raise
            if not told:
                announce({"event": "standby", "role": request.role, "waits": str(error)})
                told = True
            with suppress(TimeoutError):
                async with asyncio.timeout(STANDBY_EVERY_S):
                    await stop.wait()
        else:
            return True
    return False
