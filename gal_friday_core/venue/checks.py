"""What can be said of a new order before the book is asked: form, grid, minimums (KRAKEN_PROTOCOL §3, §3.4).

`refusal` returns the exchange's own words, or None. The order of the checks is ours: form first, then the
pair's rules.
"""

from collections.abc import Callable
from decimal import Decimal

from gal_friday_core.money import is_multiple, product
from gal_friday_core.times import DAY_NS, SECOND_NS
from gal_friday_core.venue import error_texts as text
from gal_friday_core.venue.identifiers import is_client_order_id
from gal_friday_core.venue.listings import Listing
from gal_friday_core.venue.orders import LIMIT_TYPES, TRIGGERED_TYPES
from gal_friday_core.venue.requests import (
    AddOrder,
    AmendOrder,
    Conditional,
    EditOrder,
    EngineStatus,
    PairStatus,
)

MOST_EXPIRY_NS = 31 * DAY_NS
"""`expire_time` lies at most a month ahead (§3.2)."""
LONGEST_DEADLINE_NS = 60 * SECOND_NS
LEAST_SHOWN = Decimal(15)
"""An iceberg shows at least a fifteenth of its quantity (§3.1)."""
INT32 = 2**31
LARGEST = Decimal(10) ** 18
MOST_DIGITS = 30
"""Beyond these a number is refused before anything is computed from it."""
RESTABLE = frozenset({"limit", "iceberg"})
CLOSING_TYPES = frozenset(
    {
        "limit",
        "iceberg",
        "stop-loss",
        "stop-loss-limit",
        "take-profit",
        "take-profit-limit",
        "trailing-stop",
        "trailing-stop-limit",
    }
)

_Check = Callable[[AddOrder, Listing, int], str | None]


def refusal(order: AddOrder, listing: Listing, now_ns: int) -> str | None:
    """Why an order cannot be taken, whatever the market and the account; None where it can."""
    for check in _CHECKS:
        reason = check(order, listing, now_ns)
        if reason is not None:
            return reason
    return None


def deadline_refusal(deadline: int | None, now_ns: int) -> str | None:
    """The engine does not act after a deadline, nor take one more than a minute ahead (§3.2)."""
    if deadline is None:
        return None
    if deadline > now_ns + LONGEST_DEADLINE_NS:
        return text.invalid("deadline")
    return text.DEADLINE_ELAPSED if deadline < now_ns else None


def mode_refusal(order: AddOrder, engine: EngineStatus, pair: PairStatus) -> str | None:
    """What a market that takes less than everything refuses (§5.2)."""
    if engine == "maintenance":
        return text.UNAVAILABLE
    for mode in (engine, pair):
        allowed = {
            "online": True,
            "cancel_only": False,
            "post_only": order.post_only and order.order_type in RESTABLE,
            "limit_only": order.order_type in RESTABLE,
            "reduce_only": order.reduce_only,
            "maintenance": False,
        }[mode]
        if not allowed:
            return text.market_in(mode)
    return None


def number_refusal(order: AddOrder | AmendOrder | EditOrder) -> str | None:
    """NaN, infinity, and numbers of absurd size or length are no numbers here; display and volume are positive."""
    cash = order.cash_order_qty if isinstance(order, AddOrder) else None
    for name, value in (
        ("volume", order.order_qty),
        ("volume", cash),
        ("displayvol", order.display_qty),
        ("price", order.limit_price),
        ("price", order.trigger_price),
    ):
        if value is not None and (not _is_sane(value) or (name != "price" and value <= 0)):
            return text.invalid(name)
    return None


def _is_sane(value: Decimal) -> bool:
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -MOST_DIGITS and abs(value) < LARGEST


def _numbers(order: AddOrder, _listing: Listing, _now_ns: int) -> str | None:
    close = order.conditional
    return number_refusal(order) or (number_refusal(child_of(order, close, LARGEST / 2)) if close else None)


def _form(order: AddOrder, _listing: Listing, _now_ns: int) -> str | None:
    if order.order_type == "settle-position" or order.margin:
        return text.NO_MARGIN
    if order.reduce_only:
        return text.NO_POSITION
    if (order.order_qty is None) == (order.cash_order_qty is None):
        return text.invalid("volume")
    if order.cash_order_qty is not None and (order.order_type, order.side) != ("market", "buy"):
        return text.invalid("viqc")
    if order.post_only and order.order_type not in RESTABLE:
        return text.invalid("post-only")
    return _display(order)


def _display(order: AddOrder) -> str | None:
    if (order.display_qty is not None) != (order.order_type == "iceberg"):
        return text.invalid("displayvol")
    if order.display_qty is not None and order.order_qty is not None:
        return display_refusal(order.display_qty, order.order_qty)
    return None


def display_refusal(display: Decimal, quantity: Decimal) -> str | None:
    """A slice is positive, no more than the whole, no less than a fifteenth of it."""
    fits = 0 < display <= quantity <= product(display, LEAST_SHOWN)
    return None if fits else text.invalid("displayvol")


