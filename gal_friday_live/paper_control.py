"""The paper engine of `up` as its operator controls it: the same door, the same words, as `live`."""

from typing import Any, Final

from gal_friday_adapters.postgres.database import Database
from gal_friday_core.payloads import PerformanceOptimization
from gal_friday_core.ports import Ids
from gal_friday_core.recovery import Resumption
from gal_friday_live.clock import SystemClock
from gal_friday_live.code_version import code_version
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.engine import Engine
from gal_friday_live.engine_overview import account_now, overview, state_now, surroundings_now
from gal_friday_live.engine_view import orders_of, positions_of
from gal_friday_live.explanation import explain
from gal_friday_live.halt import HaltAction
from gal_friday_live.limit_reload import LimitReload
from gal_friday_live.metrics import EngineMetrics
from gal_friday_live.performance_optimizer import SOURCE as OPTIMIZER
from gal_friday_live.performance_optimizer import PerformanceOptimizer

INTERRUPTED: Final = "asked to stop"


class PaperControl:
    """Watches and controls an engine that runs in this loop. `stopping` says that somebody asked for the end."""

    def __init__(
        self,
        engine: Engine,
        manager: ConfigurationManager,
        database: Database,
        ids: Ids,
        *,
        mode: str,
        session: str,
    ) -> None:
        self._engine = engine
        self._database = database
        self._mode = mode
        self._session = session
        self._limits = LimitReload(manager, journal=engine.journal, clock=engine.clock, ids=ids)
        self.measured = EngineMetrics(
            engine, labels={"mode": mode, "session": session}, state=engine.portfolio.state, clock=SystemClock(),
            database=database,
        )  # fmt: skip
        self.optimizer = PerformanceOptimizer(
            manager, database=database, collector=self.measured.collector, loop=self.measured.loop,
            memory=self.measured.memory, publish=self._told,
        )  # fmt: skip
        self.stopping = False

    def check(self) -> None:
        """Raises KeyboardInterrupt once the end was asked for, as Ctrl-C does."""
        if self.stopping:
            raise KeyboardInterrupt(INTERRUPTED)

    def status(self) -> dict[str, Any]:
        return {
            **self._engine.snapshot(),
            **state_now(self._engine),
            "mode": self._mode,
            "session": self._session,
            "code_version": code_version(),
        }

    def positions(self) -> dict[str, Any]:
        return positions_of(self._engine.portfolio, self._engine.execution.blotter)

    def orders(self, *, ended: bool) -> list[dict[str, Any]]:
        return orders_of(self._engine.execution.blotter, ended=ended)

    async def overview(self) -> dict[str, Any]:
        around = await surroundings_now(self._engine)
        return overview(
            account_now(self._engine),
            around,
            mode=self._mode,
            session=self._session,
            code_version=code_version(),
        )

    async def explain(self, order: str) -> dict[str, Any]:
        return await explain(self._database, order)

    async def _told(self, event: PerformanceOptimization) -> None:
        await self._engine.bus.publish("PERFORMANCE_OPTIMIZATION", event, source=OPTIMIZER)

    def metrics(self) -> dict[str, Any]:
        return self.measured.told()

    async def reload(self, who: str) -> dict[str, Any]:
        return await self._limits.reload(who)

    def request_stop(self, who: str) -> None:
        del who
        self.stopping = True

    async def trigger_halt(self, reason: str, halt_action: HaltAction) -> None:
        await self._engine.monitoring.trigger_halt(reason, halt_action)

    async def trigger_resume(self, reason: str, who: str) -> Resumption:
        return await self._engine.monitoring.trigger_resume(reason, who)
