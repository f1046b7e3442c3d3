"""One account's engine with everything around it: lease, journal, operator's door, watchdog. `run_live` is all of it."""

import asyncio
import gc
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any

import msgspec

from gal_friday_adapters import paths
from gal_friday_adapters.halt_page import HaltPage
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_adapters.postgres.lease import AccountLease
from gal_friday_core.payloads import PerformanceOptimization
from gal_friday_core.times import to_iso
from gal_friday_live import systemd
from gal_friday_live.alert_watch import AlertDesk
from gal_friday_live.bus import PubSubManager
from gal_friday_live.cli_service import CLIService
from gal_friday_live.code_version import code_version
from gal_friday_live.configuration import ConfigurationManager, fingerprint
from gal_friday_live.control_socket import ControlSocket, control_path
from gal_friday_live.engine import Engine
from gal_friday_live.engine_overview import overview, state_now, surroundings_now
from gal_friday_live.engine_view import orders_of
from gal_friday_live.experiment_traffic import ExperimentTraffic
from gal_friday_live.explanation import explain
from gal_friday_live.flight.flight import own_folder, recording
from gal_friday_live.flight.ports import beside
from gal_friday_live.ids import derived
from gal_friday_live.live_program import Direct, Helm, LiveProgram, Operator, Parts, Terms
from gal_friday_live.live_request import LiveRequest
from gal_friday_live.live_stage import Ground, ground
from gal_friday_live.logger_service import LoggerService
from gal_friday_live.means import Means
from gal_friday_live.metrics import EngineMetrics
from gal_friday_live.model_registry import ModelRegistry
from gal_friday_live.performance_optimizer import PerformanceOptimizer
from gal_friday_live.prediction_service import ModelOverride
from gal_friday_live.service_life import live_until_over
from gal_friday_live.stage import Stage
from gal_friday_live.surroundings import Surroundings

Announce = Callable[[Mapping[str, Any]], object]


def session_id(mode: str, venue: str, account: str) -> str:
    """The session of an account: the same at every start, so that what an earlier run journalled is known."""
    return derived("session", mode, venue, account)


@dataclass(frozen=True, kw_only=True)
class LiveEngine:
    """The running application: what `CLIService` controls."""

    engine: Engine
    stage: Stage
    request: LiveRequest
    database: Database
    logger: LoggerService
    session: str
    run_id: str
    stopping: asyncio.Event
    helm: Helm
    desk: AlertDesk | None
    measured: EngineMetrics
    optimizer: PerformanceOptimizer

    def status(self) -> dict[str, Any]:
        return {
            **self.helm.now("snapshot"),
            "mode": self.request.mode,
            **state_now(self.engine),
            "session": self.session,
            "run": self.run_id,
            "record": None if self.request.record is None else str(self.request.record),
            "code_version": code_version(self.stage.manager.config),
            "alerts": self.desk.counts() if self.desk is not None else None,
        }

    def positions(self) -> dict[str, Any]:
        found: dict[str, Any] = self.helm.now("positions")
        return found

    def orders(self, *, ended: bool) -> list[dict[str, Any]]:
        return orders_of(self.engine.execution.blotter, ended=ended)

    async def overview(self) -> dict[str, Any]:
        """All that one screen shows."""
        around = await surroundings_now(self.engine)
        return overview(
            self.helm.now("overview"), around, mode=self.request.mode, session=self.session, run=self.run_id,
            code_version=code_version(self.stage.manager.config), recorded=self.request.record is not None,
        )  # fmt: skip

    async def explain(self, order: str) -> dict[str, Any]:
        return await explain(self.database, order)

    def metrics(self) -> dict[str, Any]:
        return self.measured.told()

    async def reload(self, who: str) -> dict[str, Any]:
        taken: dict[str, Any] = await self.helm.call("reload", who)
        return taken

    def request_stop(self, who: str) -> None:
        del who
        self.stopping.set()

    @property
    def bus(self) -> PubSubManager:
        return self.engine.bus

    def is_over(self) -> bool:
        return self.stopping.is_set() or self.stage.is_over()

    def require_lease(self) -> None:
        self.engine.require_account()

    async def run(self) -> None:
        await self.helm.call("run")

    async def end_feed(self) -> None:
        await self.helm.call("end_feed")


async def run_live(
    manager: ConfigurationManager,
    request: LiveRequest,
    *,
    database_url: str,
    stop: asyncio.Event,
    reload: asyncio.Event | None = None,
    announce: Announce = lambda _: None,
) -> dict[str, Any]:
    """Trade until `stop`, the market's end or the time asked for; the run's summary.

    `announce` is told once trading can begin. Whoever sets `reload` has the configuration read again. Raises
    GalFridayError for whatever stands against starting.
    """
    if request.record is not None:
        request = replace(request, record=own_folder(request.record, time.time_ns()))
    async with (
        Database(database_url) as database,
        ground(manager, request) as on,
        _assembled(manager, request, on, database=database, database_url=database_url, stop=stop) as live,
        live.desk or nullcontext(),
    ):
        async with ControlSocket(control_path(paths.data_dir(manager.config)), _service(live).answer) as door:
            try:
                await live.logger.start()
                await live.helm.call("start")
                gc.collect()
                gc.freeze()  # what stands now stays: looking through all of it again would stop trading for 0.2 s
                await live.helm.call("ready")
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
                    await live.helm.call("stop")
                finally:
                    await live.logger.stop()
        return {"event": "ended", "mode": request.mode, "session": live.session, **live.helm.now("summary")}


