"""Keeps our books and the exchange's the same (001 §2.16): at start, when the line came back, money moved, by the clock.

The comparison is `gal_friday_core.reconciliation.compare`. What is provably safe is corrected through the doors
that live reports and flows come in by, and the account is read again; a balance that nothing explains is
believed only once several readings say the same, and then either adjusted (a trifle) or told as a reason to
halt. Until a comparison ends clean the gate stays blocked with RECONCILING.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import msgspec

from gal_friday_core.config import ReconciliationConfig
from gal_friday_core.errors import ContractError, ExchangeError, OutcomeUnknownError, StorageError
from gal_friday_core.money import ZERO
from gal_friday_core.payloads import PotentialHaltTrigger, Reconciliation
from gal_friday_core.ports import Clock, Exchange
from gal_friday_core.reconciliation import Discrepancy, ExchangeView, InternalView, Tolerance, compare
from gal_friday_core.times import SECOND_NS
from gal_friday_live.account_reader import AccountReader, OrderDoor, Reading
from gal_friday_live.account_repairs import AccountRepairs
from gal_friday_live.bus import PubSubManager
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.journal_writer import JournalWriter, SessionJournal
from gal_friday_live.portfolio_manager import PortfolioManager
from gal_friday_live.reconciliation_run import ReconciliationRun, plain
from gal_friday_live.tasks import TaskSupervisor
from gal_friday_live.trading_gate import TradingGate

SOURCE = "ReconciliationService"
KIND = "RECONCILIATION"
GATE = "RECONCILING"
HALT_REASON = "RECONCILIATION_FAILED"
DOUBTED = ("CLOCK_OFFSET", "CLOCK_UNKNOWN")
"""While these block, no time of ours says from when fills and flows were read: a clock that is ahead would hide some."""
MOST_READINGS = 30
"""Readings of one comparison, those that repaired something included: beyond it somebody must look."""

UNREACHABLE = (ExchangeError, OutcomeUnknownError, StorageError, TimeoutError, OSError)

Pause = Callable[[float], Awaitable[None]]
Form = TypeVar("Form", bound=msgspec.Struct)

log = logging.getLogger(__name__)


class ReconciliationService:
    """`clean` says whether the last comparison ended without a difference; `last` is what it told.

    `orders` is the `ExecutionHandler`, `pause` waits so many seconds.
    """

    def __init__(
        self,
        config: ConfigurationManager,
        portfolio_manager: PortfolioManager,
        *,
        event_bus: PubSubManager,
        exchange: Exchange,
        orders: OrderDoor,
        gate: TradingGate,
        journal: SessionJournal,
        writer: JournalWriter,
        clock: Clock,
        tasks: TaskSupervisor,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._config = config
        self._portfolio = portfolio_manager
        self._bus = event_bus
        self._exchange = exchange
        self._gate = gate
        self._journal = journal
        self._writer = writer
        self._clock = clock
        self._tasks = tasks
        self._pause = pause
        self._reader = AccountReader(exchange, portfolio_manager, orders, clock)
        self._repairs = AccountRepairs(exchange, portfolio_manager, orders, clock)
        self._lock = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._cause = ""
        self._line_fault = ""
        self._generation = 0
        self._clean_since: int | None = None
        self._every_s = self._settings.every_minutes * 60.0
        self._scheduled = False
        self.clean = False
        self.last: Reconciliation | None = None
        portfolio_manager.reconciled_by(self.reconcile_positions)

    @property
    def _settings(self) -> ReconciliationConfig:
        """Those in force: a reload may have tightened them."""
        return self._config.config.reconciliation

    async def start(self) -> None:
        """Compare before anything is traded; then whenever the line came back, and on schedule.

        An account that cannot be read now is tried again; until then no entry passes the gate.
        """
        self._gate.block(GATE, "the account was not compared since the start")
        self._exchange.on_line(self.on_line)
        self._exchange.on_flow(self.on_flow)
        self._portfolio.funds.on_priced(lambda: self._ask_for("coins priced"))
        async for entry in self._journal.read(kind=KIND):
            if entry.record["clean"]:
                self._clean_since = entry.record.get("known_ns", entry.record["started_ns"])
        await self.reconcile("start")
        await self.schedule_reconciliation(self._settings.every_minutes)

    async def stop(self) -> None:
        """Nothing to undo: the task supervisor ends what runs in the background."""

    async def reconcile_positions(self) -> dict[str, Any]:
        """Compare and correct everything now; what was found and done, as the event says it."""
        return plain(await self.reconcile("request"))

    async def detect_discrepancies(
        self, internal_state: Mapping[str, Any], exchange_state: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """Differences of two states in the form of `InternalView` and `ExchangeView`; changes nothing.

        Raises ContractError where a state does not have that form.
        """
        ours, theirs = _typed(internal_state, InternalView), _typed(exchange_state, ExchangeView)
        return [plain(found) for found in compare(ours, theirs, self._tolerance())]

    async def resolve_discrepancy(self, discrepancy: Mapping[str, Any]) -> bool:
        """Correct one difference that `detect_discrepancies` named; False where that is not for a machine to do."""
        return await self._repairs.resolve(_typed(discrepancy, Discrepancy))

    async def schedule_reconciliation(self, interval_minutes: int) -> None:
        """Compare every so many minutes from now on, until the engine stops. Raises ContractError below one."""
        if interval_minutes < 1:
            raise ContractError(f"cannot reconcile every {interval_minutes} minutes: one is the least")
        self._every_s = interval_minutes * 60.0
        if not self._scheduled:
            self._scheduled = True
            self._tasks.background(self._repeat(), "reconciliation")

    async def check(self) -> str:
        """Compare anew; what stands against trading, in words, or nothing. For the recovery checklist."""
        told = await self.reconcile("recovery check")
        if self.clean:
            return ""
        texts = [str(found["text"]) for found in told.discrepancies]
        return self._line_fault or "; ".join(texts) or told.status.lower()

    async def reconcile(self, cause: str) -> Reconciliation:
        """Read, compare, correct, until nothing differs or nothing more may be done without somebody."""
        async with self._lock:
            generation = self._generation
            run = ReconciliationRun(cause, self._clock.now_ns(), self._settings)
            try:
                await self._compare_until_clean(run)
            except UNREACHABLE as error:
                run.fail(f"{type(error).__name__}: {error}")
            undisturbed = generation == self._generation and not self._line_fault
            return await self._conclude(run, clean=run.clean and undisturbed)

    async def _compare_until_clean(self, run: ReconciliationRun) -> None:
        for _ in range(MOST_READINGS):
            reading = await self._reader.read(self._since())
            found = compare(reading.ours, reading.theirs, self._tolerance())
            run.see(reading, found)
            if run.is_over:
                return
            if not await self._repair(run, reading, found):
                if run.is_exhausted:
                    return
                await self._pause(self._settings.pause_s)

    async def _repair(self, run: ReconciliationRun, reading: Reading, found: tuple[Discrepancy, ...]) -> bool:
        """Do what may be done now; whether anything was."""
        repaired = False
        for item in found:
            if run.may_act_on(item, steady=reading.steady):
                if item.resolution == "HALT":
                    self._call_for_halt(item)
                    run.halted_by(item)
                elif await self._repairs.resolve(item):
                    run.did(item)
                    repaired = True
        return repaired

    def _call_for_halt(self, found: Discrepancy) -> None:
        details = {"discrepancy": found.kind, "what": found.text, "value": str(found.value)}
        trigger = PotentialHaltTrigger(reason=HALT_REASON, source=SOURCE, details=details)
        self._bus.emit("POTENTIAL_HALT_TRIGGER", trigger, source=SOURCE)

    async def _conclude(self, run: ReconciliationRun, *, clean: bool) -> Reconciliation:
        self.clean = clean
        self.last = told = run.told()
        if clean:
            if not any(block["code"] in DOUBTED for block in self._gate.blocks()):
                self._clean_since = run.started_ns
                self._portfolio.positions.settle(run.started_ns)
            self._gate.clear(GATE)
        else:
            self._gate.block(GATE, self._line_fault or run.problem)
            log.warning("reconciliation (%s): %s", run.cause, run.problem)
        record = run.record(clean=clean, finished_ns=self._clock.now_ns()) | {"known_ns": self._clean_since}
        self._writer.append(KIND, f"{run.cause}:{run.started_ns}", run.started_ns, record)
        await self._bus.publish("RECONCILIATION", told, source=SOURCE)
        return told

    def _since(self) -> int:
        """From when fills and flows are read: what came before the account was opened is in its opening balance."""
        opened_ns = self._portfolio.opened_ns
        if self._clean_since is None:
            return opened_ns
        return max(opened_ns, self._clean_since - int(self._settings.lookback_s * SECOND_NS))

    def _tolerance(self) -> Tolerance:
        settings = self._settings
        adjusted = self._portfolio.funds.adjusted(self._clock.now_ns())
        return Tolerance(
            adjust_below=settings.adjust_below,
            adjustable=max(settings.adjust_daily - adjusted, ZERO),
            young_ns=int(settings.order_margin_s * SECOND_NS),
        )

    def on_line(self, up: bool, why: str) -> None:
        """While the line is down nothing is known for certain; once it is back everything is asked anew."""
        self._generation += 1
        self.clean = False
        if up:
            self._line_fault = ""
            self._gate.block(GATE, "the line to the account came back")
            self._ask_for("reconnect")
        else:
            self._line_fault = f"the line to the account is down: {why}"
            self._gate.block(GATE, self._line_fault)

    def on_flow(self, what: str) -> None:
        """Money came or went: until it is booked every size would be taken of an equity that is no more."""
        self._generation += 1
        self.clean = False
        self._gate.block(GATE, f"money was moved: {what}")
        self._ask_for("flow")

    def _ask_for(self, cause: str) -> None:
        self._cause = cause
        self._wanted.set()

    async def _repeat(self) -> None:
        while True:
            cause = await self._next_cause()
            if not self._line_fault:
                await self.reconcile(cause)

    async def _next_cause(self) -> str:
        """Wait until somebody asks, it is time again, or an unclean account is to be read once more."""
        timer = asyncio.ensure_future(self._pause(self._every_s if self.clean else self._settings.retry_s))
        asked = asyncio.ensure_future(self._wanted.wait())
        try:
            await asyncio.wait({timer, asked}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            asked.cancel()
            await asyncio.wait({timer, asked})  # awaiting each would take a stop of ours for theirs
        self._wanted.clear()
        cause, self._cause = self._cause or ("schedule" if self.clean else "retry"), ""
        return cause


def _typed(value: Mapping[str, Any], form: type[Form]) -> Form:
    try:
        return msgspec.convert(value, form, strict=False)
    except msgspec.ValidationError as error:
        raise ContractError(f"{form.__name__}: {error}") from None
