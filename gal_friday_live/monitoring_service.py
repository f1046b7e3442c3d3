"""Decides when trading halts, and says so to everybody (001 §2.9)."""

import asyncio
import logging
from collections import Counter

from gal_friday_core import payloads
from gal_friday_core.events import Event
from gal_friday_core.payloads import PotentialHaltTrigger, SystemStateChange
from gal_friday_core.ports import Clock
from gal_friday_core.recovery import Resumption
from gal_friday_core.times import SECOND_NS, interval_ns
from gal_friday_live.bus import PubSubManager
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.halt import HaltAction, HaltCoordinator
from gal_friday_live.journal_writer import SessionJournal
from gal_friday_live.tasks import TaskSupervisor

SOURCE = "MonitoringService"
SILENT_INTERVALS = 10
"""Bars that may be missing before the market data counts as stale; a bar without a trade is never sent."""

HALT_PATIENCE_S = 1.0
"""A halt that is not durable by then is told nevertheless: in memory it holds from the first moment."""

log = logging.getLogger(__name__)


class MonitoringService:
    """Watches for reasons to halt: failing handlers and tasks, drawdown limits; and for silent market data.

    `health_every_s` checks on the real clock, as long as the engine runs; a simulated market is never silent.
    """

    def __init__(
        self,
        config: ConfigurationManager,
        event_bus: PubSubManager,
        *,
        halt: HaltCoordinator,
        clock: Clock,
        journal: SessionJournal,
        tasks: TaskSupervisor,
        health_every_s: float | None = None,
    ) -> None:
        self._bus = event_bus
        self._halt = halt
        self._clock = clock
        self._journal = journal
        self._tasks = tasks
        self._health_every_s = health_every_s
        self._silence_ns = SILENT_INTERVALS * interval_ns(config.config.market.interval) + 60 * SECOND_NS
        self._heard_ns: int | None = None
        self._degraded = False
        self._subscriptions: list[str] = []
        self.reasons: Counter[str] = Counter()

    async def start(self) -> None:
        await self._halt.restore(self._journal)
        self._subscriptions = [
            self._bus.subscribe("POTENTIAL_HALT_TRIGGER", self._on_trigger),
            self._bus.subscribe("MARKET_DATA_OHLCV", self._on_candle),
        ]
        if self._health_every_s is not None:
            self._tasks.background(self._watch(self._health_every_s), "health")

    async def stop(self) -> None:
        for subscription in self._subscriptions:
            self._bus.unsubscribe(subscription)

    def is_halted(self) -> bool:
        return self._halt.halted

    async def check_health(self) -> None:
        """Say DEGRADED when the market has been silent for long, RUNNING when it speaks again."""
        if self._heard_ns is None or self._halt.halted:
            return
        silent = self._clock.now_ns() - self._heard_ns > self._silence_ns
        if silent == self._degraded:
            return
        self._degraded = silent
        await self._say(
            "DEGRADED" if silent else "RUNNING", "MARKET_DATA_SILENT" if silent else "MARKET_DATA_BACK"
        )

    async def handle_potential_halt_trigger(self, reason: str, source: str) -> None:
        """Every trigger halts: it is the source that judges what is one."""
        del source
        await self.trigger_halt(reason, "CANCEL_ENTRIES")

    async def trigger_halt(self, reason: str, halt_action: HaltAction = "CANCEL_ENTRIES") -> None:
        """Halt before anything else happens, make it durable, then tell. Halting twice keeps the first reason."""
        if self._halts(reason, halt_action):
            await self._tell_halt(reason, halt_action)

    async def trigger_resume(self, reason: str = "", who: str = "") -> Resumption:
        """Trade again where the recovery checklist holds, with a reason and a name; says why not otherwise."""
        outcome = await self._halt.resume(reason, who)
        if outcome.resumed:
            await self._say("RUNNING", f"RESUMED by {who}: {reason}")
        return outcome

    def on_handler_failure(self, event: Event, subscription_id: str, error: Exception) -> None:
        """A handler raised: halt, then report it, unless it is a report that could not be delivered."""
        self._halt_and_tell(f"HANDLER_FAILED: {event.event_type}: {_line(error)}")
        if event.event_type != "SYSTEM_ERROR":
            self._bus.emit("SYSTEM_ERROR", _problem(error, subscription_id, event.event_id), source=SOURCE)

    async def on_task_failure(self, name: str, error: Exception) -> None:
        """A task of a service raised: halt, then report it."""
        await self.trigger_halt(f"TASK_FAILED: {name}: {_line(error)}")
        await self._bus.publish("SYSTEM_ERROR", _problem(error, name, None), source=SOURCE)

    async def _watch(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            await self.check_health()

    def _halts(self, reason: str, action: HaltAction) -> bool:
        self.reasons[reason] += 1
        return self._halt.halt(reason, action)

    def _halt_and_tell(self, reason: str, action: HaltAction = "CANCEL_ENTRIES") -> None:
        """`trigger_halt` from inside a delivery: halted at once, told once that is durable."""
        if self._halts(reason, action):
            self._tasks.start(self._tell_halt(reason, action), "tell of the halt")

    async def _tell_halt(self, reason: str, action: HaltAction) -> None:
        """Entries must be cancelled even where the journal takes nothing, so that is not waited for without end."""
        if not await self._halt.persisted(HALT_PATIENCE_S):
            log.error("the halt is not in the journal yet", extra={"reason": reason})
        await self._say("HALTED", reason, action)

    async def _say(self, state: str, reason: str, action: HaltAction | None = None) -> None:
        change = SystemStateChange(new_state=state, reason=reason, halt_action=action)  # type: ignore[arg-type]
        await self._bus.publish("SYSTEM_STATE_CHANGE", change, source=SOURCE)

    def _on_trigger(self, event: Event) -> None:
        trigger = event.payload
        assert isinstance(trigger, PotentialHaltTrigger)
        self._halt_and_tell(trigger.reason)

    def _on_candle(self, _event: Event) -> None:
        self._heard_ns = self._clock.now_ns()


def _problem(error: Exception, component: str, event_id: str | None) -> payloads.SystemError:
    return payloads.SystemError(
        error_type=type(error).__name__, message=_line(error), component=component, event_id=event_id
    )


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
