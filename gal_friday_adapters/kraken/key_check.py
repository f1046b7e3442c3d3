"""What an API key may do, found out by asking: it must be able to trade, and unable to take money away."""

from dataclasses import dataclass

from gal_friday_adapters.kraken.rest import KrakenRest
from gal_friday_core.errors import ExchangeError

_DENIED = "PERMISSION_DENIED"
_NEEDED = {
    "Balance": "Query funds",
    "OpenOrders": "Query open orders & trades",
    "ClosedOrders": "Query closed orders & trades",
    "Ledgers": "Query ledger entries",
    "GetWebSocketsToken": "Access WebSockets API",
}
"""A harmless call for each permission, and what Kraken's page of API keys calls it."""

_SETTLED = frozenset(
    {"INVALID_ARGUMENTS", "INSUFFICIENT_FUNDS", "ORDER_MINIMUM", "COST_MINIMUM", "ORDER_REFUSED"}
)
"""Refusals of the request itself, after the key was found good for it."""


@dataclass(frozen=True, slots=True)
class KeyRights:
    """`missing`: permissions that trading needs, by Kraken's names. `withdraws` must be False."""

    missing: tuple[str, ...]
    withdraws: bool


async def key_rights(rest: KrakenRest, pair: str) -> KeyRights:
    """Ask for each permission; nothing is placed or changed. Raises ExchangeError where that cannot be told."""
    missing = [name for method, name in _NEEDED.items() if await _denied(rest, method)]
    instrument = (await rest.instruments()).get(pair)
    if instrument is None:
        raise ExchangeError(f"Kraken does not list {pair}: check `market.pairs`", "UNKNOWN_PAIR")
    smallest = {
        "pair": await rest.pair_name(pair),
        "type": "sell",
        "ordertype": "market",
        "volume": f"{instrument.min_quantity:f}",
        "validate": "true",
    }
    if await _denied(rest, "AddOrder", smallest):
        missing.append("Create & modify orders")
    return KeyRights(tuple(missing), withdraws=not await _denied(rest, "WithdrawMethods"))


async def require_trading_key(rest: KrakenRest, pair: str) -> None:
    """Raises ExchangeError, in one line that says what to do, where a key may withdraw or cannot trade."""
    rights = await key_rights(rest, pair)
    if rights.withdraws:
        raise ExchangeError(
            "this Kraken API key may withdraw funds: trading is refused. Make a key without “Withdraw funds”",
            "KEY_MAY_WITHDRAW",
        )
    if rights.missing:
        raise ExchangeError(
            f"this Kraken API key cannot trade: it lacks {', '.join(map(repr, rights.missing))}",
            "KEY_LACKS_RIGHTS",
        )


async def require_query_key(rest: KrakenRest) -> None:
    """Raises ExchangeError where a key that is only to ask may withdraw. Nothing is asked that could change anything, so
    whether it could trade is not found out.
    """
    if not await _denied(rest, "WithdrawMethods"):
        raise ExchangeError(
            "the audit's Kraken API key may withdraw funds: it is not used. Make a key with the “Query” permissions alone",
            "KEY_MAY_WITHDRAW",
        )


async def _denied(rest: KrakenRest, method: str, fields: dict[str, str] | None = None) -> bool:
    """Whether the key may not; any other refusal came after the question of rights, so it may.

    Raises ExchangeError where the exchange did not get as far as that question.
    """
    try:
        await rest.ask(method, fields)
    except ExchangeError as error:
        if error.code == _DENIED:
            return True
        if error.code in _SETTLED:
            return False
        raise
    return False
