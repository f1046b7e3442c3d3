"""What an API key may do, and which private call needs what (Kraken's own list on its page of API keys)."""

from typing import Literal, get_args

Permission = Literal[
    "query_funds", "withdraw", "query_open_orders", "query_closed_orders", "trade", "cancel", "query_ledger",
    "websocket",
]  # fmt: skip
DENIED = "EGeneral:Permission denied"
EVERYTHING: frozenset[Permission] = frozenset(get_args(Permission))
TRADING: frozenset[Permission] = EVERYTHING - {"withdraw"}
"""What a trading engine needs; never more."""
QUERIES: frozenset[Permission] = frozenset(
    {"query_funds", "query_open_orders", "query_closed_orders", "query_ledger"}
)
"""What an audit needs: it changes nothing."""

_ORDERS: tuple[Permission, ...] = ("query_open_orders", "query_closed_orders")
NEEDED: dict[str, tuple[Permission, ...]] = {
    "Balance": ("query_funds",),
    "BalanceEx": ("query_funds",),
    "TradeBalance": ("query_funds",),
    "TradeVolume": ("query_funds",),
    "WithdrawMethods": ("withdraw",),
    "OpenOrders": ("query_open_orders",),
    "OpenPositions": ("query_open_orders",),
    "QueryOrders": _ORDERS,
    "OrderAmends": _ORDERS,
    "ClosedOrders": ("query_closed_orders",),
    "TradesHistory": ("query_closed_orders",),
    "QueryTrades": ("query_closed_orders",),
    "Ledgers": ("query_ledger",),
    "QueryLedgers": ("query_ledger",),
    "GetWebSocketsToken": ("websocket",),
    "AddOrder": ("trade",),
    "AddOrderBatch": ("trade",),
    "AmendOrder": ("trade",),
    "EditOrder": ("trade",),
    "CancelOrder": ("cancel", "trade"),
    "CancelOrderBatch": ("cancel", "trade"),
    "CancelAll": ("cancel", "trade"),
    "CancelAllOrdersAfter": ("cancel", "trade"),
}


def permits(granted: frozenset[Permission], method: str) -> bool:
    """Whether a key with these permissions may call a method: any one of those listed for it is enough.

    >>> permits(TRADING, "AddOrder"), permits(TRADING, "WithdrawMethods")
    (True, False)
    """
    needed = NEEDED.get(method)
    return needed is None or not granted.isdisjoint(needed)
