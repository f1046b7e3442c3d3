"""What an operator sees of a running engine: plain, JSON-able, and cheap enough for every look."""

from decimal import Decimal
from typing import Any

from gal_friday_core.blotter import OrderRecord
from gal_friday_core.times import to_iso
from gal_friday_live.engine import Engine

MOST_ORDERS = 1_000
"""The newest, where more were asked for."""


def positions_of(engine: Engine) -> dict[str, Any]:
    """The portfolio's state in the form of the specification, and how much of each position has a stop."""
    state, portfolio = engine.portfolio.state(), engine.portfolio.get_current_state()
    blotter = engine.execution.blotter
    for pair, position in portfolio["positions"].items():
        position["protected_quantity"] = str(blotter.covered(pair))
    return {
        **portfolio,
        "quote_asset": state.quote_asset,
        "cash": str(state.cash),
        "realized_pnl": str(state.realized_pnl),
        "fees": str(state.fees),
    }


def orders_of(engine: Engine, *, ended: bool) -> list[dict[str, Any]]:
    """Open orders, oldest first; with `ended` those too that the blotter remembers."""
    blotter = engine.execution.blotter
    records = list(blotter.records()) if ended else blotter.open()
    return [_order(record) for record in records[-MOST_ORDERS:]]


def _order(record: OrderRecord) -> dict[str, Any]:
    order = record.order
    return {
        "client_order_id": order.client_order_id,
        "exchange_order_id": record.exchange_order_id,
        "signal_id": order.signal_id,
        "pair": order.trading_pair,
        "purpose": order.purpose,
        "side": order.side,
        "type": order.order_type,
        "status": record.status,
        "quantity": str(record.quantity),
        "filled": str(record.filled),
        "average_price": _text(record.average_price),
        "limit_price": _text(record.limit_price),
        "trigger_price": _text(record.trigger_price),
        "stop_price": _text(order.stop_price),
        "target_price": _text(order.target_price),
        "parent": order.parent,
        "created_at": to_iso(order.created_at),
        "updated_at": to_iso(record.updated_at),
        "reason": record.reason,
    }


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)
