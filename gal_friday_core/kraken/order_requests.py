"""Our orders in Kraken's words: the bytes of websocket v2 methods, and the fields of the same over REST.

Numbers are written exactly, in plain notation. `Order.reduce_only` is our own notion on a spot market and is not
sent (Kraken's means margin positions); of an entry's protection the stop goes out as the conditional close, while
the target stays ours to place: Kraken attaches one close only. Fees are always asked for in quote currency, or a
buy would pay in base and leave less than was bought. An order that cannot be said is an ExchangeError with code
INVALID_ORDER before anything is sent.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from gal_friday_core.errors import ExchangeError
from gal_friday_core.kraken.words import KRAKEN_SIDE, KRAKEN_TIME, KRAKEN_TYPE
from gal_friday_core.orders import Amendment, Order
from gal_friday_core.payloads import Nanoseconds
from gal_friday_core.times import MINUTE_NS, SECOND_NS, to_iso

MOST_IN_BATCH = 15
MOST_CANCELS = 50
_TRAILING = frozenset({"TRAILING_STOP", "TRAILING_STOP_LIMIT"})
_TRIGGERED = frozenset({"STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"})
_LIMITED = frozenset({"LIMIT", "ICEBERG", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"})
_CLIENT_ID = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32}|[\x21\x23-\x5b\x5d-\x7e]{1,18}"
)
_encoder = msgspec.json.Encoder()
Fields = dict[str, str]
"""A form body, without its nonce."""


class OrderName(NamedTuple):
    """How a request names an order: the exchange's id where it is known, else ours."""

    exchange_order_id: str | None = None
    client_order_id: str | None = None

    def fields(self, exchange_key: str) -> Fields:
        if self.exchange_order_id is not None:
            return {exchange_key: self.exchange_order_id}
        if self.client_order_id is not None:
            return {"cl_ord_id": client_id(self.client_order_id)}
        raise _invalid("no id to name the order by")


def client_id(text: str) -> str:
    """The same id, where Kraken takes it: a UUID, 32 hex digits, or up to 18 visible characters."""
    if not _CLIENT_ID.fullmatch(text):
        raise _invalid(f"client order id {text!r} is no UUID, 32 hex digits or 18 plain characters")
    return text


def add_order(order: Order, *, token: str, req_id: int, validate: bool = False) -> bytes:
    """One new order. Raises ExchangeError where Kraken has no words for it."""
    params = _order_params(order)
    params["symbol"] = order.trading_pair
    if order.deadline is not None:
        params["deadline"] = _milliseconds(order.deadline)
    if validate:
        params["validate"] = True
    return method("add_order", params, token=token, req_id=req_id)


def batch_add(orders: Sequence[Order], *, token: str, req_id: int, validate: bool = False) -> bytes:
    """2 to 15 orders of one pair in one request; the earliest of their deadlines holds for all."""
    pair, deadline = _batch(orders)
    params: dict[str, Any] = {"symbol": pair, "orders": [_order_params(order) for order in orders]}
    if deadline is not None:
        params["deadline"] = _milliseconds(deadline)
    if validate:
        params["validate"] = True
    return method("batch_add", params, token=token, req_id=req_id)


def amend_order(
    name: OrderName, change: Amendment, *, token: str, req_id: int, deadline: Nanoseconds | None = None
) -> bytes:
    """Change a resting order in place. Kraken's guide marks the quantity as required: give it even where it stays."""
    params: dict[str, Any] = dict(name.fields("order_id")) | {
        key: _number(value) for key, value in _changes(change).items()
    }
    if deadline is not None:
        params["deadline"] = _milliseconds(deadline)
    return method("amend_order", params, token=token, req_id=req_id)


def cancel_order(names: Sequence[OrderName], *, token: str, req_id: int) -> bytes:
    """Cancel orders; Kraken answers once for each. By exchange id where known."""
    ids, client_ids = _split(names)
    params: dict[str, Any] = ({"order_id": ids} if ids else {}) | (
        {"cl_ord_id": client_ids} if client_ids else {}
    )
    return method("cancel_order", params, token=token, req_id=req_id)


def batch_cancel(names: Sequence[OrderName], *, token: str, req_id: int) -> bytes:
    """Cancel 2 to 50 orders with one answer: how many there were."""
    ids, client_ids = _split(names)
    params: dict[str, Any] = {"orders": ids} | ({"cl_ord_id": client_ids} if client_ids else {})
    return method("batch_cancel", params, token=token, req_id=req_id)


def cancel_all(*, token: str, req_id: int) -> bytes:
    """Every order of the account, on every pair, protective stops too."""
    return method("cancel_all", {}, token=token, req_id=req_id)


def cancel_all_orders_after(timeout_s: int, *, token: str, req_id: int) -> bytes:
    """The dead man's switch: seconds until everything is cancelled, protective stops too; 0 turns it off."""
    return method("cancel_all_orders_after", {"timeout": _timeout(timeout_s)}, token=token, req_id=req_id)


