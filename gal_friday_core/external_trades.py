"""Trades that somebody else made on our account, on pairs that we do not trade: to our books, money that moved."""

from collections.abc import Iterable
from decimal import Decimal

from gal_friday_core.account import Flow
from gal_friday_core.errors import ContractError
from gal_friday_core.money import ZERO, value_of
from gal_friday_core.payloads import ExecutionReport


def flows_of(report: ExecutionReport, assets: Iterable[str]) -> list[Flow]:
    """What the report's fill did to each of these assets, its fee included; ids derive from the fill's.

    Raises ContractError where the fill is incomplete.
    """
    quantity, price = report.last_quantity, report.last_price
    if report.execution_id is None or quantity is None or price is None:
        raise ContractError(
            f"external fill {report.execution_id} of {report.trading_pair}: half of it is missing"
        )
    base, _, quote = report.trading_pair.partition("/")
    sign = 1 if report.side == "BUY" else -1
    cost = value_of(quantity, price) if report.last_cost is None else report.last_cost
    changes: dict[str, Decimal] = {base: sign * quantity, quote: -sign * cost}
    if report.commission and report.commission_asset:
        changes[report.commission_asset] = changes.get(report.commission_asset, ZERO) - report.commission
    counted = set(assets)
    return [
        Flow(
            flow_id=f"trade:{report.execution_id}:{asset}",
            kind="TRANSFER",
            asset=asset,
            amount=amount,
            timestamp=report.timestamp_exchange,
        )
        for asset, amount in changes.items()
        if asset in counted and amount
    ]
