"""A running role as its operator sees it: `RoleLive` answers the control socket as a whole engine does, with what the role has."""

import asyncio
from dataclasses import dataclass
from typing import Any

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.strands.listener import ModuleListener
from gal_friday_adapters.strands.watch import InboxWatch
from gal_friday_core.payloads import PerformanceOptimization
from gal_friday_live.alert_watch import AlertDesk
from gal_friday_live.bus import PubSubManager
from gal_friday_live.code_version import code_version
from gal_friday_live.engine_overview import overview, surroundings_now
from gal_friday_live.explanation import explain
from gal_friday_live.flight.ports import beside
from gal_friday_live.ids import random_ids
from gal_friday_live.limit_reload import LimitReload
from gal_friday_live.live_request import LiveRequest
from gal_friday_live.logger_service import LoggerService
from gal_friday_live.metrics import EngineMetrics
from gal_friday_live.performance_optimizer import SOURCE as OPTIMIZER
from gal_friday_live.performance_optimizer import PerformanceOptimizer
from gal_friday_live.roles.composed import Place
from gal_friday_live.roles.role import Role
from gal_friday_live.stage import Stage


@dataclass(frozen=True, kw_only=True)
class RoleLive:
    """The running role: what `CLIService` controls."""

    role: Role
    place: Place
    stage: Stage
    request: LiveRequest
    run_id: str
    listener: ModuleListener
    inbox: InboxWatch
    logger: LoggerService
    desk: AlertDesk
    reloading: LimitReload
    measured: EngineMetrics
    optimizer: PerformanceOptimizer
    stopping: asyncio.Event

    @classmethod
    def of(
        cls,
        role: Role,
        place: Place,
        stage: Stage,
        request: LiveRequest,
        listener: ModuleListener,
        *,
        run_id: str,
        stopping: asyncio.Event,
        database_url: str,
    ) -> "RoleLive":
        """With all that stands around a role: inbox, log, alerts and measurements; nothing of it is started yet."""
        config, clock = stage.manager, stage.clock
        logger = LoggerService(config, role.bus, clock=clock, run=run_id, database_url=database_url)
        inbox = InboxWatch(place.database, listener.address, listener.counts)
        measured = EngineMetrics(
            role, labels={"mode": request.mode, "session": place.account, "role": _label(request)},
            state=role.portfolio.state, clock=beside(clock), database=place.database, journal=place.journal,
            logger=logger, strands=inbox.readings,
        )  # fmt: skip
        title = f"{_mode(place, request)} {stage.account} {place.name}"
        return cls(
            role=role, place=place, stage=stage, request=request, run_id=run_id, listener=listener, inbox=inbox,
            logger=logger, desk=AlertDesk(role, config.config.alerts, name=title, clock=beside(clock)),
            reloading=LimitReload(config, journal=place.journal, clock=clock, ids=random_ids()),
            measured=measured, optimizer=_optimizer(stage, place.database, measured, role), stopping=stopping,
        )  # fmt: skip

    def status(self) -> dict[str, Any]:
        return {
            "role": self.request.role,
            "name": self.place.name,
            **self.role.status(),
            "mode": self.request.mode,
            "session": self.place.within.session,
            "run": self.run_id,
            "strands": self.inbox.told(),
            "alerts": self.desk.counts(),
            "code_version": code_version(self.stage.manager.config),
        }

    def positions(self) -> dict[str, Any]:
        return self.role.positions()

    def orders(self, *, ended: bool) -> list[dict[str, Any]]:
        return self.role.orders(ended=ended)

    async def overview(self) -> dict[str, Any]:
        """All that one screen shows of it; `session` is the account's, as all of its roles tell it."""
        around = {**await surroundings_now(self.role), "strands": self.inbox.told()}
        return overview(
            self.role.account_now(), around, role=self.request.role, name=self.place.name, mode=self.request.mode,
            session=self.place.account, own_session=self.place.within.session, run=self.run_id,
            code_version=code_version(self.stage.manager.config), recorded=False,
        )  # fmt: skip

    async def explain(self, order: str) -> dict[str, Any]:
        return await explain(self.place.database, order)

    def metrics(self) -> dict[str, Any]:
        return self.measured.told()

    async def reload(self, who: str) -> dict[str, Any]:
        return await self.reloading.reload(who)

    def request_stop(self, who: str) -> None:
        del who
        self.stopping.set()

    @property
    def bus(self) -> PubSubManager:
        return self.role.bus

    def is_over(self) -> bool:
        return self.stopping.is_set() or self.stage.is_over()

    def require_lease(self) -> None:
        self.role.require_session()

    async def run(self) -> None:
        await self.role.run()

    async def end_feed(self) -> None:
        await self.role.ingestor.stop()


def _mode(place: Place, request: LiveRequest) -> str:
    """As the journal has it: a trader's session is the account's own."""
    return request.mode if place.module == "trader" else f"{request.mode}-{place.module}"


def _label(request: LiveRequest) -> str:
    """What tells its numbers from those of the account's other roles."""
    return " ".join(filter(None, (request.role, request.name)))


def _optimizer(stage: Stage, database: Database, measured: EngineMetrics, role: Role) -> PerformanceOptimizer:
    async def publish(event: PerformanceOptimization) -> None:
        await role.bus.publish("PERFORMANCE_OPTIMIZATION", event, source=OPTIMIZER)

    return PerformanceOptimizer(
        stage.manager, database=database, collector=measured.collector, loop=measured.loop, memory=measured.memory,
        publish=publish,
    )  # fmt: skip
