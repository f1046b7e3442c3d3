"""One role as a process: `run_role` takes its lease, hears its strands, and answers its operator until it is to end."""

import asyncio
import gc
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict
from typing import Any, Final

from gal_friday_adapters import paths
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_adapters.postgres.journal_within import JournalWithin
from gal_friday_adapters.postgres.lease import RETAKEN, AccountLease
from gal_friday_adapters.strands.listener import ModuleListener
from gal_friday_adapters.strands.seats import RUN, AlphaSeat
from gal_friday_core.errors import LeaseError, StorageError
from gal_friday_core.strands.tags import Module
from gal_friday_core.times import to_iso
from gal_friday_live import systemd
from gal_friday_live.cli_service import CLIService
from gal_friday_live.code_version import code_version
from gal_friday_live.configuration import ConfigurationManager, fingerprint
from gal_friday_live.control_socket import ControlSocket, control_path
from gal_friday_live.live_engine import Announce, session_id
from gal_friday_live.live_request import LiveRequest, RoleName
from gal_friday_live.live_stage import Ground, opened
from gal_friday_live.means import Means
from gal_friday_live.roles.composed import Place, composed
from gal_friday_live.roles.role import Role
from gal_friday_live.roles.role_live import RoleLive
from gal_friday_live.roles.surface import session_of
from gal_friday_live.service_life import live_until_over
from gal_friday_live.stage import Stage

MODULES: Final[Mapping[RoleName, Module]] = {"alpha": "alpha", "decision": "dm", "trader": "trader"}
STANDBY_EVERY_S: Final = 0.25
"""Between two looks of a standby whether the lease is free."""


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
            live.inbox,
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
                async with (
                    live.measured.watching(live.logger, manager.config.timeseries.every_s),
                    live.optimizer,
                ):
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
    session = session_of(account, module, name)
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
        await _begun(place, role, run_id, _run_record(place, role, request, stage, mode))
        listener = ModuleListener(
            database, module, role.guarded(), account=account, name=name, exclusive=True, on_fate=role.on_fate,
            settings=config.module_communication,
        )  # fmt: skip
        yield RoleLive.of(
            role, place, stage, request, listener, run_id=run_id, stopping=stop, database_url=database_url
        )


async def _begun(place: Place, role: Role, run_id: str, record: Mapping[str, Any]) -> None:
    """Journal that it runs. Raises LeaseError for an alpha that names a pair of another one's, now or when its lease was away."""
    now_ns = role.base.clock.now_ns()
    if place.module != "alpha":
        await place.journal.append(RUN, run_id, now_ns, record)
        return
    seat = AlphaSeat(journal=place.within, account=place.account, name=place.name, series=role.series)
    await seat.begin(place.database, run_id, ts_ns=now_ns, record=record)

    def again(what: str) -> None:
        if what == RETAKEN:
            role.base.tasks.background(seat.require_pairs(place.database), "pairs")

    place.lease.on_change(again)


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