def subscribe_executions(*, token: str, req_id: int, fills: bool = True) -> bytes:
    """All orders and, with `fills`, the last fifty fills as a snapshot, then every change, with the rate counter."""
    params = {"channel": "executions", "snap_orders": True, "snap_trades": fills, "order_status": True}
    return method("subscribe", params | {"ratecounter": True}, token=token, req_id=req_id)


def subscribe_balances(*, token: str, req_id: int) -> bytes:
    """All balances as a snapshot, then each ledger entry."""
    return method("subscribe", {"channel": "balances", "snapshot": True}, token=token, req_id=req_id)


def unsubscribe(channel: str, *, token: str, req_id: int) -> bytes:
    """Leave a private channel, to subscribe anew with its snapshot."""
    return method("unsubscribe", {"channel": channel}, token=token, req_id=req_id)


def method(name: str, params: dict[str, Any], *, token: str, req_id: int) -> bytes:
    """One request of websocket v2; the token goes inside its parameters."""
    params["token"] = token
    return _encoder.encode({"method": name, "params": params, "req_id": req_id})


def add_order_form(order: Order, pair: str, *, validate: bool = False) -> Fields:
    """The fields of AddOrder. `pair` as REST knows it, such as XBTUSD."""
    form = {"pair": pair} | _order_form(order)
    if order.deadline is not None:
        form["deadline"] = _milliseconds(order.deadline)
    if validate:
        form["validate"] = "true"
    return form


def add_batch_body(orders: Sequence[Order], pair: str, *, validate: bool = False) -> dict[str, Any]:
    """The JSON object of AddOrderBatch, without its nonce; nested lists need JSON (KRAKEN_PROTOCOL §2)."""
    _, deadline = _batch(orders)
    body: dict[str, Any] = {"pair": pair, "orders": [_unfolded(_order_form(order)) for order in orders]}
    if deadline is not None:
        body["deadline"] = _milliseconds(deadline)
    return body | ({"validate": True} if validate else {})


def amend_form(name: OrderName, change: Amendment, *, deadline: Nanoseconds | None = None) -> Fields:
    """The fields of AmendOrder."""
    form = name.fields("txid") | {key: f"{value:f}" for key, value in _changes(change).items()}
    return form | ({} if deadline is None else {"deadline": _milliseconds(deadline)})


def cancel_form(name: OrderName) -> Fields:
    """The fields of CancelOrder."""
    return name.fields("txid")


def cancel_all_after_form(timeout_s: int) -> Fields:
    """The fields of CancelAllOrdersAfter."""
    return {"timeout": str(_timeout(timeout_s))}


def _order_params(order: Order) -> dict[str, Any]:
    """An order as `add_order` has it, without pair and deadline, which a batch has in common."""
    _check(order)
    params: dict[str, Any] = {
        "order_type": KRAKEN_TYPE[order.order_type],
        "side": KRAKEN_SIDE[order.side],
        "order_qty": _number(order.quantity),
        "cl_ord_id": client_id(order.client_order_id),
        "fee_preference": "quote",
    }
    if order.order_type != "MARKET":
        params["time_in_force"] = KRAKEN_TIME[order.time_in_force]
        _price_params(order, params)
    if order.post_only:
        params["post_only"] = True
    if order.display_quantity is not None:
        params["display_qty"] = _number(order.display_quantity)
    if order.time_in_force == "GTD" and order.expires_at is not None:
        params["expire_time"] = _milliseconds(order.expires_at)
    if order.stop_price is not None:
        params["conditional"] = {"order_type": "stop-loss", "trigger_price": _number(order.stop_price)}
    return params


def _price_params(order: Order, params: dict[str, Any]) -> None:
    if order.limit_price is not None and order.order_type in _LIMITED:
        params["limit_price"] = _number(order.limit_price)
    if order.order_type in _TRAILING and order.trailing_offset is not None:
        params["triggers"] = _trigger(order.trailing_offset, "quote")
        if order.limit_offset is not None:
            params["limit_price"] = _number(_signed_offset(order, order.limit_offset))
            params["limit_price_type"] = "quote"
    elif order.trigger_price is not None:
        params["triggers"] = _trigger(order.trigger_price, "static")


def _trigger(price: Decimal, kind: str) -> dict[str, Any]:
    return {"reference": "last", "price": _number(price), "price_type": kind}


