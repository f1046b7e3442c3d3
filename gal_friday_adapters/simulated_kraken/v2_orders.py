"""Order methods of websocket v2 as requests to the venue."""

from decimal import Decimal
from typing import cast, get_args

from gal_friday_adapters.simulated_kraken.fields import Fields
from gal_friday_adapters.simulated_kraken.rest_orders import one_of, split_ids, switch_seconds
from gal_friday_core.errors import ExchangeError
from gal_friday_core.venue.error_texts import invalid
from gal_friday_core.venue.requests import (
    AddOrder,
    AmendOrder,
    BatchAdd,
    BatchCancel,
    CancelAll,
    CancelAllOrdersAfter,
    CancelOrder,
    Conditional,
    EditOrder,
    FeePreference,
    OrderType,
    PriceType,
    Reference,
    Request,
    SelfTrade,
    Side,
    TimeInForce,
)

_SIDES = frozenset(get_args(Side))
_TYPES = frozenset(get_args(OrderType))
_PRICE_TYPES = frozenset(get_args(PriceType))
_REFERENCES = frozenset(get_args(Reference))
_SELF_TRADE = frozenset(get_args(SelfTrade))
_FEES: dict[str, FeePreference] = {"base": "base", "quote": "quote", "fcib": "base", "fciq": "quote"}
_COMMON = frozenset(("token", "req_id"))
_ADD = frozenset(
    (
        *("order_type", "side", "symbol", "order_qty", "cash_order_qty", "limit_price", "limit_price_type"),
        *("triggers", "time_in_force", "margin", "post_only", "reduce_only", "effective_time", "expire_time"),
        *("deadline", "cl_ord_id", "order_userref", "conditional", "display_qty", "fee_preference", "no_mpp"),
        *("stp_type", "validate", "sender_sub_id"),
    )
)
FIELDS: dict[str, frozenset[str]] = {
    "add_order": _ADD,
    "amend_order": frozenset(
        (
            *("order_id", "cl_ord_id", "order_qty", "display_qty", "limit_price", "limit_price_type"),
            *("trigger_price", "trigger_price_type", "post_only", "deadline", "symbol"),
        )
    ),
    "edit_order": frozenset(
        (
            *("order_id", "symbol", "order_qty", "display_qty", "limit_price", "triggers", "post_only"),
            *("order_userref", "deadline", "validate", "fee_preference", "no_mpp", "reduce_only"),
        )
    ),
    "cancel_order": frozenset(("order_id", "cl_ord_id", "order_userref")),
    "cancel_all": frozenset(),
    "cancel_all_orders_after": frozenset(("timeout",)),
    "batch_add": frozenset(("symbol", "orders", "deadline", "validate")),
    "batch_cancel": frozenset(("orders", "cl_ord_id")),
}
METHODS = frozenset(FIELDS)


def parse(method: str, fields: Fields) -> Request:
    """The request of an order method. Raises ExchangeError with the refusal to send."""
    _only(method, fields, FIELDS[method] | _COMMON)
    if method == "add_order":
        return _add(fields, fields.text("symbol"))
    if method == "amend_order":
        return _amend(fields)
    if method == "edit_order":
        return _edit(fields)
    if method == "batch_add":
        return _batch_add(fields)
    return _cancel(method, fields)


def _only(method: str, fields: Fields, known: frozenset[str]) -> None:
    for name in fields.values:
        if name not in known:
            shown = method.replace("_", " ")
            raise ExchangeError(f"Unsupported field: '{name}' for the given msg type: {shown}")


def _cancel(method: str, fields: Fields) -> Request:
    if method == "cancel_all":
        return CancelAll()
    if method == "cancel_all_orders_after":
        return CancelAllOrdersAfter(timeout=switch_seconds(fields))
    if method == "batch_cancel":
        order_ids, userrefs = split_ids(fields.texts("orders"))
        client_ids = fields.texts("cl_ord_id")
        if userrefs:
            return CancelOrder(order_id=order_ids, cl_ord_id=client_ids, order_userref=userrefs)
        return BatchCancel(order_id=order_ids, cl_ord_id=client_ids)
    userrefs = tuple(int(text) for text in fields.texts("order_userref") if text.lstrip("-").isdigit())
    request = CancelOrder(
        order_id=fields.texts("order_id"), cl_ord_id=fields.texts("cl_ord_id"), order_userref=userrefs
    )
    if not (request.order_id or request.cl_ord_id or request.order_userref):
        raise ExchangeError(invalid("order_id"))
    return request


