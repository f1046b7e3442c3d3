"""The simulated venue behind the port of a real one: where paper trading and backtests send their orders."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from msgspec.structs import replace

from gal_friday_core.account import FillFacts, Flow, OrderFacts
from gal_friday_core.blotter import KEEP_ENDED, OrderRecord
from gal_friday_core.errors import ContractError, ExchangeError
from gal_friday_core.exchange_of_run import ExchangeOfRun
from gal_friday_core.frictions import Notes
from gal_friday_core.orders import Amendment, Capabilities, Order, is_terminal
from gal_friday_core.payloads import ExecutionReport, MarketDataOHLCV
from gal_friday_core.ports import Clock, FlowHandler, LineHandler, ReportHandler

CAPABILITIES = Capabilities(
    attached_stop=True,
    attached_target=True,
    amends=False,
    order_types=frozenset({"MARKET", "LIMIT", "STOP_LOSS", "TAKE_PROFIT"}),
)
KEEP_FILLS = 10_000
"""A fill is told once, when it happens; only comparisons of the account ask for those since the last one. The same holds
of ended orders, which are kept as long as the engine's own account of them.
"""


class PaperExchange:
    """Delivers the simulated exchange's reports one after another, before the call that caused them returns."""

    capabilities = CAPABILITIES

    def __init__(self, exchange: ExchangeOfRun, clock: Clock) -> None:
        self.name = exchange.name
        self._exchange = exchange
        self._clock = clock
        self._handler: ReportHandler | None = None
        self._orders: dict[str, OrderFacts] = {}
        self._ended: deque[str] = deque()
        self._fills: deque[FillFacts] = deque(maxlen=KEEP_FILLS)

    def noted(self) -> Notes:
        """From now on, what reports do not say of fills."""
        self._exchange.notes = notes = Notes()
        return notes

    def on_report(self, handler: ReportHandler) -> None:
        self._handler = handler

    def on_line(self, handler: LineHandler) -> None:
        del handler  # no line, nothing to hear

    def on_flow(self, handler: FlowHandler) -> None:
        del handler  # nobody deposits paper

    async def start(self) -> None:
        """Always there."""

    async def finished(self) -> None:
        """Nothing but the engine's own end ends it."""

    async def stop(self) -> None:
        """Keeps what it has."""

    def adopt(self, orders: Iterable[OrderRecord]) -> None:
        """Take over resting orders. A market order ended with the process that sent it: its bar has passed."""
        for record in orders:
            order = record.order
            if record.is_open and order.order_type != "MARKET":
                self._exchange.adopt(order)
                self._orders[order.client_order_id] = _facts_of(order)

    def resume(self, balances: Mapping[str, Decimal]) -> None:
        """Go on with what an earlier run left: a simulated account lives nowhere but in our books."""
        self._exchange.resume(balances)

    async def submit(self, order: Order) -> None:
        await self._deliver(self._exchange.submit(order))

    async def amend(self, client_order_id: str, change: Amendment) -> None:
        del change
        raise ExchangeError(f"{self.name}: amends no orders ({client_order_id}); cancel it and place another")

    async def cancel(self, client_order_id: str) -> None:
        await self._deliver(self._exchange.cancel(client_order_id, self._clock.now_ns()))

    async def cancel_all(self) -> int:
        standing = self._exchange.open_orders()
        for order in standing:
            await self.cancel(order.client_order_id)
        return len(standing)

    async def balances(self) -> Mapping[str, Decimal]:
        return self._exchange.balances()

    async def find(self, client_order_id: str) -> OrderFacts | None:
        return self._orders.get(client_order_id)

    async def open_orders(self) -> Sequence[OrderFacts]:
        return [facts for facts in self._orders.values() if not is_terminal(facts.status)]

    async def fills(self, since_ns: int) -> Sequence[FillFacts]:
        return [fill for fill in self._fills if fill.timestamp >= since_ns]

    async def flows(self, since_ns: int) -> Sequence[Flow]:
        del since_ns
        return ()

    async def on_candle(self, candle: MarketDataOHLCV) -> None:
        reports = self._exchange.on_candle(candle)
        if reports:
            await self._deliver(reports)

    async def _deliver(self, reports: Sequence[ExecutionReport]) -> None:
        for report in reports:
            if self._handler is None:
                raise ContractError(f"{self.name}: reports have no receiver; start the engine before trading")
            self._remember(report)
            await self._handler(report)

    def _remember(self, report: ExecutionReport) -> None:
        ended = report.timestamp_exchange if is_terminal(report.order_status) else None
        known = self._orders.get(report.client_order_id)
        self._orders[report.client_order_id] = (
            replace(
                known,
                status=report.order_status,
                filled=report.quantity_filled,
                average_price=report.average_fill_price,
                closed_at=ended,
                reason=report.error_message,
            )
            if known is not None
            else _facts(report, ended)
        )
        if report.execution_id is not None:
            self._fills.append(_fill(report))
        if ended is not None:
            self._ended.append(report.client_order_id)
            if len(self._ended) > KEEP_ENDED:
                self._orders.pop(self._ended.popleft(), None)


def _facts(report: ExecutionReport, ended: int | None) -> OrderFacts:
    return OrderFacts(
        exchange_order_id=report.exchange_order_id or report.client_order_id,
        client_order_id=report.client_order_id,
        trading_pair=report.trading_pair,
        side=report.side,
        order_type=report.order_type,
        status=report.order_status,
        quantity=report.quantity_ordered,
        filled=report.quantity_filled,
        opened_at=report.timestamp_exchange,
        average_price=report.average_fill_price,
        limit_price=report.limit_price,
        trigger_price=report.stop_price,
        closed_at=ended,
        reason=report.error_message,
    )


def _facts_of(order: Order) -> OrderFacts:
    return OrderFacts(
        exchange_order_id=f"SIM-{order.client_order_id}",
        client_order_id=order.client_order_id,
        trading_pair=order.trading_pair,
        side=order.side,
        order_type=order.order_type,
        status="NEW",
        quantity=order.quantity,
        filled=Decimal(0),
        opened_at=order.created_at,
        limit_price=order.limit_price,
        trigger_price=order.trigger_price,
    )


def _fill(report: ExecutionReport) -> FillFacts:
    if report.execution_id is None or report.last_quantity is None or report.last_price is None:
        raise ContractError(f"report of {report.client_order_id} carries half a fill")
    return FillFacts(
        execution_id=report.execution_id,
        exchange_order_id=report.exchange_order_id or report.client_order_id,
        client_order_id=report.client_order_id,
        trading_pair=report.trading_pair,
        side=report.side,
        order_type=report.order_type,
        quantity=report.last_quantity,
        price=report.last_price,
        fee=report.commission or Decimal(0),
        fee_asset=report.commission_asset or report.trading_pair.partition("/")[2],
        timestamp=report.timestamp_exchange,
    )
