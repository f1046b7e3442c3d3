"""The last look at an order as it is to be sent: its form, what the venue takes, and what the account can bear.

The signal's check decides how much to buy; this one knows nothing of signals, and holds whoever made the order,
sizes and prices included, to the same limits. `deny` looks at one order, `deny_list` at several that only make
sense together. The cheap questions come first.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from operator import attrgetter

import msgspec

from gal_friday_core.instruments import Instrument
from gal_friday_core.money import CENT, ZERO, fee_of, value_of
from gal_friday_core.orders import Order
from gal_friday_core.payloads import OrderType
from gal_friday_core.risk.codes import Rejected, refuse
from gal_friday_core.risk.desk import TradingState

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SHORT_ID = re.compile(r"[\x21-\x7e]{1,18}")
_NEEDS: dict[OrderType, tuple[str, ...]] = {
    "MARKET": (),
    "LIMIT": ("limit_price",),
    "ICEBERG": ("limit_price", "display_quantity"),
    "STOP_LOSS": ("trigger_price",),
    "TAKE_PROFIT": ("trigger_price",),
    "STOP_LOSS_LIMIT": ("trigger_price", "limit_price"),
    "TAKE_PROFIT_LIMIT": ("trigger_price", "limit_price"),
    "TRAILING_STOP": ("trailing_offset",),
    "TRAILING_STOP_LIMIT": ("trailing_offset", "limit_offset"),
}
_PRICES = (
    "limit_price",
    "trigger_price",
    "stop_price",
    "target_price",
    "trailing_offset",
    "limit_offset",
)
_prices_of = attrgetter(*_PRICES)
_PROTECTS = frozenset({"STOP", "TARGET", "LIQUIDATION"})
_RESTS = frozenset({"LIMIT", "ICEBERG"})


class Account(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the order is held against, at one instant.

    `held` is the position in base units, `selling` what other orders will sell of it; `free` the cash that no
    other order will take; `price` what a market order is reckoned at. `known` holds the client order ids in use.
    """

    instrument: Instrument
    order_types: frozenset[OrderType]
    now_ns: int
    held: Decimal
    selling: Decimal
    free: Decimal
    fee_rate: Decimal
    price: Decimal
    max_order_value: Decimal | None = None
    min_order_value: Decimal = ZERO
    trading: TradingState = "ACTIVE"
    block: tuple[str, str] | None = None
    known: frozenset[str] = frozenset()


def deny(order: Order, account: Account) -> Rejected | None:
    """Why the order may not be sent, or None."""
    return (
        _identity(order, account)
        or _form(order, account.instrument)
        or _time(order, account.now_ns)
        or _affordable(order, account)
    )


def deny_list(orders: Sequence[Order], account: Account) -> dict[str, Rejected]:
    """Refusals by client order id; empty where all may be sent. One that is refused keeps the others back."""
    incomplete = _incomplete(orders)
    if incomplete is not None:
        return {order.client_order_id: incomplete for order in orders} or {"": incomplete}
    found: dict[str, Rejected] = {}
    for order in orders:
        refusal = deny(order, account)
        if refusal is not None:
            found[order.client_order_id] = refusal
    if not found:
        found = _together(orders, account)
    if found:
        first = next(iter(found))
        denied = Rejected("LIST_DENIED", {"value": first, "because": found[first].code})
        found = {order.client_order_id: found.get(order.client_order_id, denied) for order in orders}
    return found


def cost_of(order: Order, account: Account) -> Decimal:
    """What a buy takes from the account, its fee included."""
    return _with_fee(_value(order, account), account)


def _with_fee(value: Decimal, account: Account) -> Decimal:
    return value + fee_of(value, account.fee_rate)


def _value(order: Order, account: Account) -> Decimal:
    return value_of(order.quantity, order.limit_price or order.trigger_price or account.price)


def _identity(order: Order, account: Account) -> Rejected | None:
    key = order.client_order_id
    if not (_UUID.fullmatch(key) or _SHORT_ID.fullmatch(key)):
        return Rejected("INVALID_CLIENT_ORDER_ID", {"value": key})
    if key in account.known:
        return Rejected("DUPLICATE_CLIENT_ORDER_ID", {"value": key})
    if order.trading_pair != account.instrument.pair:
        return Rejected("UNKNOWN_PAIR", {"limit": account.instrument.pair, "value": order.trading_pair})
    return None


def _form(order: Order, instrument: Instrument) -> Rejected | None:
    """On the grid of prices and quantities, and nothing missing."""
    for name in _NEEDS[order.order_type]:
        if getattr(order, name) is None:
            return Rejected("MISSING_PRICE", {"limit": name, "value": order.order_type})
    if not instrument.fits_quantity(order.quantity):
        return Rejected("QUANTITY_PRECISION", {"limit": str(instrument.lot), "value": str(order.quantity)})
    for price in _prices_of(order):
        if price is not None and not instrument.fits_price(price):
            return _off_tick(order, instrument)
    if order.quantity < instrument.min_quantity:
        return refuse("BELOW_MINIMUM", instrument.min_quantity, order.quantity)
    if instrument.max_quantity is not None and order.quantity > instrument.max_quantity:
        return refuse("EXCEEDS_MAX_QUANTITY", instrument.max_quantity, order.quantity)
    return None


def _off_tick(order: Order, instrument: Instrument) -> Rejected | None:
    """Which price is not on the tick."""
    for name, price in zip(_PRICES, _prices_of(order), strict=True):
        if price is not None and not instrument.fits_price(price):
            details = {"limit": str(instrument.price_tick), "value": str(price), "price": name}
            return Rejected("PRICE_PRECISION", details)
    return None


