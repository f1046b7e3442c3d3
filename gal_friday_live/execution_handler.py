"""Approved signals in, orders out, reports back: intent journalled first, never a blind retry (001 §2.7).

Every order goes one way: into the blotter, its intent into the journal, the last checks, the send. Between
those checks and the bytes nothing is awaited. What comes back is journalled, taken in by the blotter and
told to everybody, each fill once. An order whose fate nobody knows blocks its pair (`UnknownOrders`).
"""

import logging
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from gal_friday_core.blotter import Anomaly, Blotter, OrderRecord
from gal_friday_core.errors import ExchangeError, LeaseError, OutcomeUnknownError, StorageError
from gal_friday_core.events import Event
from gal_friday_core.order_machine import OrderEvent
from gal_friday_core.order_reports import own_report, without_fill
from gal_friday_core.orders import Amendment, Order, Purpose
from gal_friday_core.payloads import (
    ExecutionReport,
    OrderStatus,
    PotentialHaltTrigger,
    SystemStateChange,
    TradeSignalApproved,
)
from gal_friday_core.ports import Clock, Exchange, Ids, Journal
from gal_friday_core.risk.codes import Rejected, told
from gal_friday_core.times import SECOND_NS
from gal_friday_live import intents
from gal_friday_live.bus import PubSubManager
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.halt import IsHalted
from gal_friday_live.intents import Provenance, UnknownProvenance
from gal_friday_live.order_times import OrderTimes
from gal_friday_live.report_queue import ReportQueue
from gal_friday_live.tasks import TaskSupervisor
from gal_friday_live.trading_gate import TradingGate
from gal_friday_live.unknown_orders import EVERY_S, UnknownOrders

SOURCE = "ExecutionHandler"
ORDER_DEADLINE_S = 5.0
"""The venue may not match an order that reaches it later than that."""

LOST = (OutcomeUnknownError, TimeoutError, OSError)
"""After these nobody knows whether a request was carried out."""

log = logging.getLogger(__name__)


class Exits(Protocol):
    """Who sends an exit where protection holds what it would sell."""

    def exit(self, order: Order, expires_at: int) -> None: ...


