"""The private events of an order, built from its state (KRAKEN_PROTOCOL §7 executions)."""

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from gal_friday_core.venue.listings import Listing
from gal_friday_core.venue.orders import LIMIT_TYPES, TRIGGERED_TYPES, Execution, VenueOrder
from gal_friday_core.venue.updates import Contingent, ExecType, ExecutionUpdate, Triggers


def sparse(order: VenueOrder, exec_type: ExecType, now_ns: int, **fields: Any) -> ExecutionUpdate:
    """What every event says, and the given fields."""
    return ExecutionUpdate(
        account=order.account,
        exec_type=exec_type,
        order_id=order.order_id,
        order_status=order.status,
        timestamp=now_ns,
        order_userref=order.asked.order_userref,
        cl_ord_id=order.asked.cl_ord_id,
        **fields,
    )


def full(
    order: VenueOrder, exec_type: ExecType, now_ns: int, *, last: Decimal | None = None
) -> ExecutionUpdate:
    """All that is known of an order: its first event, and its entry in a snapshot of open orders."""
    asked = order.asked
    return sparse(
        order,
        exec_type,
        now_ns,
        symbol=asked.symbol,
        side=asked.side,
        order_type=asked.order_type,
        ord_ref_id=order.ord_ref_id,
        order_qty=order.quantity,
        cash_order_qty=asked.cash_order_qty,
        display_qty=order.display,
        cum_qty=order.cum_qty,
        cum_cost=order.cum_cost,
        avg_price=order.average_price,
        limit_price=shown_limit(order),
        limit_price_type=asked.limit_price_type if asked.order_type in LIMIT_TYPES else None,
        time_in_force=asked.time_in_force.upper(),
        post_only=order.post_only,
        reduce_only=asked.reduce_only,
        effective_time=asked.effective_time,
        expire_time=asked.expire_time,
        fee_preference=asked.fee_preference,
        triggers=triggers(order, last),
        contingent=contingent(order),
    )


def shown_limit(order: VenueOrder) -> Decimal | None:
    """The limit in force; before a trailing stop fires, the offset that was asked for."""
    return order.asked.limit_price if order.limit is None else order.limit


def triggers(order: VenueOrder, last: Decimal | None) -> Triggers | None:
    """What makes a trigger order fire; None for other types."""
    asked = order.asked
    if asked.order_type not in TRIGGERED_TYPES or asked.trigger_price is None:
        return None
    return Triggers(
        reference=asked.trigger_reference,
        price=asked.trigger_price,
        price_type=asked.trigger_price_type,
        actual_price=order.stop,
        peak_price=order.peak,
        last_price=last,
        status="untriggered" if order.is_waiting else "triggered",
        timestamp=order.triggered_ns,
    )


def contingent(order: VenueOrder) -> Contingent | None:
    """The close order that each fill will create."""
    asked = order.asked.conditional
    if asked is None:
        return None
    return Contingent(
        order_type=asked.order_type,
        limit_price=asked.limit_price,
        limit_price_type=asked.limit_price_type if asked.limit_price is not None else None,
        trigger_price=asked.trigger_price,
        trigger_price_type=asked.trigger_price_type if asked.trigger_price is not None else None,
    )


def trade(order: VenueOrder, fill: Execution, listing: Listing, usd_price: Decimal) -> ExecutionUpdate:
    """One fill. The fill that completes an order still says partially_filled; `filled` follows (§7)."""
    fee_usd = fill.fee * (usd_price * fill.price if fill.fee_asset == listing.base.name else usd_price)
    update = sparse(
        order,
        "trade",
        fill.time_ns,
        symbol=fill.symbol,
        side=fill.side,
        order_type=fill.order_type,
        ord_ref_id=order.ord_ref_id,
        exec_id=fill.exec_id,
        trade_id=fill.trade_id,
        last_qty=fill.quantity,
        last_price=fill.price,
        cost=fill.cost,
        liquidity="m" if fill.maker else "t",
        fee_asset=fill.fee_asset,
        fee=fill.fee,
        fee_usd_equiv=fee_usd.quantize(Decimal("0.0001")),
        cum_qty=order.cum_qty,
        cum_cost=order.cum_cost,
        avg_price=order.average_price,
    )
    return replace(update, order_status="partially_filled")