def _add(fields: Fields, symbol: str) -> AddOrder:
    trigger = fields.section("triggers")
    return AddOrder(
        symbol=symbol,
        side=cast("Side", one_of(fields, "side", _SIDES)),
        order_type=cast("OrderType", one_of(fields, "order_type", _TYPES)),
        order_qty=fields.optional_number("order_qty"),
        cash_order_qty=fields.optional_number("cash_order_qty"),
        limit_price=fields.optional_number("limit_price"),
        limit_price_type=_price_type(fields, "limit_price_type"),
        trigger_price=_trigger_price(trigger),
        trigger_price_type=_price_type(trigger, "price_type"),
        trigger_reference=_reference(trigger, "reference"),
        display_qty=fields.optional_number("display_qty"),
        time_in_force=_time_in_force(fields),
        expire_time=fields.iso_time("expire_time"),
        effective_time=fields.iso_time("effective_time"),
        deadline=fields.iso_time("deadline"),
        post_only=fields.flag("post_only"),
        reduce_only=fields.flag("reduce_only"),
        margin=fields.flag("margin"),
        fee_preference=_fee_preference(fields),
        stp_type=cast("SelfTrade", one_of(fields, "stp_type", _SELF_TRADE, "cancel_newest")),
        cl_ord_id=fields.optional_text("cl_ord_id"),
        order_userref=fields.userref("order_userref"),
        conditional=_conditional(fields.section("conditional")),
        validate=fields.flag("validate"),
    )


def _amend(fields: Fields) -> AmendOrder:
    return AmendOrder(
        order_id=fields.optional_text("order_id"),
        cl_ord_id=fields.optional_text("cl_ord_id"),
        order_qty=fields.optional_number("order_qty"),
        display_qty=fields.optional_number("display_qty"),
        limit_price=fields.optional_number("limit_price"),
        limit_price_type=_price_type(fields, "limit_price_type"),
        trigger_price=fields.optional_number("trigger_price"),
        trigger_price_type=_price_type(fields, "trigger_price_type"),
        post_only=fields.flag("post_only"),
        deadline=fields.iso_time("deadline"),
    )


def _edit(fields: Fields) -> EditOrder:
    trigger = fields.section("triggers")
    return EditOrder(
        order_id=fields.text("order_id"),
        symbol=fields.text("symbol"),
        order_qty=fields.optional_number("order_qty"),
        display_qty=fields.optional_number("display_qty"),
        limit_price=fields.optional_number("limit_price"),
        trigger_price=_trigger_price(trigger),
        trigger_price_type=_price_type(trigger, "price_type"),
        post_only=fields.flag("post_only") if "post_only" in fields else None,
        order_userref=fields.userref("order_userref"),
        deadline=fields.iso_time("deadline"),
        validate=fields.flag("validate"),
    )


def _batch_add(fields: Fields) -> BatchAdd:
    symbol = fields.text("symbol")
    orders = fields.sections("orders")
    for order in orders:
        _only("add_order", order, _ADD)
    return BatchAdd(
        symbol=symbol,
        orders=tuple(_add(order, symbol) for order in orders),
        deadline=fields.iso_time("deadline"),
        validate=fields.flag("validate"),
    )


def _trigger_price(fields: Fields | None) -> Decimal | None:
    return None if fields is None else fields.number("price")


def _price_type(fields: Fields | None, name: str) -> PriceType:
    if fields is None:
        return "static"
    return cast("PriceType", one_of(fields, name, _PRICE_TYPES, "static"))


def _reference(fields: Fields | None, name: str) -> Reference:
    if fields is None:
        return "last"
    return cast("Reference", one_of(fields, name, _REFERENCES, "last"))


def _time_in_force(fields: Fields) -> TimeInForce:
    """Clients write it in lower and in upper case; the feed reports upper case."""
    word = fields.text("time_in_force").lower() if "time_in_force" in fields else "gtc"
    if word not in get_args(TimeInForce):
        raise ExchangeError(invalid("time_in_force"))
    return cast("TimeInForce", word)


def _fee_preference(fields: Fields) -> FeePreference:
    if "fee_preference" not in fields:
        return "quote"
    return _FEES[one_of(fields, "fee_preference", frozenset(_FEES))]


def _conditional(fields: Fields | None) -> Conditional | None:
    if fields is None:
        return None
    return Conditional(
        order_type=cast("OrderType", one_of(fields, "order_type", _TYPES)),
        limit_price=fields.optional_number("limit_price"),
        limit_price_type=_price_type(fields, "limit_price_type"),
        trigger_price=fields.optional_number("trigger_price"),
        trigger_price_type=_price_type(fields, "trigger_price_type"),
        trigger_reference=_reference(fields, "trigger_price_reference"),
    )