def _service(live: LiveEngine) -> CLIService:
    return CLIService(live.stage.manager, Operator(live.helm), live)


@asynccontextmanager
async def _assembled(
    manager: ConfigurationManager,
    request: LiveRequest,
    on: Ground,
    *,
    database: Database,
    database_url: str,
    stop: asyncio.Event,
) -> AsyncIterator[LiveEngine]:
    """The engine on its stage, with the account's lease; nothing of it is started yet."""
    async with AsyncExitStack() as stack:
        given: list[Parts] = []
        helm = await stack.enter_async_context(
            _at_the_helm(manager, request, on, lambda _stage, _terms: given[0])
        )
        stack.push_async_callback(helm.call, "close")
        stage: Stage = await helm.call("open")
        clock = beside(stage.clock)
        session = session_id(request.mode, stage.venue, stage.account)
        lease = AccountLease(database_url, session)
        await lease.take()
        stack.push_async_callback(lease.release)
        journal = PostgresJournal(database, session, clock, fence=lease.fence)
        stack.push_async_callback(journal.close)
        models = ModelRegistry(stage.manager, database)
        override = await terms_of(request, models)
        run_id = str(uuid.uuid4())
        await journal.begin(
            request.mode,
            config_hash=fingerprint(stage.manager.config),
            code_version=code_version(stage.manager.config),
        )
        around = surroundings(stage, database, lease, session) if stage.watched else None
        traffic = ExperimentTraffic(database, models, real_money=not stage.simulated)
        given.append(Parts(journal=journal, models=models, surroundings=around, experiments=traffic))
        terms = Terms(session=session, code_version=code_version(stage.manager.config), override=override)
        engine: Engine = await helm.call("build", msgspec.to_builtins(terms))
        lease.on_change(lambda what: helm.now("lease", what))
        await journal.append(
            "RUN", run_id, clock.now_ns(),
            {
                "mode": request.mode, "venue": stage.venue, "account": stage.account,
                "code_version": code_version(stage.manager.config), "config_hash": fingerprint(stage.manager.config),
                "series": [item.key for item in stage.series], "started": to_iso(clock.now_ns()),
                "override": asdict(override) if override else None,
            },
        )  # fmt: skip
        logger = LoggerService(stage.manager, engine.bus, clock=clock, run=run_id, database_url=database_url)
        measured = EngineMetrics(
            engine, labels={"mode": request.mode, "session": session}, state=lambda: helm.now("state"),
            clock=clock, database=database, journal=journal, logger=logger,
        )  # fmt: skip
        yield LiveEngine(
            engine=engine, stage=stage, request=request, database=database, session=session, run_id=run_id,
            stopping=stop, helm=helm, desk=_desk(stage, engine, request.mode), logger=logger,
            measured=measured, optimizer=_optimizer(stage.manager, database, measured, helm),
        )  # fmt: skip


def _optimizer(
    manager: ConfigurationManager, database: Database, measured: EngineMetrics, helm: Helm
) -> PerformanceOptimizer:
    async def publish(event: PerformanceOptimization) -> None:
        await helm.call("performance", msgspec.to_builtins(event))

    return PerformanceOptimizer(
        manager, database=database, collector=measured.collector, loop=measured.loop, memory=measured.memory,
        publish=publish,
    )  # fmt: skip


@asynccontextmanager
async def _at_the_helm(
    manager: ConfigurationManager,
    request: LiveRequest,
    on: Ground,
    parts: Callable[[Stage, Terms], Parts],
) -> AsyncIterator[Helm]:
    """In this loop; where the flight is recorded, on an island of it."""
    if request.record is None:
        yield Direct(LiveProgram(manager, request, on, Means(), parts))
        return
    async with recording(manager, request, on, parts, request.record) as recorder:
        yield recorder


def surroundings(stage: Stage, database: Database, lease: AccountLease, session: str) -> Surroundings:
    """What is around an engine that really runs."""
    config = stage.manager.config
    return Surroundings(
        folder=paths.data_dir(config), database=database, lease_held=lambda: lease.held,
        exchange_time_ns=stage.exchange_time_ns, halt_page=HaltPage(paths.halt_page(session, config)),
    )  # fmt: skip


def _desk(stage: Stage, engine: Engine, mode: str) -> AlertDesk | None:
    """Who is told; a record that is played again is no news."""
    if not stage.watched:
        return None
    settings, clock = stage.manager.config.alerts, beside(stage.clock)
    return AlertDesk(engine, settings, name=f"{mode} {stage.account}", clock=clock)


async def terms_of(request: LiveRequest, models: ModelRegistry) -> ModelOverride | None:
    """The terms of a model that trades without a promotion; its own threshold unless another was given."""
    if request.model is None:
        return None
    predictor = await models.by_id(request.model)
    threshold = request.entry_threshold
    return ModelOverride(
        model_id=request.model,
        reason=request.override_reason or "",
        entry_threshold=predictor.entry_threshold if threshold is None else threshold,
    )
