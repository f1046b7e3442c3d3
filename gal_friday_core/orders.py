"""Orders as values: what is sent, and the states an order can pass through."""

from decimal import Decimal

import msgspec

from gal_friday_core.payloads import Nanoseconds, OrderStatus, OrderType, Side


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One order as sent. `stop_price` and `target_price` are the protection attached to an entry.

    A venue that takes an entry with protection places both once the entry fills, one cancelling the
    other, each as reduce-only for the filled quantity.
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


TRANSITIONS: dict[OrderStatus, frozenset[OrderStatus]] = {
    "PENDING_NEW": frozenset(
        {"NEW", "PARTIALLY_FILLED", "FILLED", "REJECTED", "CANCELED", "EXPIRED", "UNKNOWN", "ERROR"}
    ),
    "NEW": frozenset({"PARTIALLY_FILLED", "FILLED", "PENDING_CANCEL", "CANCELED", "EXPIRED", "UNKNOWN"}),
    "PARTIALLY_FILLED": frozenset(
        {"PARTIALLY_FILLED", "FILLED", "PENDING_CANCEL", "CANCELED", "EXPIRED", "UNKNOWN"}
    ),
    "PENDING_CANCEL": frozenset({"PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED", "UNKNOWN"}),
    "UNKNOWN": frozenset({"NEW", "PARTIALLY_FILLED", "FILLED", "REJECTED", "CANCELED", "EXPIRED"}),
    "FILLED": frozenset(),
    "CANCELED": frozenset(),
    "REJECTED": frozenset(),
    "EXPIRED": frozenset(),
    "ERROR": frozenset(),
}
"""Which state may follow which; a terminal state has no successor."""


def is_terminal(status: OrderStatus) -> bool:
    """Whether nothing can follow.

    >>> is_terminal("FILLED"), is_terminal("UNKNOWN")
    (True, False)
    """
    return not TRANSITIONS[status]