class ExecutionHandler:
    """One order a signal. `orders` counts what was sent, `refused` what ended before the exchange by code,
    `repeated` reports that told nothing new, `anomalies` reports that should not have been, by code.
    `deadline_ns` is how long after its making the venue may still match an order on arrival. `keeps_entries` says
    whether the halt that an engine starts with lets waiting entries stand. `leaving` is told of an order just before
    its bytes are.
    """

    def __init__(
        self,
        config: ConfigurationManager,
        event_bus: PubSubManager,
        *,
        exchange: Exchange,
        journal: Journal,
        clock: Clock,
        ids: Ids,
        tasks: TaskSupervisor,
        is_halted: IsHalted,
        keeps_entries: Callable[[], bool] = lambda: False,
        gate: TradingGate | None = None,
        blotter: Blotter | None = None,
        provenance: Provenance | None = None,
        order_deadline_s: float = ORDER_DEADLINE_S,
        ask_every_s: float = EVERY_S,
        checks: Callable[[Order], Rejected | None] = lambda _: None,
        leaving: Callable[[Order], None] = lambda _: None,
    ) -> None:
        del config
        self._bus = event_bus
        self._exchange = exchange
        self._journal = journal
        self._clock = clock
        self._ids = ids
        self._tasks = tasks
        self._is_halted = is_halted
        self._keeps_entries = keeps_entries
        self._gate = gate if gate is not None else TradingGate()
        self._provenance = provenance or UnknownProvenance()
        self.deadline_ns = int(order_deadline_s * SECOND_NS)
        self._checks = checks
        self._leaving = leaving
        self._queue = ReportQueue(journal, tasks, self._deliver)
        self._in_hand: set[str] = set()  # between the blotter and the exchange
        self._exits: Exits | None = None
        self._liquidating = False
        self._subscriptions: list[str] = []
        self.blotter = blotter if blotter is not None else Blotter()
        self.unknown = UnknownOrders(
            exchange=exchange, blotter=self.blotter, gate=self._gate, tasks=tasks, clock=clock,
            absorb=self.absorb, cancel=self.cancel, deadline_s=order_deadline_s, every_s=ask_every_s,
        )  # fmt: skip
        self.times = OrderTimes()
        self.orders = 0
        self.reports = 0
        self.repeated = 0
        self.refused: Counter[str] = Counter()
        self.anomalies: Counter[str] = Counter()

    async def start(self) -> None:
        self._exchange.on_report(self._on_report)
        self._subscriptions = [
            self._bus.subscribe("TRADE_SIGNAL_APPROVED", self._on_approved),
            self._bus.subscribe("SYSTEM_STATE_CHANGE", self._on_state),
        ]
        if (
            self._is_halted() and not self._keeps_entries()
        ):  # the halt may have ended the run before its cancels were sent
            self.cancel_entries()

    async def stop(self) -> None:
        """Orders stay where they are, protection above all: `cancel_entries` is for who wants none left."""
        for subscription in self._subscriptions:
            self._bus.unsubscribe(subscription)

    def exits_through(self, exits: Exits) -> None:
        """Let somebody else free the position from its protection before an exit is sent."""
        self._exits = exits

    async def handle_trade_signal_approved(self, event: Event) -> None:
        """Start placing the order. Replayed events are history, not commands."""
        self._on_approved(event)

    async def absorb(self, report: ExecutionReport) -> None:
        """Take in what somebody found out about an order, as if the exchange had reported it.

        Returns once it is journalled, booked and told. What is known already changes nothing.
        """
        self._queue.put(report)
        await self._queue.drained()

    def place(self, order: Order, expires_at: int | None = None) -> None:
        """Send an order that has no signal of its own: protection, liquidation. Raises ContractError for an id
        that was used before.
        """
        self.blotter.add(order)
        self._in_hand.add(order.client_order_id)
        if expires_at is None:
            expires_at = order.deadline or order.created_at + self.deadline_ns
        self._tasks.start_now(self._place(order, expires_at), f"place {order.client_order_id}")

    def refuse(self, order: Order, status: OrderStatus, code: str, why: str | None = None) -> None:
        """Say that an order ended before it was sent."""
        if order.client_order_id not in self.blotter:
            self.blotter.add(order)
        self.refused[code] += 1
        self._tell(order, status, f"{code}: {why}" if why else code)

    def give_up(self, signal: TradeSignalApproved, status: OrderStatus, why: str) -> None:
        """Say that no order will come of an approved signal, unless one has begun."""
        order = self._order(signal)
        if order.client_order_id not in self.blotter:
            self.refuse(order, status, "STALE_SIGNAL" if status == "EXPIRED" else "PLAN_FAILED", why)

    async def cancel(self, client_order_id: str) -> None:
        """Ask for an order's end, as often as it takes; an order that has ended is left alone."""
        record = self.blotter.get(client_order_id)
        if record is None or not record.is_open:
            return
        self.blotter.note(client_order_id, OrderEvent.CANCEL_ASKED)
        if client_order_id in self._in_hand:
            return  # never leaves: the last check sees it
        try:
            await self._exchange.cancel(client_order_id)
        except ExchangeError as error:
            log.warning("order %s was not cancelled: %s", client_order_id, error)
            if record.is_open:
                self.blotter.note(client_order_id, OrderEvent.CANCEL_REFUSED, str(error))
                self.unknown.add(client_order_id, cancelling=True)
        except LOST as error:
            log.warning("nobody knows whether order %s was cancelled: %s", client_order_id, error)
            self.unknown.add(client_order_id, cancelling=True)

    async def amend(self, client_order_id: str, change: Amendment) -> bool:
        """Change a resting order in place; whether the venue took the change.

        What it then is arrives as a report. After an unknown outcome the order is asked about.
        """
        try:
            await self._exchange.amend(client_order_id, change)
        except ExchangeError as error:
            self.blotter.note(client_order_id, OrderEvent.AMEND_REFUSED)
            log.warning("order %s was not amended: %s", client_order_id, error)
        except LOST as error:
            log.warning("nobody knows whether order %s was amended: %s", client_order_id, error)
        else:
            return True
        self.unknown.add(client_order_id)
        return False

    def cancel_entries(self) -> None:
        """Ask for the end of every order that would add to a position; protection stays."""
        for record in self.blotter.entries():
            key = record.order.client_order_id
            if key not in self._in_hand:
                self._tasks.start(self.cancel(key), f"cancel {key}")

    def _on_approved(self, event: Event) -> None:
        signal = event.payload
        assert isinstance(signal, TradeSignalApproved)
        if event.replayed:
            self.refused["REPLAYED"] += 1
            return
        order = self._order(signal)
        if order.client_order_id in self.blotter:
            self.refused["DUPLICATE_SIGNAL"] += 1
            return
        if self._exits is not None and signal.side == "SELL":
            self._exits.exit(order, signal.expires_at)
            return
        self.place(order, signal.expires_at)

    def _order(self, signal: TradeSignalApproved) -> Order:
        now = self._clock.now_ns()
        sells = signal.side == "SELL"
        purpose: Purpose = "ENTRY"
        if sells:
            purpose = "LIQUIDATION" if self._liquidating else "EXIT"
        return Order(
            client_order_id=self._ids.derived("order", signal.signal_id),
            signal_id=signal.signal_id,
            trading_pair=signal.trading_pair,
            side=signal.side,
            order_type=signal.order_type,
            quantity=signal.quantity,
            created_at=now,
            limit_price=signal.limit_price,
            stop_price=signal.sl_price,
            target_price=signal.tp_price,
            reduce_only=sells,
            purpose=purpose,
            deadline=now + self.deadline_ns,
        )

    async def _place(self, order: Order, expires_at: int) -> None:
        """Intent, last checks, send. An outcome that is not known stays UNKNOWN until the exchange tells."""
        began = self.times.now()
        try:
            await self._record_intent(order)
            refusal = self._refusal(order, expires_at)
        finally:
            self._in_hand.discard(order.client_order_id)
        if refusal is not None:
            self.refuse(order, *refusal)
            return
        self.orders += 1
        self._leaving(order)
        self.times.left(order.client_order_id, began)
        try:
            # Nothing may be awaited between the checks above and this call, nor in it before the bytes are handed over.
            await self._exchange.submit(order)
        except ExchangeError as error:
            self.refused["EXCHANGE"] += 1
            self._tell(order, "REJECTED", str(error))
        except LOST as error:
            self._lost(order, error)

    async def _record_intent(self, order: Order) -> None:
        """No order without a durable intent. Raises StorageError, after telling that the order ended."""
        record = intents.intent_of(order, self._provenance.of(order.signal_id))
        try:
            await self._journal.append(intents.KIND, order.client_order_id, order.created_at, record)
        except StorageError as error:
            self.refused["INTENT_NOT_JOURNALLED"] += 1
            report = self._own(order, "ERROR", str(error))
            await self._deliver(report)  # at once: the journal that refused the intent would hold it up
            if not isinstance(error, LeaseError):  # the intent may become durable yet: no unanswered one
                self._queue.put(report)
            raise

    def _refusal(self, order: Order, expires_at: int) -> tuple[OrderStatus, str, str | None] | None:
        record = self.blotter.get(order.client_order_id)
        if record is not None and record.status == "PENDING_CANCEL":
            return "CANCELED", "CANCELED_BEFORE_SENT", None
        if self._clock.now_ns() > expires_at:
            return "EXPIRED", "STALE_SIGNAL", None
        # An order that only reduces is let out of a halted or blocked engine: refusing it would keep the risk.
        if not order.reduce_only:
            if self._is_halted():
                return "REJECTED", "HALTED", None
            blocked = self._gate.why(order.trading_pair)
            if blocked is not None:
                return "REJECTED", *blocked
        denied = self._checks(order)
        return None if denied is None else ("REJECTED", denied.code, told(denied))

    def _lost(self, order: Order, error: Exception) -> None:
        """Block the pair before anything else happens, then say so and find out."""
        problem = f"{type(error).__name__}: {error}".rstrip(": ") + ": the outcome is not known"
        self.unknown.add(order.client_order_id)
        self._tell(order, "UNKNOWN", problem)

    async def _on_report(self, report: ExecutionReport) -> None:
        self.times.answered(report.client_order_id)
        self._queue.put(report)

    def _tell(self, order: Order, status: OrderStatus, message: str) -> None:
        self._queue.put(self._own(order, status, message))

    async def _deliver(self, report: ExecutionReport) -> None:
        """A journalled report: into the blotter, then to everybody, unless it was known."""
        record, news, fill, anomaly = self.blotter.apply(report)
        if anomaly is not None:
            self._wonder(record, anomaly)
        if not news:
            self.repeated += 1
            return
        if not fill and report.execution_id is not None:  # a fill that was told, with a state that was not
            report = without_fill(report)
        await self._publish_execution_report(report)
        self.unknown.heard(record)

    async def _publish_execution_report(self, report: ExecutionReport) -> None:
        self.reports += 1
        await self._bus.publish("EXECUTION_REPORT", report, source=SOURCE)

    def _wonder(self, record: OrderRecord, anomaly: Anomaly) -> None:
        """What should not be is counted and logged; where money may be at stake it halts trading."""
        self.anomalies[anomaly.code] += 1
        log.error("%s: %s", anomaly.code, anomaly.text)
        if anomaly.code == "ILLEGAL_TRANSITION":
            return
        trigger = PotentialHaltTrigger(
            reason=anomaly.code,
            source=SOURCE,
            details={"order": anomaly.client_order_id, "why": anomaly.text},
        )
        self._bus.emit("POTENTIAL_HALT_TRIGGER", trigger, source=SOURCE)
        if anomaly.code == "ALIVE_AFTER_END":
            key = record.order.client_order_id
            self._tasks.start(self._exchange.cancel(key), f"cancel {key}")

    def _on_state(self, event: Event) -> None:
        """A halt cancels entries and keeps protection, unless it says otherwise."""
        change = event.payload
        assert isinstance(change, SystemStateChange)
        self._liquidating = change.halt_action == "LIQUIDATE_POSITIONS"
        if change.new_state == "HALTED" and change.halt_action != "MAINTAIN_POSITIONS":
            self.cancel_entries()

    def _own(self, order: Order, status: OrderStatus, message: str) -> ExecutionReport:
        return own_report(order, self._exchange.name, status, self._clock.now_ns(), message)
