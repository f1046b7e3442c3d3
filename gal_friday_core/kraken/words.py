"""Kraken's words and ours for the same things: sides, order types, times in force, order states."""

from decimal import Decimal
from typing import TypeVar

from gal_friday_core.errors import ContractError
from gal_friday_core.orders import TimeInForce
from gal_friday_core.payloads import OrderStatus, OrderType, Side

_Own = TypeVar("_Own")

KRAKEN_TYPE: dict[OrderType, str] = {
    "MARKET": "market",
    "LIMIT": "limit",
    "ICEBERG": "iceberg",
    "STOP_LOSS": "stop-loss",
    "STOP_LOSS_LIMIT": "stop-loss-limit",
    "TAKE_PROFIT": "take-profit",
    "TAKE_PROFIT_LIMIT": "take-profit-limit",
    "TRAILING_STOP": "trailing-stop",
    "TRAILING_STOP_LIMIT": "trailing-stop-limit",
}
KRAKEN_SIDE: dict[Side, str] = {"BUY": "buy", "SELL": "sell"}
KRAKEN_TIME: dict[TimeInForce, str] = {"GTC": "gtc", "GTD": "gtd", "IOC": "ioc", "FOK": "fok"}
"""Lower case on the websocket; REST and the feed spell them in capitals."""

_TYPES: dict[str, OrderType] = {word: own for own, word in KRAKEN_TYPE.items()}
_TYPES["settle-position"] = "MARKET"  # closes a margin position at the market; only somebody else sends it
_SIDES: dict[str, Side] = {"buy": "BUY", "sell": "SELL"}
_FEED_STATES: dict[str, OrderStatus] = {
    "pending_new": "PENDING_NEW",
    "pending": "PENDING_NEW",
    "new": "NEW",
    "open": "NEW",
    "triggered": "NEW",
    "partially_filled": "PARTIALLY_FILLED",
    "filled": "FILLED",
    "closed": "FILLED",
    "canceled": "CANCELED",
    "expired": "EXPIRED",
}


def order_type(word: str) -> OrderType:
    """Ours for Kraken's. Raises ContractError for a word that is none of them."""
    return _known(_TYPES, word, "order type")


def side(word: str) -> Side:
    """Ours for Kraken's `buy` or `sell`. Raises ContractError."""
    return _known(_SIDES, word, "side")


def order_status(word: str, filled: Decimal) -> OrderStatus:
    """Ours for a state of REST or of the feed; an order that works on is partially filled by its quantity.

    The feed's last trade still says `partially_filled`; that the order is complete comes by itself.
    Raises ContractError.

    >>> order_status("open", Decimal("0.1")), order_status("canceled", Decimal("0.1"))
    ('PARTIALLY_FILLED', 'CANCELED')
    """
    status = _known(_FEED_STATES, word, "order state")
    return "PARTIALLY_FILLED" if status == "NEW" and filled > 0 else status


def _known(table: dict[str, _Own], word: str, what: str) -> _Own:
    try:
        return table[word]
    except KeyError:
        raise ContractError(f"Kraken names {what} {word!r}, which this engine does not know") from None