def _identity(order: AddOrder, _listing: Listing, _now_ns: int) -> str | None:
    if order.cl_ord_id is not None:
        if order.order_userref is not None:
            return text.invalid("cl_ord_id")
        if not is_client_order_id(order.cl_ord_id):
            return text.invalid("cl_ord_id")
    userref = order.order_userref
    return None if userref is None or -INT32 <= userref < INT32 else text.invalid("userref")


def _timing(order: AddOrder, _listing: Listing, now_ns: int) -> str | None:
    if (order.expire_time is not None) != (order.time_in_force == "gtd"):
        return text.invalid("expiretm")
    if order.expire_time is not None and not now_ns < order.expire_time <= now_ns + MOST_EXPIRY_NS:
        return text.invalid("expiretm")
    start, end = order.effective_time, order.expire_time
    if start is not None and (start > now_ns + MOST_EXPIRY_NS or (end is not None and start >= end)):
        return text.invalid("starttm")
    immediate = order.time_in_force in {"ioc", "fok"}
    if immediate and (order.order_type != "limit" or order.post_only):
        return text.invalid("timeinforce")
    return deadline_refusal(order.deadline, now_ns)


def _prices(order: AddOrder, listing: Listing, _now_ns: int) -> str | None:
    return price_fields_refusal(order) or static_refusal(order, listing)


def price_fields_refusal(order: AddOrder) -> str | None:
    """Each type has the prices that it needs and no other."""
    if (order.limit_price is not None) != (order.order_type in LIMIT_TYPES):
        return text.invalid("price")
    if (order.trigger_price is not None) != (order.order_type in TRIGGERED_TYPES):
        return text.invalid("price")
    return _trailing(order) if order.order_type.startswith("trailing-stop") else None


def static_refusal(order: AddOrder | AmendOrder, listing: Listing) -> str | None:
    """Prices that are prices, not distances, have to fit the pair as they were sent."""
    for value, kind in (
        (order.limit_price, order.limit_price_type),
        (order.trigger_price, order.trigger_price_type),
    ):
        reason = price_refusal(value, listing) if value is not None and kind == "static" else None
        if reason is not None:
            return reason
    return None


def _trailing(order: AddOrder) -> str | None:
    """A trailing distance is positive, and less than the whole price; its limit is a distance too."""
    offset, kind = order.trigger_price, order.trigger_price_type
    if offset is None or offset <= 0 or kind == "static" or (kind == "pct" and offset >= 100):
        return text.INVALID_PRICE
    if order.limit_price is not None and order.limit_price_type == "static":
        return text.INVALID_PRICE
    return None


def price_refusal(price: Decimal, listing: Listing) -> str | None:
    """A price is positive and on the tick grid."""
    if price <= 0:
        return text.INVALID_PRICE
    return None if is_multiple(price, listing.tick_size) else text.TICK_SIZE


def _quantities(order: AddOrder, listing: Listing, _now_ns: int) -> str | None:
    if order.cash_order_qty is not None:
        return text.COST_MINIMUM if order.cash_order_qty < listing.cost_min else None
    if order.order_qty is not None:
        reason = quantity_refusal(order.order_qty, listing)
        if reason is not None:
            return reason
        if order.display_qty is not None and not is_multiple(order.display_qty, listing.lot):
            return text.invalid("displayvol")
        if order.limit_price is not None and order.limit_price_type == "static":
            return cost_refusal(order.order_qty, order.limit_price, listing)
    return None


def quantity_refusal(quantity: Decimal, listing: Listing) -> str | None:
    """A quantity has no more decimals than the lot, and at least the minimum."""
    if quantity <= 0 or not is_multiple(quantity, listing.lot):
        return text.invalid("volume")
    return text.ORDER_MINIMUM if quantity < listing.quantity_min else None


def cost_refusal(quantity: Decimal, price: Decimal, listing: Listing) -> str | None:
    """An order is worth at least the pair's minimum."""
    return text.COST_MINIMUM if product(quantity, price) < listing.cost_min else None


def _closing(order: AddOrder, listing: Listing, _now_ns: int) -> str | None:
    """The conditional close is checked as the order that it will become."""
    close = order.conditional
    if close is None:
        return None
    if close.order_type not in CLOSING_TYPES - {"iceberg"}:
        return text.invalid("close-ordertype")
    return _prices(child_of(order, close, listing.quantity_min), listing, 0)


def child_of(order: AddOrder, close: Conditional, quantity: Decimal) -> AddOrder:
    """The order on the other side that a fill of `quantity` creates (§3.2)."""
    return AddOrder(
        symbol=order.symbol,
        side="sell" if order.side == "buy" else "buy",
        order_type=close.order_type,
        order_qty=quantity,
        limit_price=close.limit_price,
        limit_price_type=close.limit_price_type,
        trigger_price=close.trigger_price,
        trigger_price_type=close.trigger_price_type,
        trigger_reference=close.trigger_reference,
        fee_preference=order.fee_preference,
        stp_type=order.stp_type,
        order_userref=order.order_userref,
    )


_CHECKS: tuple[_Check, ...] = (_numbers, _form, _identity, _timing, _prices, _quantities, _closing)
