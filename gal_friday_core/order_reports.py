"""Execution reports that we write ourselves: of an order's end on our side, and from what the venue told when asked."""

from decimal import Decimal

from msgspec.structs import replace

from gal_friday_core.account import FillFacts, OrderFacts
from gal_friday_core.money import ZERO
from gal_friday_core.orders import Order
from gal_friday_core.payloads import ExecutionReport, OrderStatus


def own_report(
    order: Order, exchange: str, status: OrderStatus, ts_ns: int, reason: str, *, filled: Decimal = ZERO
) -> ExecutionReport:
    """What we conclude about an order without the venue's word: refused before the send, unknown, never arrived."""
    return ExecutionReport(
        signal_id=order.signal_id,
        client_order_id=order.client_order_id,
        trading_pair=order.trading_pair,
        exchange=exchange,
        order_status=status,
        order_type=order.order_type,
        side=order.side,
        quantity_ordered=order.quantity,
        quantity_filled=filled,
        timestamp_exchange=ts_ns,
        limit_price=order.limit_price,
        stop_price=order.trigger_price,
        error_message=reason,
    )


def without_fill(report: ExecutionReport) -> ExecutionReport:
    """The state alone, where the fill that it came with was told before."""
    return replace(
        report, execution_id=None, last_quantity=None, last_price=None, last_cost=None, commission=None,
        commission_asset=None,
    )  # fmt: skip


def report_of_facts(order: Order, facts: OrderFacts, exchange: str) -> ExecutionReport:
    """The state of an order as the venue told it when asked. Carries no fill: those come from `report_of_fill`."""
    return ExecutionReport(
        signal_id=order.signal_id,
        client_order_id=order.client_order_id,
        exchange_order_id=facts.exchange_order_id,
        trading_pair=order.trading_pair,
        exchange=exchange,
        order_status=facts.status,
        order_type=order.order_type,
        side=order.side,
        quantity_ordered=facts.quantity,
        quantity_filled=facts.filled,
        timestamp_exchange=facts.closed_at or facts.opened_at,
        average_fill_price=facts.average_price,
        limit_price=facts.limit_price,
        stop_price=facts.trigger_price,
        error_message=facts.reason,
    )


def report_of_fill(
    order: Order, fill: FillFacts, exchange: str, *, cumulative: Decimal, quantity: Decimal
) -> ExecutionReport:
    """One fill that no report has told. `cumulative` counts it in, `quantity` is the order's."""
    return ExecutionReport(  # by place, as far as names would make the call five times as long
        order.signal_id, order.client_order_id, order.trading_pair, exchange,
        "FILLED" if cumulative >= quantity else "PARTIALLY_FILLED", order.order_type, order.side,
        quantity, cumulative, fill.timestamp,
        exchange_order_id=fill.exchange_order_id,
        limit_price=order.limit_price,
        stop_price=order.trigger_price,
        commission=fill.fee,
        commission_asset=fill.fee_asset,
        execution_id=fill.execution_id,
        last_quantity=fill.quantity,
        last_price=fill.price,
        last_cost=fill.cost,
    )  # fmt: skip
