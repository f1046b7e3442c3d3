"""What an exchange says of our account: orders, fills, and money that came or went, as values.

Client order ids are ours; an order that the exchange made itself (a conditional close) or that somebody else
placed has none. `parent_exchange_order_id` names the order that made it.
"""

from decimal import Decimal
from typing import Literal

import msgspec

from gal_friday_core.payloads import Nanoseconds, OrderStatus, OrderType, Side

FlowKind = Literal["DEPOSIT", "WITHDRAWAL", "TRANSFER", "STAKING", "ADJUSTMENT"]


class OrderFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One order as the exchange knows it now. Quantities in base units; `filled` is cumulative."""

    exchange_order_id: str
    trading_pair: str
    side: Side
    order_type: OrderType
    status: OrderStatus
    quantity: Decimal
    filled: Decimal
    opened_at: Nanoseconds
    client_order_id: str | None = None
    parent_exchange_order_id: str | None = None
    average_price: Decimal | None = None
    limit_price: Decimal | None = None
    trigger_price: Decimal | None = None
    closed_at: Nanoseconds | None = None
    reason: str | None = None


class FillFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One fill. `execution_id` is the exchange's trade id; `fee` is charged in `fee_asset`; `cost` is the value that
    the exchange booked in quote currency, where it says.
    """

    execution_id: str
    exchange_order_id: str
    trading_pair: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str
    timestamp: Nanoseconds
    client_order_id: str | None = None
    maker: bool | None = None
    cost: Decimal | None = None


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """Money that came or went without a trade: not profit. `amount` is signed, net of `fee`, in `asset`."""

    flow_id: str
    kind: FlowKind
    asset: str
    amount: Decimal
    timestamp: Nanoseconds
