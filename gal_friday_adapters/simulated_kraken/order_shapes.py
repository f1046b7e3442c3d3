"""Orders, fills and ledger entries as REST answers with them."""

from decimal import Decimal
from typing import Any

from gal_friday_adapters.simulated_kraken.text import fixed
from gal_friday_core.money import ZERO
from gal_friday_core.times import SECOND_NS
from gal_friday_core.venue.listings import Listing
from gal_friday_core.venue.orders import AmendEntry, Execution, VenueOrder
from gal_friday_core.venue.requests import Description
from gal_friday_core.venue.updates import BalanceUpdate

PRICE_DIGITS = 5


def seconds(ns: int | None) -> float | int:
    """Unix seconds with a fraction; 0 where there is no time."""
    return ns / SECOND_NS if ns else 0


def description(described: Description) -> dict[str, str]:
    """The `descr` of an order."""
    return {
        "pair": described.pair,
        "type": described.type,
        "ordertype": described.ordertype,
        "price": described.price,
        "price2": described.price2,
        "leverage": described.leverage,
        "order": described.order,
        "close": described.close,
    }


def order(entry: VenueOrder, listing: Listing, described: Description, *, trades: bool) -> dict[str, Any]:
    """An order of OpenOrders, ClosedOrders or QueryOrders."""
    digits = max(PRICE_DIGITS, listing.price_decimals)
    in_quote = entry.asked.cash_order_qty is not None
    shape: dict[str, Any] = {
        "refid": entry.ord_ref_id,
        "userref": entry.asked.order_userref or 0,
        "status": entry.rest_status,
        "reason": entry.reason,
        "opentm": seconds(entry.opened_ns),
        "starttm": seconds(entry.asked.effective_time),
        "expiretm": seconds(entry.asked.expire_time),
        "descr": description(described),
        "vol": fixed(entry.asked.cash_order_qty or entry.quantity, listing.quantity_decimals),
        "vol_exec": fixed(entry.cum_qty, listing.quantity_decimals),
        "cost": fixed(entry.cum_cost, listing.cost_decimals),
        "fee": fixed(entry.cum_fee, listing.cost_decimals),
        "price": fixed(entry.average_price, digits),
        "stopprice": fixed(entry.stop or ZERO, digits),
        "limitprice": fixed(_triggered_limit(entry), digits),
        "misc": "" if entry.triggered_ns is None else "stopped",
        "oflags": _flags(entry, in_quote=in_quote),
    }
    if entry.asked.cl_ord_id is not None:
        shape["cl_ord_id"] = entry.asked.cl_ord_id
    if entry.closed_ns is not None:
        shape["closetm"] = seconds(entry.closed_ns)
    if trades and entry.executions:
        shape["trades"] = [execution.exec_id for execution in entry.executions]
    return shape


def fill(execution: Execution, listing: Listing, *, ledgers: bool) -> dict[str, Any]:
    """A fill of TradesHistory or QueryTrades."""
    digits = max(PRICE_DIGITS, listing.price_decimals)
    shape: dict[str, Any] = {
        "ordertxid": execution.order_id,
        "postxid": execution.order_id,
        "pair": listing.rest_id,
        "time": seconds(execution.time_ns),
        "type": execution.side,
        "ordertype": execution.order_type,
        "price": fixed(execution.price, digits),
        "cost": fixed(execution.cost, listing.cost_decimals),
        "fee": fixed(execution.fee, listing.cost_decimals),
        "vol": fixed(execution.quantity, listing.quantity_decimals),
        "margin": fixed(ZERO, listing.cost_decimals),
        "leverage": "0",
        "misc": "",
        "trade_id": execution.trade_id,
        "maker": execution.maker,
    }
    if ledgers:
        shape["ledgers"] = list(execution.ledgers)
    return shape


def ledger(entry: BalanceUpdate, asset_id: str) -> dict[str, Any]:
    """An entry of Ledgers or QueryLedgers."""
    return {
        "refid": entry.ref_id,
        "time": seconds(entry.timestamp),
        "type": entry.type,
        "subtype": "",
        "aclass": "currency",
        "asset": asset_id,
        "wallet": "spot / main",
        "amount": fixed(entry.amount, 10),
        "fee": fixed(entry.fee, 10),
        "balance": fixed(entry.balance, 10),
    }


def amend(entry: AmendEntry) -> dict[str, Any]:
    """One line of OrderAmends."""
    shape: dict[str, Any] = {
        "amend_id": entry.amend_id,
        "amend_type": entry.kind,
        "order_qty": format(entry.order_qty, "f"),
        "remaining_qty": format(entry.order_qty, "f"),
        "post_only": entry.post_only,
        "timestamp": entry.time_ns // 1_000_000,
    }
    for name in ("display_qty", "limit_price", "trigger_price"):
        value: Decimal | None = getattr(entry, name)
        if value is not None:
            shape[name] = format(value, "f")
    if entry.reason is not None:
        shape["reason"] = entry.reason
    return shape


def _triggered_limit(entry: VenueOrder) -> Decimal:
    """The limit of a stop or profit order once it has fired (Kraken's guide); else 0."""
    return entry.limit if entry.triggered_ns is not None and entry.limit is not None else ZERO


def _flags(entry: VenueOrder, *, in_quote: bool) -> str:
    flags = ["fcib" if entry.asked.fee_preference == "base" else "fciq"]
    if entry.post_only:
        flags.insert(0, "post")
    if in_quote:
        flags.append("viqc")
    return ",".join(flags)
