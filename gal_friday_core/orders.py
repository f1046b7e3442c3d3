"""Orders as values: what is sent, and the states an order can pass through."""

from decimal import Decimal
from typing import Literal

import msgspec

from gal_friday_core.payloads import Nanoseconds, OrderStatus, OrderType, Side

Purpose = Literal["ENTRY", "EXIT", "STOP", "TARGET", "LIQUIDATION", "EXTERNAL"]
"""What an order is for. EXTERNAL is one that somebody else placed on our account."""

TimeInForce = Literal["GTC", "GTD", "IOC", "FOK"]


class Order(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One order as sent. `stop_price` and `target_price` are the protection attached to an entry.

    A venue that takes an entry with protection places both once the entry fills, one cancelling the
    other, each as reduce-only for the filled quantity. What a venue can attach is said by
    `Capabilities`; the rest of the protection is ours to place.

    Prices in quote currency, quantities in base units. `trailing_offset` is the distance from the peak,
    `limit_offset` that of a trailing stop's limit from its trigger. `expires_at` ends a GTD order;
    `deadline` is the latest time at which the venue may still match it on arrival. `parent` is the client
    order id of the entry that a STOP or TARGET protects.
    """

    client_order_id: str
    signal_id: str
    trading_pair: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    created_at: Nanoseconds
    limit_price: Decimal | None = None
    trigger_price: Decimal | None = None
    stop_price: Decimal | None = None
    target_price: Decimal | None = None
    reduce_only: bool = False
    purpose: Purpose = "ENTRY"
    parent: str | None = None
    time_in_force: TimeInForce = "GTC"
    expires_at: Nanoseconds | None = None
    deadline: Nanoseconds | None = None
    post_only: bool = False
    display_quantity: Decimal | None = None
    trailing_offset: Decimal | None = None
    limit_offset: Decimal | None = None


class Amendment(msgspec.Struct, frozen=True, kw_only=True):
    """What of a resting order shall change in place; None leaves it. Quantity is the whole, fills included."""

    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    trigger_price: Decimal | None = None


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue takes with an entry, and does in place."""

    attached_stop: bool
    attached_target: bool
    amends: bool
    order_types: frozenset[OrderType]


TRANSITIONS: dict[OrderStatus, frozenset[OrderStatus]] = {
    "PENDING_NEW": frozenset(
        {
            "NEW",
            "PARTIALLY_FILLED",
            "FILLED",
            "PENDING_CANCEL",
            "REJECTED",
            "CANCELED",
            "EXPIRED",
            "UNKNOWN",
            "ERROR",
        }
    ),
    "NEW": frozenset(
        {"PARTIALLY_FILLED", "FILLED", "PENDING_CANCEL", "REJECTED", "CANCELED", "EXPIRED", "UNKNOWN"}
    ),
    "PARTIALLY_FILLED": frozenset(
        {"PARTIALLY_FILLED", "FILLED", "PENDING_CANCEL", "CANCELED", "EXPIRED", "UNKNOWN"}
    ),
    "PENDING_CANCEL": frozenset(
        {"NEW", "PARTIALLY_FILLED", "FILLED", "REJECTED", "CANCELED", "EXPIRED", "UNKNOWN"}
    ),
    "UNKNOWN": frozenset({"NEW", "PARTIALLY_FILLED", "FILLED", "REJECTED", "CANCELED", "EXPIRED"}),
    "FILLED": frozenset(),
    "CANCELED": frozenset(),
    "REJECTED": frozenset(),
    "EXPIRED": frozenset(),
    "ERROR": frozenset(),
}
"""Which state may follow which; a terminal state has no successor. By which event: `order_machine`."""

TERMINAL = frozenset(status for status, after in TRANSITIONS.items() if not after)
"""States that nothing can follow."""


def is_terminal(status: OrderStatus) -> bool:
    """Whether nothing can follow.

    >>> is_terminal("FILLED"), is_terminal("UNKNOWN")
    (True, False)
    """
    return status in TERMINAL
