"""Tells somebody of what an engine goes through: looks at it every second, beside it, and changes nothing in it."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Final, Protocol, Self

import msgspec

from gal_friday_adapters.alerts import AlertDispatch
from gal_friday_core.alert_rules import Condition, Standing, halted
from gal_friday_core.alert_settings import AlertsConfig
from gal_friday_core.alerts import Alert, AlertSeverity
from gal_friday_core.candles import Series
from gal_friday_core.drift.ladder import Restriction
from gal_friday_core.payloads import Reconciliation
from gal_friday_core.ports import Alerts, Clock
from gal_friday_live.data_ingestor import DataIngestor
from gal_friday_live.halt import HaltCoordinator
from gal_friday_live.monitoring_service import MonitoringService
from gal_friday_live.reconciliation_service import ReconciliationService
from gal_friday_live.tasks import TaskSupervisor
from gal_friday_live.trading_gate import ALL, TradingGate

LOOK_EVERY_S: Final = 1.0
CLOSE_WITHIN_S: Final = 10.0
"""For the last words: a destination that does not answer by then does not hear them."""
MOST_DIFFERENCES: Final = 10
UNTOLD: Final = frozenset({"note", "halt"})
"""Steps of drift that restrict nothing, or that the halt tells."""


class Restricted(Protocol):
    """Who knows what drift restricts."""

    def restrictions(self) -> Iterable[Restriction]: ...


class Watched(Protocol):
    """An engine, or one role of a split one."""

    @property
    def series(self) -> Sequence[Series]: ...

    @property
    def gate(self) -> TradingGate: ...

    @property
    def halt(self) -> HaltCoordinator: ...

    @property
    def monitoring(self) -> MonitoringService: ...

    @property
    def ingestor(self) -> DataIngestor: ...

    @property
    def prediction(self) -> Restricted | None: ...

    @property
    def reconciliation(self) -> ReconciliationService | None: ...


class AlertWatch:
    """`look` compares the engine with what was told of it. `name` stands in every title, `timer` counts seconds."""

    def __init__(
        self,
        engine: Watched,
        alerts: Alerts,
        *,
        name: str,
        clock: Clock,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._alerts = alerts
        self._name = name
        self._clock = clock
        self._timer = timer
        self._standing = Standing(name)
        self._reasons: Counter[str] = Counter()
        self._halted = False
        self._reconciled: Reconciliation | None = None

    def look(self) -> None:
        """Raise what is new since the last look."""
        conditions = tuple(self._conditions())
        for alert in self._halts(conditions):
            self._alerts.raise_alert(alert)
        for alert in self._standing.look(conditions, self._timer()):
            self._alerts.raise_alert(alert)
        self._look_at_reconciliation()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    def tell(self, code: str, severity: AlertSeverity, title: str, text: str) -> None:
        """What no look can see."""
        self._alerts.raise_alert(
            Alert(code=code, severity=severity, title=f"[{self._name}] {title}", text=text, key=f"{self._name}:{code}")
        )  # fmt: skip

    def _conditions(self) -> Iterator[Condition]:
        engine = self._engine
        for block in engine.gate.blocks():
            yield Condition(code=block["code"], why=block["why"], about=block["pair"])
        for finding in engine.monitoring.findings:
            yield Condition(code=finding.code, why=str(finding))
        if engine.halt.halted and not engine.halt.durable:
            yield Condition(
                code="HALT_NOT_DURABLE", why="neither journal nor disk takes it; it holds in memory"
            )
        for held in engine.prediction.restrictions() if engine.prediction is not None else ():
            if held.step not in UNTOLD:
                yield Condition(
                    code="MODEL_RESTRICTED", why=f"{held.step}: {held.reason}", about=held.model_id
                )
        yield from self._markets()

    def _markets(self) -> Iterator[Condition]:
        """A line that is down is one condition, and not one for every pair."""
        ingestor, now_ns = self._engine.ingestor, self._clock.now_ns()
        if not ingestor.connected:
            if why := ingestor.fault(ALL, now_ns):
                yield Condition(code="MARKET_LINE_DOWN", why=why)
            return
        for series in self._engine.series:
            if why := ingestor.fault(series.pair, now_ns):
                yield Condition(code="FEED_STALE", why=why, about=series.pair)

    def _halts(self, conditions: tuple[Condition, ...]) -> Iterator[Alert]:
        """Every reason that came since, the one that an earlier run left behind included; and that it is over."""
        engine = self._engine
        new = set(engine.monitoring.reasons - self._reasons)
        self._reasons = Counter(engine.monitoring.reasons)
        if engine.halt.halted and not self._halted and not new:
            new = {engine.halt.reason or "halted by an earlier run"}
        for reason in sorted(new):
            yield halted(self._name, reason, conditions)
        if self._halted and not engine.halt.halted:
            yield Alert(
                code="RESUMED", severity="info", title=f"[{self._name}] Trading resumed",
                text="The recovery checklist was clean.", key=f"{self._name}:RESUMED",
            )  # fmt: skip
        self._halted = engine.halt.halted

    def _look_at_reconciliation(self) -> None:
        told = self._engine.reconciliation.last if self._engine.reconciliation is not None else None
        if told is None or told is self._reconciled:
            return
        self._reconciled = told
        if told.discrepancies:
            resolved = told.status == "RESOLVED"
            texts = [str(found["text"]) for found in told.discrepancies[:MOST_DIFFERENCES]]
            more = len(told.discrepancies) - len(texts)
            self.tell(
                "RECONCILIATION", "info" if resolved else "warning",
                f"The account differed in {_count(len(told.discrepancies))}{', put right' if resolved else ''}",
                "\n".join([*texts, *([f"… and {more} more"] if more else [])]),
            )  # fmt: skip


class AlertDesk:
    """While it is open somebody is told of the engine: that it started, what it goes through, how it ended."""

    def __init__(
        self,
        engine: Watched,
        settings: AlertsConfig,
        *,
        name: str,
        clock: Clock,
        dispatch: AlertDispatch | None = None,
    ) -> None:
        self.dispatch = dispatch or AlertDispatch(settings)
        self._watch = AlertWatch(engine, self.dispatch, name=name, clock=clock)
        self._pairs = ", ".join(series.pair for series in engine.series)
        self._tasks = TaskSupervisor(self._blind)

    def counts(self) -> dict[str, Any]:
        """What became of every alert, for a screen."""
        found: dict[str, Any] = msgspec.to_builtins(self.dispatch.counts)
        return found

    async def __aenter__(self) -> Self:
        self.dispatch.start()
        self._watch.tell("STARTED", "info", "Engine starts", f"It trades {self._pairs}.")
        self._tasks.background(self._watch.run(), "alerts")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, trace
        self._tasks.start(self._look(), "last alerts")
        await self._tasks.stop()
        if isinstance(error, Exception):
            said = " ".join(f"{type(error).__name__}: {error}".split())
            self._watch.tell(
                "ENDED", "page", "Engine ended by an error", f"{said}\nStops stay on the exchange."
            )
        else:
            self._watch.tell("ENDED", "info", "Engine ended", "It was asked to, or its market is over.")
        await asyncio.to_thread(self.dispatch.close, CLOSE_WITHIN_S)

    async def _look(self) -> None:
        self._watch.look()

    async def _blind(self, name: str, error: Exception) -> None:
        """Whoever relies on being told must hear that nobody tells any more."""
        said = " ".join(f"{name}: {type(error).__name__}: {error}".split())
        self._watch.tell("BLIND", "page", "Nobody watches the engine", f"{said}\nIt goes on; start it again.")


def _count(number: int) -> str:
    return "one thing" if number == 1 else f"{number} things"
