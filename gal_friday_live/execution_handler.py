"""Approved signals in, orders out, reports back: intent journalled first, never a blind retry (001 §2.7)."""

from collections import Counter

import msgspec

from gal_friday_core.errors import ExchangeError, StorageError
from gal_friday_core.events import Event
from gal_friday_core.orders import Order, is_terminal
from gal_friday_core.payloads import ExecutionReport, OrderStatus, SystemStateChange, TradeSignalApproved
from gal_friday_core.ports import Clock, Exchange, Ids, Journal
from gal_friday_live.bus import PubSubManager
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.halt import IsHalted
from gal_friday_live.tasks import TaskSupervisor

SOURCE = "ExecutionHandler"


class ExecutionHandler:
    """One order a signal. `orders` counts intents sent, `refused` those that ended before the exchange."""

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
    ) -> None:
        del config
        self._bus = event_bus
        self._exchange = exchange
        self._journal = journal
        self._clock = clock
        self._ids = ids
        self._tasks = tasks
        self._is_halted = is_halted
        self._open: dict[str, Order] = {}
        self._subscriptions: list[str] = []
        self.orders = 0
        self.reports = 0
        self.refused: Counter[str] = Counter()

    async def start(self) -> None:
        self._exchange.on_report(self._on_report)
        self._subscriptions = [
            self._bus.subscribe("TRADE_SIGNAL_APPROVED", self._on_approved),
            self._bus.subscribe("SYSTEM_STATE_CHANGE", self._on_state),
        ]

    async def stop(self) -> None:
        for subscription in self._subscriptions:
            self._bus.unsubscribe(subscription)

    async def handle_trade_signal_approved(self, event: Event) -> None:
        """Start placing the order. Replayed events are history, not commands."""
        self._on_approved(event)

    def _on_approved(self, event: Event) -> None:
        signal = event.payload
        assert isinstance(signal, TradeSignalApproved)
        if event.replayed:
            self.refused["REPLAYED"] += 1
            return
        order = Order(
            client_order_id=self._ids.derived("order", signal.signal_id),
            signal_id=signal.signal_id,
            trading_pair=signal.trading_pair,
            side=signal.side,
            order_type=signal.order_type,
            quantity=signal.quantity,
            created_at=self._clock.now_ns(),
            limit_price=signal.limit_price,
            stop_price=signal.sl_price,
            target_price=signal.tp_price,
            reduce_only=signal.side == "SELL",
        )
        self._tasks.start(self._place(order, signal.expires_at), f"place {order.client_order_id}")

    async def _place(self, order: Order, expires_at: int) -> None:
        """Intent, last checks, send. An outcome that is not known stays UNKNOWN until the exchange tells."""
        await self._record_intent(order)
        refusal = self._refusal(order, expires_at)
        if refusal is None:  # nothing may be awaited between that check and the send
            self._open[order.client_order_id] = order
            self.orders += 1
            try:
                await self._exchange.submit(order)
            except ExchangeError as error:
                self.refused["EXCHANGE"] += 1
                await self._on_report(self._report(order, "REJECTED", str(error)))
            except (TimeoutError, OSError) as error:
                problem = f"{type(error).__name__}: the outcome is not known"
                await self._on_report(self._report(order, "UNKNOWN", problem))
            return
        status, reason = refusal
        self.refused[reason] += 1
        await self._on_report(self._report(order, status, reason))

    async def _record_intent(self, order: Order) -> None:
        """No order without a durable intent. Raises StorageError, after telling that the order ended."""
        try:
            await self._journal.append(
                "ORDER_INTENT", order.client_order_id, order.created_at, msgspec.structs.asdict(order)
            )
        except StorageError as error:
            self.refused["INTENT_NOT_JOURNALLED"] += 1
            await self._publish_execution_report(self._report(order, "ERROR", str(error)))
            raise

    def _refusal(self, order: Order, expires_at: int) -> tuple[OrderStatus, str] | None:
        if self._clock.now_ns() > expires_at:
            return "EXPIRED", "STALE_SIGNAL"
        # An order that only reduces is let out of a halted engine: refusing it would keep the risk.
        return ("REJECTED", "HALTED") if self._is_halted() and not order.reduce_only else None

    async def _on_report(self, report: ExecutionReport) -> None:
        """Journal, then tell: what the exchange says must survive before anything acts on it."""
        state = f"{report.client_order_id}:{report.order_status}:{report.quantity_filled}"
        await self._journal.append(
            "EXECUTION_REPORT",
            report.execution_id or state,
            report.timestamp_exchange,
            msgspec.structs.asdict(report),
        )
        await self._publish_execution_report(report)

    async def _publish_execution_report(self, report: ExecutionReport) -> None:
        self.reports += 1
        if is_terminal(report.order_status):
            self._open.pop(report.client_order_id, None)
        await self._bus.publish("EXECUTION_REPORT", report, source=SOURCE)

    def _on_state(self, event: Event) -> None:
        """A halt cancels entries and keeps protection, unless it says otherwise."""
        change = event.payload
        assert isinstance(change, SystemStateChange)
        if change.new_state != "HALTED" or change.halt_action == "MAINTAIN_POSITIONS":
            return
        for order in tuple(self._open.values()):
            if not order.reduce_only:
                self._tasks.start(
                    self._exchange.cancel(order.client_order_id), f"cancel {order.client_order_id}"
                )

    def _report(self, order: Order, status: OrderStatus, message: str) -> ExecutionReport:
        return ExecutionReport(
            signal_id=order.signal_id,
            client_order_id=order.client_order_id,
            trading_pair=order.trading_pair,
            exchange=self._exchange.name,
            order_status=status,
            order_type=order.order_type,
            side=order.side,
            quantity_ordered=order.quantity,
            quantity_filled=order.quantity * 0,
            timestamp_exchange=self._clock.now_ns(),
            limit_price=order.limit_price,
            error_message=message,
        )
