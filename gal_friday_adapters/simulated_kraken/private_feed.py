"""Messages of the private channels: `executions` and `balances`, as websocket v2 spells them.

A field that an update does not carry is left out: follow-up events are sparse, clients merge them.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from gal_friday_adapters.simulated_kraken.text import micro_iso
from gal_friday_core.venue.updates import BalanceUpdate, Contingent, ExecutionUpdate, Triggers

_PLAIN = (
    *("order_id", "cl_ord_id", "order_userref", "ord_ref_id", "exec_id", "exec_type", "trade_id", "symbol"),
    *("side", "order_type", "order_qty", "cash_order_qty", "display_qty", "display_qty_remain", "cum_qty"),
    *("cum_cost", "avg_price", "limit_price", "limit_price_type", "post_only", "reduce_only"),
    *(
        "last_qty",
        "last_price",
        "cost",
        "fee_usd_equiv",
        "order_status",
        "reason",
        "amended",
        "time_in_force",
    ),
)
"""Fields that the venue and the wire call the same."""
_TIMES = ("effective_time", "expire_time")
_FEE_CURRENCY = {"base": "fcib", "quote": "fciq"}


def execution(update: ExecutionUpdate) -> dict[str, Any]:
    """One entry of an `executions` message."""
    entry: dict[str, Any] = {
        name: getattr(update, name) for name in _PLAIN if getattr(update, name) is not None
    }
    entry |= {name: micro_iso(getattr(update, name)) for name in _TIMES if getattr(update, name) is not None}
    if update.fee_preference is not None:
        entry["fee_ccy_pref"] = _FEE_CURRENCY[update.fee_preference]
    if update.liquidity is not None:
        entry["liquidity_ind"] = update.liquidity
    if update.fee_asset is not None:
        entry["fees"] = [{"asset": update.fee_asset, "qty": update.fee}]
    if update.triggers is not None:
        entry["triggers"] = _triggers(update.triggers)
    if update.contingent is not None:
        entry["contingent"] = _contingent(update.contingent)
    entry["timestamp"] = micro_iso(update.timestamp)
    return entry


def _triggers(triggers: Triggers) -> dict[str, Any]:
    entry = _present(
        triggers, ("reference", "price", "price_type", "actual_price", "peak_price", "last_price", "status")
    )
    if triggers.timestamp is not None:
        entry["timestamp"] = micro_iso(triggers.timestamp)
    return entry


def _contingent(contingent: Contingent) -> dict[str, Any]:
    return _present(
        contingent,
        ("order_type", "limit_price", "limit_price_type", "trigger_price", "trigger_price_type"),
    )


def _present(value: object, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names if getattr(value, name) is not None}


def balance_entry(update: BalanceUpdate) -> dict[str, Any]:
    """One ledger entry of a `balances` update."""
    return {
        "asset": update.asset,
        "asset_class": "currency",
        "amount": update.amount,
        "balance": update.balance,
        "fee": update.fee,
        "ledger_id": update.ledger_id,
        "ref_id": update.ref_id,
        "timestamp": micro_iso(update.timestamp),
        "type": update.type,
        "subtype": "",
        "category": update.type,
        "wallet_type": "spot",
        "wallet_id": "main",
    }


def balance_snapshot(balances: Mapping[str, Decimal]) -> list[dict[str, Any]]:
    """All assets of an account, with the wallet they lie in."""
    return [
        {
            "asset": asset,
            "asset_class": "currency",
            "balance": amount,
            "wallets": [{"type": "spot", "id": "main", "balance": amount}],
        }
        for asset, amount in balances.items()
    ]
