"""`PerformanceOptimizer` (001 §2.19): says what takes time and memory, and tries changes that can be undone.

Nothing is changed unless it is asked for. What is tried is measured with and without, kept only where it helped
beyond chance, and undone otherwise; that nothing helped is a result like any other.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, NamedTuple, Self

import msgspec

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.slow_statements import slow_statements
from gal_friday_core.errors import ConfigError, StorageError
from gal_friday_core.payloads import PerformanceOptimization
from gal_friday_core.performance_settings import PerformanceConfig
from gal_friday_core.tuning import Judgement, judge
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.performance_report import advice, report
from gal_friday_live.process_watch import GcWatch, LoopWatch, MemoryTrend
from gal_friday_live.tuning_trial import GivenUpError, Pause, pairs_of_blocks
from gal_friday_live.tunings import KINDS, Kind, Tuning, tunings

MOST_STATEMENTS: Final = 10
RUNS_KEPT: Final = 50
SOURCE: Final = "PerformanceOptimizer"
ENGINE: Final = "the engine"
"""Who asked, where nobody outside did."""

log = logging.getLogger(__name__)

Publish = Callable[[PerformanceOptimization], Awaitable[None]]


async def _to_nobody(_: PerformanceOptimization) -> None:
    """Where no bus is."""


class _Run(NamedTuple):
    """What is asked for: of the tunings chosen, those that there is a point in trying."""

    kind: str
    chosen: tuple[Tuning, ...]
    open: tuple[Tuning, ...]
    settings: PerformanceConfig
    who: str


class PerformanceOptimizer:
    """Of the process that it runs in. Leaving its context ends a run and undoes what is in force.

    `collector`, `loop` and `memory` are whoever watches them already; without, they are watched while something is
    asked for. `publish` hears PERFORMANCE_OPTIMIZATION events. `lot` draws the order of blocks.
    """

    def __init__(
        self,
        config: ConfigurationManager,
        *,
        database: Database | None = None,
        collector: GcWatch | None = None,
        loop: LoopWatch | None = None,
        memory: MemoryTrend | None = None,
        publish: Publish = _to_nobody,
        lot: random.Random | None = None,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._config = config
        self._database = database
        self._watched = collector is not None
        self._collector = collector or GcWatch()
        self._loop = loop or LoopWatch()
        self._memory = memory or MemoryTrend()
        self._publish = publish
        self._lot = lot or random.SystemRandom()
        self._pause = pause
        self._tunings = tunings(self._collector, database)
        self._in_force: list[str] = []
        self._history: deque[dict[str, Any]] = deque(maxlen=RUNS_KEPT)
        self._running: asyncio.Task[dict[str, Any]] | None = None
        self._progress: dict[str, Any] | None = None
        self._outcome: dict[str, Any] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        for name in tuple(self._in_force):
            await self.undo(name)

    async def optimize_cache_performance(self) -> dict[str, Any]:
        """Try larger caches where they are full and miss."""
        return await self.tune(("CACHE",))

    async def optimize_connection_pools(self) -> dict[str, Any]:
        """Try a larger pool where somebody waited, and sooner preparation of statements."""
        return await self.tune(("CONNECTION_POOL",))

    async def optimize_memory_usage(self) -> dict[str, Any]:
        """Try what lets the garbage collector stop the process less."""
        return await self.tune(("MEMORY",))

    async def monitor_query_performance(self) -> dict[str, Any]:
        """`source` of the times, and `slowest` statements with plans; `problem` where the database does not answer."""
        if self._database is None:
            return {"source": None, "slowest": [], "problem": "no database"}
        try:
            source, found = await slow_statements(self._database, MOST_STATEMENTS)
        except StorageError as error:
            return {"source": None, "slowest": [], "problem": str(error)}
        return {"source": source, "slowest": msgspec.to_builtins(found), "problem": None}

    async def get_performance_report(self) -> dict[str, Any]:
        """Everything at once, JSON-able, with `advice`: what stands out, or that nothing does."""
        told = await report(self._loop, self._collector, self._memory, self._database)
        told["statements"] = await self.monitor_query_performance()
        told["tunings"] = [self._standing(tuning) for tuning in self._tunings.values()]
        told |= self.progress()
        told["history"] = list(self._history)
        told["advice"] = advice(told, self._config.config.monitoring.loop_lag_s)
        return told

    def progress(self) -> dict[str, Any]:
        """`running`: the tuning that is tried and the pairs that are done, or None; `outcome` of the last run."""
        return {"running": self._progress, "outcome": self._outcome}

    def start(self, kinds: Sequence[Kind] = KINDS, *, who: str = ENGINE, **changes: Any) -> dict[str, Any]:
        """Begin `tune` and return at once: `progress` tells how far it is. Raises ConfigError as `tune` does."""
        run = self._planned(kinds, who, changes)
        self._running = asyncio.ensure_future(self._run(run))
        self._running.add_done_callback(_failed)
        return {"started": True, "tunings": [tuning.name for tuning in run.open]}

    async def tune(
        self, kinds: Sequence[Kind] = KINDS, *, who: str = ENGINE, **changes: Any
    ) -> dict[str, Any]:
        """Try every tuning of these kinds that may help. `changes` are keys of the section `performance`; events and
        history tell `who` asked.

        `results` by tuning, `kept` those that are in force now, `said` in one line. Raises ConfigError while another
        run goes on, and where so few pairs could show nothing.
        """
        return await self._run(self._planned(kinds, who, changes))

    def _planned(self, kinds: Sequence[Kind], who: str, changes: dict[str, Any]) -> "_Run":
        if self._progress is not None:
            raise ConfigError("tunings are being tried already: gal-friday performance tells how far that is")
        chosen = tuple(tuning for tuning in self._tunings.values() if tuning.kind in kinds)
        open_ = tuple(tuning for tuning in chosen if not self._why_not(tuning))
        settings = self._settings(changes, len(open_))
        self._progress = {"tuning": None, "pair": 0, "pairs": settings.pairs}
        return _Run("ALL" if len(kinds) != 1 else kinds[0], chosen, open_, settings, who)

    async def _run(self, run: "_Run") -> dict[str, Any]:
        watched: AbstractContextManager[object] = nullcontext() if self._watched else self._collector
        self._outcome = None
        try:
            with watched:
                results = [await self._try(tuning, run) for tuning in run.chosen]
        finally:
            self._progress = None
        kept = [result["tuning"] for result in results if result["kept"]]
        self._outcome = {"results": results, "kept": kept, "said": _said(results)}
        await self._tell(
            run.kind, "METRICS_COLLECTED", {"tried": len(run.open)}, {**self._outcome, "who": run.who}
        )
        return self._outcome

    async def undo(self, name: str, *, who: str = ENGINE) -> dict[str, Any]:
        """Undo a tuning that is in force. Raises ConfigError where it is not."""
        if name not in self._in_force:
            raise ConfigError(f"{name} is not in force: {', '.join(self._in_force) or 'no tuning'} is")
        tuning = self._tunings[name]
        await tuning.undo()
        self._in_force.remove(name)
        log.info("tuning %s: undone, asked for by %s", name, who)
        details = {"tuning": name, "why": "asked for", "who": who}
        await self._tell(tuning.kind, "OPTIMIZATION_UNDONE", {}, details)
        return {"undone": name, "in_force": list(self._in_force)}

    async def _try(self, tuning: Tuning, run: "_Run") -> dict[str, Any]:
        """Measured and judged, kept or undone; told as events and remembered."""
        result: dict[str, Any] = {
            "tuning": tuning.name,
            "kind": tuning.kind,
            "what": tuning.what,
            "unit": tuning.unit,
            "who": run.who,
        }
        if tuning not in run.open:  # the level was shared among those that were open when the run began
            why = self._why_not(tuning) or "there was no point in trying it when the run began"
            return {**result, "tried": False, "kept": False, "why": why}
        details = {"tuning": tuning.name, "what": tuning.what, "who": run.who}
        await self._tell(tuning.kind, "ANALYSIS_STARTED", {}, details)
        try:
            blocks = await self._measured(tuning, run.settings)
        except (GivenUpError, StorageError) as end:
            result |= {"tried": True, "kept": False, "why": f"given up: {end}"}
        else:
            verdict = _worth(
                judge(blocks, level=run.settings.level / len(run.open), least_gain=run.settings.least_gain),
                tuning,
            )
            if verdict.helped:
                await tuning.apply()
                self._in_force.append(tuning.name)
            result |= {"tried": True, "kept": verdict.helped, **verdict._asdict(), "pairs": blocks}
        self._history.append(result)
        await self._tell_result(tuning, result)
        return result

    async def _measured(self, tuning: Tuning, settings: PerformanceConfig) -> list[tuple[float, float]]:
        began_mb = self._memory.now_mb()

        def guard() -> str:
            grown = self._memory.now_mb() - began_mb
            return f"the process grew by {grown:.0f} MB" if grown > settings.memory_mb else ""

        def told(pair: int) -> None:
            assert self._progress is not None
            self._progress |= {"tuning": tuning.name, "pair": pair}

        return await pairs_of_blocks(
            tuning, pairs=settings.pairs, block_s=settings.block_s, lot=self._lot, guard=guard, told=told,
            pause=self._pause,
        )  # fmt: skip

    async def _tell_result(self, tuning: Tuning, result: dict[str, Any]) -> None:
        action = "OPTIMIZATION_APPLIED" if result["kept"] else "OPTIMIZATION_UNDONE"
        before = {"value": result["before"], "unit": tuning.unit} if "before" in result else {}
        after = {"value": result["after"], "unit": tuning.unit} if "after" in result else None
        gain = result.get("gain")
        log.info(
            "tuning %s for %s: %s, since %s",
            tuning.name,
            result["who"],
            "kept" if result["kept"] else "undone",
            result["why"],
        )
        event = PerformanceOptimization(
            optimization_type=tuning.kind, action=action, metrics_before=before, metrics_after=after,
            optimization_details={"tuning": tuning.name, "what": tuning.what, "why": result["why"], "who": result["who"]},
            improvement_percentage=None if gain is None else 100 * gain,
        )  # fmt: skip
        await self._publish(event)

    async def _tell(self, kind: str, action: str, before: dict[str, Any], details: dict[str, Any]) -> None:
        await self._publish(
            PerformanceOptimization(
                optimization_type=kind, action=action, metrics_before=before, optimization_details=details
            )
        )

    def _standing(self, tuning: Tuning) -> dict[str, Any]:
        return {
            "name": tuning.name, "kind": tuning.kind, "what": tuning.what,
            "in_force": tuning.name in self._in_force, "why_not": self._why_not(tuning),
        }  # fmt: skip

    def _why_not(self, tuning: Tuning) -> str:
        return "it is in force" if tuning.name in self._in_force else tuning.why_not()

    def _settings(self, changes: dict[str, Any], tried: int) -> PerformanceConfig:
        """The configured ones with these changes; enough pairs for so many tunings, or ConfigError."""
        values = {**self._config.config.performance.model_dump(), **changes}
        try:
            settings = PerformanceConfig.model_validate(values)
        except ValueError as error:
            raise ConfigError(f"performance: {error}") from None
        judge(
            [(1.0, 1.0)] * settings.pairs,
            level=settings.level / max(tried, 1),
            least_gain=settings.least_gain,
        )
        return settings


def _failed(run: "asyncio.Task[dict[str, Any]]") -> None:
    if not run.cancelled() and (error := run.exception()) is not None:
        log.error("the run of tunings ended early: %s: %s", type(error).__name__, error)


def _worth(verdict: Judgement, tuning: Tuning) -> Judgement:
    """However large a share it is of next to nothing, it is next to nothing."""
    if verdict.helped and verdict.before < tuning.worth:
        little = f"too little to gain: {verdict.before:.3g} ({tuning.unit})"
        return verdict._replace(helped=False, why=little)
    return verdict


def _said(results: Sequence[dict[str, Any]]) -> str:
    kept = [f"{result['tuning']} ({result['why']})" for result in results if result["kept"]]
    if kept:
        return f"kept: {', '.join(kept)}"
    tried = sum(int(result["tried"]) for result in results)
    return f"nothing helped: {tried} tried" if tried else "nothing to try: " + "; ".join(_reasons(results))


def _reasons(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    return (f"{result['tuning']}: {result['why']}" for result in results)
