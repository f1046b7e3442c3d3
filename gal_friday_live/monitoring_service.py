"""Decides when trading halts, and says so to everybody (001 §2.9)."""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from gal_friday_adapters.postgres.lease import RETAKEN, SUPERSEDED
from gal_friday_core import payloads
from gal_friday_core.errors import ExchangeError, LeaseError
from gal_friday_core.events import Event
from gal_friday_core.health import Finding
from gal_friday_core.payloads import PotentialHaltTrigger, SystemStateChange
from gal_friday_core.ports import Clock
from gal_friday_core.recovery import Resumption
from gal_friday_core.times import SECOND_NS, interval_ns
from gal_friday_live.bus import PubSubManager
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.halt import TAKEN_OVER, HaltAction, HaltCoordinator, TradingState
from gal_friday_live.health_watch import HealthWatch
from gal_friday_live.journal_writer import JournalWriter, SessionJournal
from gal_friday_live.probes import Probe
from gal_friday_live.tasks import TaskSupervisor
from gal_friday_live.trading_gate import ALL, TradingGate

SOURCE = "MonitoringService"
SILENT_INTERVALS = 10
"""Bars that may be missing before the market data counts as stale; a bar without a trade is never sent."""

HALT_PATIENCE_S = 1.0
"""A halt that is not durable by then is told nevertheless: in memory it holds from the first moment."""

RunState = Literal["RUNNING", "DEGRADED", "REDUCING"]

log = logging.getLogger(__name__)


