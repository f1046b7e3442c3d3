"""The lines of a statement as values, and the bookings that they are made of."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from gal_friday_core.payloads import Nanoseconds


class Booking(msgspec.Struct, frozen=True, kw_only=True):
    """One FILL or CASH_FLOW of the journal, its record in JSON form; `report` is what the exchange told of the fill."""

    seq: int
    ts_ns: Nanoseconds
    kind: str
    key: str
    record: Mapping[str, Any]
    report: Mapping[str, Any] | None = None


class Worth(msgspec.Struct, frozen=True, kw_only=True):
    """The account at one instant, in quote currency. `realized` and `fees` count since it was opened."""

    cash: Decimal
    held: Decimal
    equity: Decimal
    deposits: Decimal
    realized: Decimal
    unrealized: Decimal
    fees: Decimal


class AssetLine(msgspec.Struct, frozen=True, kw_only=True):
    """One asset, in its own units: opening + received − spent − fees + flows is what closing must be."""

    asset: str
    opening: Decimal
    received: Decimal
    spent: Decimal
    fees: Decimal
    flows: Decimal
    closing: Decimal

    @property
    def unexplained(self) -> Decimal:
        return self.closing - (self.opening + self.received - self.spent - self.fees + self.flows)


class PairLine(msgspec.Struct, frozen=True, kw_only=True):
    """One pair, in quote currency; quantities in base units. Marks are the last prices known at both ends, with their times."""

    pair: str
    fills: int
    bought: Decimal
    sold: Decimal
    turnover: Decimal
    fees: Decimal
    realized: Decimal
    opening: Decimal
    closing: Decimal
    opening_unrealized: Decimal
    closing_unrealized: Decimal
    opening_mark: Decimal | None
    opening_mark_ns: Nanoseconds | None
    closing_mark: Decimal | None
    closing_mark_ns: Nanoseconds | None


class TradeLine(msgspec.Struct, frozen=True, kw_only=True):
    """One fill. `value` is what the exchange booked, in quote currency; `late` where it was booked in a later day."""

    execution_id: str
    time: Nanoseconds
    pair: str
    side: str
    order_type: str
    quantity: Decimal
    price: Decimal
    value: Decimal
    fee: Decimal
    fee_asset: str | None
    realized: Decimal
    client_order_id: str
    ours: bool
    late: bool


class FlowLine(msgspec.Struct, frozen=True, kw_only=True):
    """Money that came or went without a trade, or what nothing explains (ADJUSTMENT); `value` in quote currency."""

    flow_id: str
    time: Nanoseconds
    kind: str
    asset: str
    amount: Decimal
    value: Decimal
    late: bool
