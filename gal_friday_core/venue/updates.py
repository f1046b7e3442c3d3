"""What the venue tells the world: public book, trades and status, private executions and balances.

Fields carry the names of websocket v2 (KRAKEN_PROTOCOL §6, §7). None means that the message leaves the field out:
follow-up events are sparse. Times are int ns UTC.
"""

from decimal import Decimal
from typing import Literal

from msgspec import Struct

from gal_friday_core.venue.requests import EngineStatus, FeePreference, PairStatus, PriceType, Reference, Side

ExecType = Literal[
    "pending_new",
    "new",
    "trade",
    "filled",
    "iceberg_refill",
    "canceled",
    "expired",
    "amended",
    "restated",
    "status",
]
OrderStatus = Literal["pending_new", "new", "triggered", "partially_filled", "filled", "canceled", "expired"]
LedgerType = Literal["trade", "deposit", "withdrawal"]
PriceLevel = tuple[Decimal, Decimal]
"""Price and quantity; in an update a quantity of 0 deletes the level."""


class BookUpdate(Struct, frozen=True, kw_only=True):
    """Levels that changed since the last update of the pair, at any depth; `Venue.book` has the whole side."""

    symbol: str
    timestamp: int
    bids: tuple[PriceLevel, ...] = ()
    asks: tuple[PriceLevel, ...] = ()


class TradeUpdate(Struct, frozen=True, kw_only=True):
    """One public trade; `side` and `ord_type` are the taker's, `trade_id` counts up by one in each pair."""

    symbol: str
    side: Side
    price: Decimal
    qty: Decimal
    ord_type: Literal["limit", "market"]
    trade_id: int
    timestamp: int


class StatusUpdate(Struct, frozen=True, kw_only=True):
    system: EngineStatus
    timestamp: int


class PairUpdate(Struct, frozen=True, kw_only=True):
    symbol: str
    status: PairStatus
    timestamp: int


class Triggers(Struct, frozen=True, kw_only=True):
    """`price` as asked for, `actual_price` in force now, `peak_price` what a trailing stop trails."""

    reference: Reference
    price: Decimal
    price_type: PriceType
    actual_price: Decimal | None = None
    peak_price: Decimal | None = None
    last_price: Decimal | None = None
    status: Literal["untriggered", "triggered"] = "untriggered"
    timestamp: int | None = None


class Contingent(Struct, frozen=True, kw_only=True):
    order_type: str
    limit_price: Decimal | None = None
    limit_price_type: PriceType | None = None
    trigger_price: Decimal | None = None
    trigger_price_type: PriceType | None = None


class ExecutionUpdate(Struct, frozen=True, kw_only=True):
    """One private event of one order."""

    account: str
    exec_type: ExecType
    order_id: str
    order_status: OrderStatus
    timestamp: int
    symbol: str | None = None
    side: Side | None = None
    order_type: str | None = None
    cl_ord_id: str | None = None
    order_userref: int | None = None
    ord_ref_id: str | None = None
    order_qty: Decimal | None = None
    cash_order_qty: Decimal | None = None
    display_qty: Decimal | None = None
    display_qty_remain: Decimal | None = None
    cum_qty: Decimal | None = None
    cum_cost: Decimal | None = None
    avg_price: Decimal | None = None
    limit_price: Decimal | None = None
    limit_price_type: PriceType | None = None
    time_in_force: str | None = None
    post_only: bool | None = None
    reduce_only: bool | None = None
    effective_time: int | None = None
    expire_time: int | None = None
    fee_preference: FeePreference | None = None
    triggers: Triggers | None = None
    contingent: Contingent | None = None
    exec_id: str | None = None
    trade_id: int | None = None
    last_qty: Decimal | None = None
    last_price: Decimal | None = None
    cost: Decimal | None = None
    liquidity: Literal["t", "m"] | None = None
    fee_asset: str | None = None
    fee: Decimal | None = None
    fee_usd_equiv: Decimal | None = None
    reason: str | None = None
    amended: bool | None = None


class BalanceUpdate(Struct, frozen=True, kw_only=True):
    """One ledger entry; a trade makes two with the same `ref_id`, its `exec_id` (§7). `balance` is after it."""

    account: str
    asset: str
    amount: Decimal
    fee: Decimal
    balance: Decimal
    ledger_id: str
    ref_id: str
    type: LedgerType
    timestamp: int


class RateUpdate(Struct, frozen=True, kw_only=True):
    """The matching-engine counter of an account in a pair, after a request was charged (§4 `ratecounter`)."""

    account: str
    symbol: str
    counter: Decimal
    timestamp: int


Update = BookUpdate | TradeUpdate | StatusUpdate | PairUpdate | ExecutionUpdate | BalanceUpdate | RateUpdate