class MonitoringService:
    """Watches for reasons to halt: failing handlers and tasks, drawdown limits, and an engine that is unwell.

    `health_every_s` checks on the real clock, as long as the engine runs; a simulated market is never silent.
    What a probe finds is told as DEGRADED, blocks the `gate` (REDUCING), or halts by a POTENTIAL_HALT_TRIGGER.
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
        writer: JournalWriter | None = None,
        gate: TradingGate | None = None,
        probes: Sequence[Probe] = (),
    ) -> None:
        silence_ns = SILENT_INTERVALS * interval_ns(config.config.market.interval) + 60 * SECOND_NS
        self._config = config
        self._bus = event_bus
        self._halt = halt
        self._journal = journal
        self._tasks = tasks
        self._health_every_s = health_every_s
        self._writer = writer
        self._gate = gate if gate is not None else TradingGate()
        self._watch = HealthWatch(
            config.config.monitoring, clock=clock, gate=self._gate, silence_s=silence_ns / SECOND_NS,
            probes=probes,
        )  # fmt: skip
        self._told: RunState = "RUNNING"
        self._account_fault = ""
        self._subscriptions: list[str] = []
        self.reasons: Counter[str] = Counter()
        self.superseded = False
        """Whether another engine has the account: nothing of it is ours any more, and we must end."""

    @property
    def trading_state(self) -> TradingState:
        """HALTED, REDUCING (by command, or because the gate lets no pair's entries pass), or ACTIVE."""
        if self._halt.state != "ACTIVE":
            return self._halt.state
        return "REDUCING" if self._gate.why(ALL) else "ACTIVE"

    @property
    def waiting(self) -> int:
        """Records of the engine that are not durable yet."""
        return 0 if self._writer is None else self._writer.waiting

    async def start(self) -> None:
        self._config.on_reload(lambda config: self._watch.judge_by(config.monitoring))
        await self._halt.restore(self._journal)
        self._subscriptions = [
            self._bus.subscribe("POTENTIAL_HALT_TRIGGER", self._on_trigger),
            self._bus.subscribe("MARKET_DATA_OHLCV", self._on_candle),
        ]
        if self._health_every_s is not None:
            self._watch.start(self._tasks)
            self._tasks.background(self._check_every(self._health_every_s), "health")

    async def stop(self) -> None:
        for subscription in self._subscriptions:
            self._bus.unsubscribe(subscription)

    def ready(self) -> None:
        """The engine is up, or was held up by its start only: from now on the event loop's waits are judged."""
        self._watch.ready()

    def is_halted(self) -> bool:
        return self._halt.halted

    def health(self) -> dict[str, Any]:
        """What a screen shows: state, findings in words, and the last readings by code."""
        return {
            "state": self.trading_state,
            "reason": self._halt.reason,
            "halt_durable": self._halt.durable,
            "findings": [str(finding) for finding in self._watch.findings],
            "blocks": self._gate.blocks(),
            "readings": self._watch.readings,
        }

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Readings beyond their limits, as they stand."""
        return self._watch.findings

    async def check_health(self) -> None:
        """Take every reading once; tell what became worse or better, and halt where a reading asks for it."""
        changes = self._watch.look()
        for finding in changes.worse:
            log.warning("%s", finding)
            if finding.severity == "HALTED":
                details = {"value": f"{finding.value:.6g} {finding.unit}", "limit": f"{finding.limit:.6g}"}
                trigger = PotentialHaltTrigger(reason=finding.code, source=SOURCE, details=details)
                await self._bus.publish("POTENTIAL_HALT_TRIGGER", trigger, source=SOURCE)
        if changes.worse or changes.over:
            await self._tell_health(
                changes.worse[0].code if changes.worse else f"{changes.over[0].code} is over"
            )
        if self._writer is not None:
            self._writer.retry()

    def watch(self, *probes: Probe) -> None:
        """Keep an eye on more things; before `start`."""
        self._watch.add(*probes)

    def account_fault(self) -> str:
        """Why our account is out of reach; empty while it is not."""
        return self._account_fault

    def on_line(self, up: bool, reason: str) -> None:
        """The line to our account: no entries while it is down. Reconciling afterwards is somebody else's block."""
        self._account_fault = "" if up else reason or "down"
        if up:
            self._gate.clear("EXCHANGE_DISCONNECTED")
        else:
            self._gate.block("EXCHANGE_DISCONNECTED", reason)

    async def on_exchange_ended(self, error: ExchangeError) -> None:
        """No line to our account will come any more: the key or the account is refused. Only a new start heals it.

        Waiting entries are cancelled where the exchange still lets us; protection stays where it is.
        """
        self.on_line(False, str(error))
        code = error.code or "EXCHANGE_ENDED"
        log.error("%s: trading halts: %s", code, error)
        await self.trigger_halt(f"{code}: {error}; put it right, then stop the engine and start it anew")

    def on_lease(self, what: str) -> None:
        """What `AccountLease` tells: lost for this reason, had again, or taken by another engine in between.

        That other engine's orders are not ours to cancel, and what we know of the account is old.
        """
        if what == RETAKEN:
            self._gate.clear("LEASE_LOST")
            return
        self._gate.block("LEASE_LOST", "another engine has taken the account" if what == SUPERSEDED else what)
        if what == SUPERSEDED:
            self.superseded = True
            self._halt_and_tell(TAKEN_OVER, "MAINTAIN_POSITIONS")

    async def handle_potential_halt_trigger(self, reason: str, source: str) -> None:
        """Every trigger halts: it is the source that judges what is one."""
        del source
        await self.trigger_halt(reason, "CANCEL_ENTRIES")

    async def trigger_halt(
        self, reason: str, halt_action: HaltAction = "CANCEL_ENTRIES", *, who: str | None = None
    ) -> None:
        """Halt before anything else happens, make it durable, then tell. Halting twice keeps the first reason."""
        if self._halts(reason, halt_action, who):
            await self._tell_halt(reason, halt_action)

    async def trigger_reduce(self, reason: str, *, who: str | None = None) -> None:
        """Send only orders that reduce, until `trigger_resume`."""
        if self._halt.reduce(reason, who=who):
            await self._halt.persisted(HALT_PATIENCE_S)
            await self._say("REDUCING", reason)

    async def trigger_resume(self, reason: str = "", who: str = "") -> Resumption:
        """Trade again where the recovery checklist holds, with a reason and a name; says why not otherwise."""
        outcome = await self._halt.resume(reason, who)
        if outcome.resumed:
            await self._say(self._told, f"RESUMED by {who}: {reason}")
        return outcome

    def on_handler_failure(self, event: Event, subscription_id: str, error: Exception) -> None:
        """A handler raised: halt, then report it, unless it is a report that could not be delivered."""
        if isinstance(error, LeaseError):
            self._fenced_off()
            return
        self._halt_and_tell(f"HANDLER_FAILED: {event.event_type}: {_line(error)}")
        if event.event_type != "SYSTEM_ERROR":
            self._bus.emit("SYSTEM_ERROR", _problem(error, subscription_id, event.event_id), source=SOURCE)

    async def on_task_failure(self, name: str, error: Exception) -> None:
        """A task of a service raised: halt, then report it. A fence that refuses us says that the account is lost."""
        if isinstance(error, LeaseError):
            self._fenced_off()
            return
        await self.trigger_halt(f"TASK_FAILED: {name}: {_line(error)}")
        await self._bus.publish("SYSTEM_ERROR", _problem(error, name, None), source=SOURCE)

    def _fenced_off(self) -> None:
        """The journal may know before the lock's connection does; told once, however much it refuses."""
        if not self.superseded:
            self.on_lease(SUPERSEDED)

    async def _check_every(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            await self.check_health()

    def _halts(self, reason: str, action: HaltAction, who: str | None = None) -> bool:
        self.reasons[reason] += 1
        return self._halt.halt(reason, action, who=who)

    def _halt_and_tell(self, reason: str, action: HaltAction = "CANCEL_ENTRIES") -> None:
        """`trigger_halt` from inside a delivery: halted at once, told once that is durable."""
        if self._halts(reason, action):
            self._tasks.start(self._tell_halt(reason, action), "tell of the halt")

    async def _tell_halt(self, reason: str, action: HaltAction) -> None:
        """Entries must be cancelled even where the journal takes nothing, so that is not waited for without end."""
        if not await self._halt.persisted(HALT_PATIENCE_S):
            log.error("the halt is not in the journal yet", extra={"reason": reason})
        await self._say("HALTED", reason, action)

    async def _tell_health(self, reason: str) -> None:
        """The engine's own state, where it changed; while halted by command there is nothing better to tell."""
        severity = self._watch.severity
        state: RunState = (
            "RUNNING" if severity is None else "DEGRADED" if severity == "DEGRADED" else "REDUCING"
        )
        if state == self._told:
            return
        self._told = state
        if self._halt.state == "ACTIVE":
            await self._say(state, reason)

    async def _say(self, state: str, reason: str, action: HaltAction | None = None) -> None:
        change = SystemStateChange(new_state=state, reason=reason, halt_action=action)  # type: ignore[arg-type]
        await self._bus.publish("SYSTEM_STATE_CHANGE", change, source=SOURCE)

    def _on_trigger(self, event: Event) -> None:
        trigger = event.payload
        assert isinstance(trigger, PotentialHaltTrigger)
        self._halt_and_tell(trigger.reason)

    def _on_candle(self, _event: Event) -> None:
        self._watch.heard()


def _problem(error: Exception, component: str, event_id: str | None) -> payloads.SystemError:
    return payloads.SystemError(
        error_type=type(error).__name__, message=_line(error), component=component, event_id=event_id
    )


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
