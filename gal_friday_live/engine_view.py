"""What an operator sees of an account: plain, JSON-able, and cheap enough for every look."""

from decimal import Decimal
from typing import Any

from gal_friday_core.blotter import Blotter, OrderRecord
from gal_friday_core.portfolio import PortfolioState
from gal_friday_core.times import to_iso
from gal_friday_live.portfolio_manager import PortfolioManager

MOST_ORDERS = 1_000
"""The newest, where more were asked for."""


def figures_of(state: PortfolioState) -> dict[str, Any]:
    """The account on one screen."""
    return {
        "positions": {
            pair: f"{held.quantity} at {held.average_entry_price:.8g}"
            for pair, held in state.positions.items()
        },
        "equity": f"{state.total_equity:.2f} {state.quote_asset}",
        "realized": f"{state.realized_pnl:.2f}",
        "fees": f"{state.fees:.2f}",
        "drawdown": f"{state.total_drawdown:.2%}",
    }


def positions_of(portfolio: PortfolioManager, blotter: Blotter | None) -> dict[str, Any]:
    """The portfolio's state in the form of the specification, and how much of each position has a stop, where the
    orders are known.
    """
    state, told = portfolio.state(), portfolio.get_current_state()
    if blotter is not None:
        for pair, position in told["positions"].items():
            position["protected_quantity"] = str(blotter.covered(pair))
    return {
        **told,
        "quote_asset": state.quote_asset,
        "cash": str(state.cash),
        "realized_pnl": str(state.realized_pnl),
        "fees": str(state.fees),
    }


def orders_of(blotter: Blotter, *, ended: bool) -> list[dict[str, Any]]:
    """Open orders, oldest first; with `ended` those too that the blotter remembers."""
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
