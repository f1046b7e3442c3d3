"""What a live engine does from beginning to end, call by call: by whoever runs it, in the running loop or on an island."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from gal_friday_core.experiments.traffic import Traffic
from gal_friday_core.payloads import PerformanceOptimization
from gal_friday_core.portfolio import PortfolioState
from gal_friday_core.ports import Models
from gal_friday_core.recovery import Resumption
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.engine import Engine
from gal_friday_live.engine_overview import account_now
from gal_friday_live.engine_view import positions_of
from gal_friday_live.halt import HaltAction
from gal_friday_live.journal_writer import SessionJournal
from gal_friday_live.limit_reload import LimitReload
from gal_friday_live.live_request import LiveRequest
from gal_friday_live.live_stage import Ground, opened
from gal_friday_live.means import Means
from gal_friday_live.performance_optimizer import SOURCE as OPTIMIZER
from gal_friday_live.prediction_service import ModelOverride
from gal_friday_live.stage import Stage
from gal_friday_live.surroundings import Surroundings
from gal_friday_live.wiring import Ports, build


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What is settled once the stage stands: whose orders these are, by which code, on what terms."""

    session: str
    code_version: str
    override: ModelOverride | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the engine is given besides its stage."""

    journal: SessionJournal
    models: Models
    surroundings: Surroundings | None
    experiments: Traffic | None = None


class Helm(Protocol):
    """Has the program do something: `call` and wait for it, or have it done `now`, before anything else."""

    async def call(self, name: str, *args: Any) -> Any: ...

    def now(self, name: str, *args: Any) -> Any: ...


class LiveProgram:
    """`open`, `build`, `start`, `run`, `stop` and `close` in this order; an operator's calls while it runs."""

    def __init__(
        self,
        manager: ConfigurationManager,
        request: LiveRequest,
        on: Ground,
        means: Means,
        parts: Callable[[Stage, Terms], Parts],
    ) -> None:
        self._manager = manager
        self._request = request
        self._ground = on
        self._means = means
        self._parts = parts
        self._stack = AsyncExitStack()
        self._stage: Stage | None = None
        self._engine: Engine | None = None
        self._limits: LimitReload | None = None
        self._calls: Mapping[str, Callable[..., Awaitable[Any]]] = {
            "open": self._open,
            "build": self._build,
            "start": self._start,
            "ready": self._ready,
            "run": self._run,
            "end_feed": self._end_feed,
            "stop": self._stop,
            "close": self._stack.aclose,
            "halt": self._halt,
            "resume": self._resume,
            "reload": self._reload,
            "performance": self._performance,
        }
        self._instant: Mapping[str, Callable[..., Any]] = {
            "lease": self._lease,
            # Whoever looks has the account valued anew, and so is part of what happens.
            "snapshot": self._snapshot,
            "summary": self._summary,
            "positions": self._positions,
            "state": self._state,
            "overview": self._overview,
        }

    async def perform(self, name: str, *args: Any) -> Any:
        """A call by its name; its arguments can be written as JSON. Raises what comes of it."""
        return await self._calls[name](*args)

    def do(self, name: str, *args: Any) -> Any:
        """The same, of what takes no time."""
        return self._instant[name](*args)

    @property
    def engine(self) -> Engine:
        assert self._engine is not None, "build comes first"
        return self._engine

    async def _open(self) -> Stage:
        manager = self._means.configuration(self._manager)
        stage = opened(manager, self._request, self._ground, self._means)
        self._stage = await self._stack.enter_async_context(stage)
        return self._stage

    async def _build(self, terms: Mapping[str, Any]) -> Engine:
        stage, agreed = self._stage, msgspec.convert(terms, Terms)
        assert stage is not None, "open comes first"
        parts = self._parts(stage, agreed)
        self._engine = build(
            stage.manager,
            Ports(
                series=stage.series, instruments=stage.instruments, clock=stage.clock, feed=stage.feed,
                models=parts.models, journal=parts.journal, ids=self._means.ids(), exchange=stage.exchange,
                history=stage.history, historical=stage.historical, override=agreed.override,
                simulated=stage.simulated, surroundings=parts.surroundings, experiments=parts.experiments,
                health_every_s=stage.manager.config.monitoring.every_s if stage.watched else None,
                code_version=agreed.code_version, timer=self._means.timer, pool=self._means.pool,
            ),
        )  # fmt: skip
        self._limits = LimitReload(
            stage.manager, journal=parts.journal, clock=stage.clock, ids=self._means.ids()
        )
        self._means.listen(self._engine)
        return self._engine

    async def _start(self) -> None:
        await self.engine.start()

    async def _ready(self) -> None:
        self.engine.monitoring.ready()

    async def _run(self) -> None:
        await self.engine.run()

    async def _end_feed(self) -> None:
        await self.engine.ingestor.stop()

    async def _stop(self) -> None:
        await self.engine.stop()

    async def _halt(self, reason: str, action: HaltAction) -> None:
        await self.engine.monitoring.trigger_halt(reason, action)

    async def _resume(self, reason: str, who: str) -> Resumption:
        return await self.engine.monitoring.trigger_resume(reason, who)

    async def _reload(self, who: str) -> dict[str, Any]:
        assert self._limits is not None, "build comes first"
        return await self._limits.reload(who)

    async def _performance(self, told: Mapping[str, Any]) -> None:
        """What was tried on the process is told on its bus."""
        event = msgspec.convert(told, PerformanceOptimization)
        await self.engine.bus.publish("PERFORMANCE_OPTIMIZATION", event, source=OPTIMIZER)

    def _lease(self, what: str) -> None:
        self.engine.monitoring.on_lease(what)

    def _snapshot(self) -> dict[str, Any]:
        return self.engine.snapshot()

    def _summary(self) -> dict[str, Any]:
        return self.engine.summary()

    def _positions(self) -> dict[str, Any]:
        return positions_of(self.engine.portfolio, self.engine.execution.blotter)

    def _overview(self) -> dict[str, Any]:
        return account_now(self.engine)

    def _state(self) -> PortfolioState:
        return self.engine.portfolio.state()


class Direct:
    """The program in the running loop."""

    def __init__(self, program: LiveProgram) -> None:
        self._program = program

    async def call(self, name: str, *args: Any) -> Any:
        return await self._program.perform(name, *args)

    def now(self, name: str, *args: Any) -> Any:
        return self._program.do(name, *args)


class Operator:
    """Halts and resumes an engine through its helm."""

    def __init__(self, helm: Helm) -> None:
        self._helm = helm

    async def trigger_halt(self, reason: str, halt_action: HaltAction) -> None:
        await self._helm.call("halt", reason, halt_action)

    async def trigger_resume(self, reason: str, who: str) -> Resumption:
        found: Resumption = await self._helm.call("resume", reason, who)
        return found