def _order_form(order: Order) -> Fields:
    """An order as AddOrder has it, without pair and deadline."""
    _check(order)
    form = {
        "ordertype": KRAKEN_TYPE[order.order_type],
        "type": KRAKEN_SIDE[order.side],
        "volume": f"{order.quantity:f}",
        "cl_ord_id": client_id(order.client_order_id),
        "oflags": "fciq,post" if order.post_only else "fciq",
    }
    if order.order_type != "MARKET":
        form["timeinforce"] = order.time_in_force
    form |= {
        name: price for name, price in zip(("price", "price2"), _form_prices(order), strict=True) if price
    }
    if order.display_quantity is not None:
        form["displayvol"] = f"{order.display_quantity:f}"
    if order.time_in_force == "GTD" and order.expires_at is not None:
        form["expiretm"] = str(order.expires_at // SECOND_NS)
    if order.stop_price is not None:
        form |= {"close[ordertype]": "stop-loss", "close[price]": f"{order.stop_price:f}"}
    return form


def _form_prices(order: Order) -> tuple[str, str]:
    """`price` is the limit, or the trigger of an order that has one; its limit is then `price2`."""
    limit = "" if order.limit_price is None or order.order_type not in _LIMITED else f"{order.limit_price:f}"
    if order.order_type in _TRAILING:
        offset = "" if order.limit_offset is None else f"{_signed_offset(order, order.limit_offset):+f}"
        return f"+{order.trailing_offset:f}", offset
    if order.order_type in _TRIGGERED:
        return f"{order.trigger_price:f}", limit
    return limit, ""


def _check(order: Order) -> None:
    """Raises ExchangeError where a field is missing that the type of order needs, or one that it cannot have."""
    if needed := _missing_price(order) or _missing_terms(order):
        kind, time = order.order_type, order.time_in_force
        raise _invalid(f"order {order.client_order_id}: {kind} {time} needs {needed}")


def _missing_price(order: Order) -> str:
    kind = order.order_type
    if kind == "MARKET":
        return ""
    if kind in _LIMITED and order.limit_price is None:
        return "a limit price"
    if kind in _TRIGGERED and order.trigger_price is None:
        return "a trigger price"
    if kind in _TRAILING and order.trailing_offset is None:
        return "a trailing offset"
    return "a limit offset" if kind == "TRAILING_STOP_LIMIT" and order.limit_offset is None else ""


def _missing_terms(order: Order) -> str:
    kind = order.order_type
    if order.quantity <= 0:
        return "a quantity above zero"
    if (kind == "ICEBERG") != (order.display_quantity is not None):
        return "a display quantity" if kind == "ICEBERG" else "no display quantity"
    if order.time_in_force == "GTD" and order.expires_at is None:
        return "a time to expire"
    return "no post-only flag" if order.post_only and kind not in {"LIMIT", "ICEBERG"} else ""


def _batch(orders: Sequence[Order]) -> tuple[str, Nanoseconds | None]:
    """The one pair of a batch, and its earliest deadline."""
    pairs = {order.trading_pair for order in orders}
    if len(pairs) != 1 or not 2 <= len(orders) <= MOST_IN_BATCH:
        raise _invalid(
            f"a batch takes 2 to {MOST_IN_BATCH} orders of one pair, not {len(orders)} of {len(pairs)}"
        )
    return pairs.pop(), min((order.deadline for order in orders if order.deadline is not None), default=None)


def _changes(change: Amendment) -> dict[str, Decimal]:
    found = {
        "order_qty": change.quantity,
        "limit_price": change.limit_price,
        "trigger_price": change.trigger_price,
    }
    changes = {key: value for key, value in found.items() if value is not None}
    if not changes:
        raise _invalid("an amendment that changes nothing")
    return changes


def _split(names: Sequence[OrderName]) -> tuple[list[str], list[str]]:
    """Exchange ids, and the client ids of orders that have no other yet."""
    ids = [name.exchange_order_id for name in names if name.exchange_order_id is not None]
    client_ids = [
        client_id(name.client_order_id)
        for name in names
        if name.exchange_order_id is None and name.client_order_id is not None
    ]
    if not 1 <= len(ids) + len(client_ids) <= MOST_CANCELS:
        raise _invalid(f"a cancel names 1 to {MOST_CANCELS} orders, not {len(ids) + len(client_ids)}")
    return ids, client_ids


def _signed_offset(order: Order, offset: Decimal) -> Decimal:
    """A sell's limit lies below its trigger, a buy's above."""
    return -offset if order.side == "SELL" else offset


def _timeout(seconds: int) -> int:
    if not 0 <= seconds < 86_400:
        raise _invalid(f"a dead man's switch of {seconds} s: 0 to 86399")
    return seconds


def _number(value: Decimal) -> msgspec.Raw:
    """A JSON number with every digit of the decimal, never with an exponent."""
    text = str(value)
    return msgspec.Raw((f"{value:f}" if "E" in text else text).encode())


def _milliseconds(ns: Nanoseconds) -> str:
    """RFC 3339 with three digits, rounded down: a deadline never grows."""
    minute, milliseconds = divmod(ns // 1_000_000, 60_000)
    return f"{_minute(minute)}{milliseconds // 1000:02d}.{milliseconds % 1000:03d}Z"


@lru_cache(maxsize=8)
def _minute(minutes: int) -> str:
    """So many minutes after 1970, up to the seconds: on the path of every order, and the same for a minute."""
    return to_iso(minutes * MINUTE_NS)[:17]


def _unfolded(form: Fields) -> dict[str, Any]:
    """`close[price]` as a nested object, as JSON bodies have it."""
    nested: dict[str, Any] = {name: value for name, value in form.items() if "[" not in name}
    close = {name[6:-1]: value for name, value in form.items() if name.startswith("close[")}
    return nested | ({"close": close} if close else {})


def _invalid(what: str) -> ExchangeError:
    return ExchangeError(f"cannot be said to Kraken: {what}", "INVALID_ORDER")