def _time(order: Order, now_ns: int) -> Rejected | None:
    """When it ends, and whether its time in force goes with its type."""
    force, order_type = order.time_in_force, order.order_type
    if force == "GTD" and order.expires_at is None:
        return Rejected("MISSING_EXPIRY", {"value": force})
    until = order.expires_at
    if until is None or until > now_ns:
        until = order.deadline
    if until is not None and until <= now_ns:
        return refuse("EXPIRED", Decimal(until), Decimal(now_ns))
    if order.post_only and order_type not in _RESTS:
        return Rejected("POST_ONLY_MARKET", {"value": order_type})
    if force == "GTC":
        return None
    goes_with = "GTC" if order_type == "MARKET" or (order.post_only and force != "GTD") else ""
    if force == "FOK" and order_type != "LIMIT":
        goes_with = goes_with or "LIMIT"
    details = {"limit": goes_with, "value": f"{order_type} {force}"}
    return Rejected("UNSUPPORTED_TIME_IN_FORCE", details) if goes_with else None


def _affordable(order: Order, account: Account) -> Rejected | None:
    """What the venue takes and the account can bear."""
    value = _value(order, account)
    refusal = _venue(order, account, value)
    if refusal is not None:
        return refusal
    return _buy(order, account, value) if order.side == "BUY" else _sell(order, account)


def _venue(order: Order, account: Account, value: Decimal) -> Rejected | None:
    if order.order_type not in account.order_types:
        return Rejected(
            "UNSUPPORTED_ORDER_TYPE",
            {"limit": ", ".join(sorted(account.order_types)), "value": order.order_type},
        )
    instrument = account.instrument
    if not (instrument.online or _takes(instrument.status, order)):
        return Rejected("PAIR_NOT_ONLINE", {"limit": "online", "value": instrument.status})
    least = instrument.min_cost
    if order.side == "BUY":
        least = max(least, account.min_order_value)
    return refuse("BELOW_MINIMUM", least, value) if value < least else None


def _takes(status: str, order: Order) -> bool:
    """Whether a pair that is not quite online takes this order."""
    takes = {
        "limit_only": order.order_type in _RESTS,
        "post_only": order.post_only,
        "reduce_only": order.side == "SELL",
    }
    return takes.get(status, False)


def _buy(order: Order, account: Account, value: Decimal) -> Rejected | None:
    """Whether anything may be added now, protected, and paid for."""
    if account.block is not None and account.trading != "HALTED":
        return Rejected(account.block[0], {"value": account.block[1]})
    if account.trading != "ACTIVE":
        return Rejected(account.trading, {"limit": "ACTIVE", "value": account.trading})
    if order.reduce_only or order.purpose in _PROTECTS:
        return Rejected("REDUCE_ONLY_WOULD_INCREASE", {"limit": "SELL", "value": "BUY"})
    return _unprotected(order, account) or _unpaid(account, value)


def _unprotected(order: Order, account: Account) -> Rejected | None:
    stop, target = order.stop_price, order.target_price
    if stop is None:
        return Rejected("MISSING_STOP", {"value": order.client_order_id})
    price = order.limit_price or account.price
    if stop >= price or (target is not None and target <= stop):
        return Rejected("INVALID_PROTECTION", {"value": str(price), "stop": str(stop), "target": str(target)})
    return None


def _unpaid(account: Account, value: Decimal) -> Rejected | None:
    cost, most = _with_fee(value, account), account.max_order_value
    if cost - account.free > CENT:  # value and fee are each rounded to the cent that is booked
        return refuse("INSUFFICIENT_FUNDS", account.free, cost)
    if most is not None and value - most > CENT:
        return refuse("EXCEEDS_MAX_ORDER_VALUE", most, value)
    return None


def _sell(order: Order, account: Account) -> Rejected | None:
    """A sell reduces. Protection and liquidation may compete with other sells: their owner takes those away."""
    if order.stop_price is not None or order.target_price is not None:
        return Rejected("INVALID_PROTECTION", {"value": "a sell has nothing to protect"})
    sellable = account.held if order.purpose in _PROTECTS else account.held - account.selling
    if order.quantity > sellable:
        code = "REDUCE_ONLY_WOULD_INCREASE" if order.reduce_only else "NO_SHORTS"
        return refuse(code, sellable, order.quantity, held=str(account.held))
    return None


def _incomplete(orders: Sequence[Order]) -> Rejected | None:
    """Complete: not empty, one pair, ids once, and every parent that is named."""
    keys = [order.client_order_id for order in orders]
    pairs = {order.trading_pair for order in orders}
    if not orders or len(pairs) > 1 or len(set(keys)) < len(keys):
        return Rejected("LIST_INCOMPLETE", {"limit": "one pair, each id once", "value": ", ".join(keys)})
    orphans = [
        order.client_order_id for order in orders if order.parent is not None and order.parent not in keys
    ]
    if orphans:
        return Rejected("LIST_INCOMPLETE", {"limit": "every parent", "value": ", ".join(orphans)})
    return None


def _together(orders: Sequence[Order], account: Account) -> dict[str, Rejected]:
    """Each can be borne alone; whether all can. Protection sells what another order of the list buys or holds."""
    cost = sum((cost_of(order, account) for order in orders if order.side == "BUY"), ZERO)
    if cost - account.free > CENT:
        refusal = refuse("CUMULATIVE_FUNDS", account.free, cost)
        return {order.client_order_id: refusal for order in orders if order.side == "BUY"}
    exits = [order for order in orders if order.side == "SELL" and order.purpose not in _PROTECTS]
    selling, sellable = sum((order.quantity for order in exits), ZERO), account.held - account.selling
    if selling > sellable:
        refusal = refuse("NO_SHORTS", sellable, selling, held=str(account.held))
        return {order.client_order_id: refusal for order in exits}
    return {}
