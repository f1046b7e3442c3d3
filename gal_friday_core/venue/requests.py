"""What a client may ask of the venue, and what it answers; names are those of websocket v2 (KRAKEN_PROTOCOL §3, §7).

A REST front fills the same structs: `ordertype` → `order_type`, `volume` → `order_qty`, `price`/`price2` →
`limit_price`, `trigger_price` by §3.1 (`prices.parse_price` reads `+5%`, `-10`, `#3`). Times are int ns UTC.
"""

from decimal import Decimal
from typing import Literal

from msgspec import Struct

Side = Literal["buy", "sell"]
OrderType = Literal[
    "market",
    "limit",
    "iceberg",
    "stop-loss",
    "stop-loss-limit",
    "take-profit",
    "take-profit-limit",
    "trailing-stop",
    "trailing-stop-limit",
    "settle-position",
]
TimeInForce = Literal["gtc", "gtd", "ioc", "fok"]
PriceType = Literal["static", "pct", "quote"]
"""static: a price. pct, quote: a signed distance in per cent or quote currency (§3.1)."""
Reference = Literal["last", "index"]
SelfTrade = Literal["cancel_newest", "cancel_oldest", "cancel_both"]
FeePreference = Literal["base", "quote"]
EngineStatus = Literal["online", "maintenance", "cancel_only", "post_only"]
PairStatus = Literal["online", "cancel_only", "post_only", "limit_only", "reduce_only", "maintenance"]
Front = Literal["rest", "websocket"]
"""Where a request came in: the two fronts refuse a crossing post-only order differently (§5)."""


class Conditional(Struct, frozen=True, kw_only=True):
    """The order that each fill of its primary creates on the other side, sized to that fill (§3.2)."""

    order_type: OrderType
    limit_price: Decimal | None = None
    limit_price_type: PriceType = "static"
    trigger_price: Decimal | None = None
    trigger_price_type: PriceType = "static"
    trigger_reference: Reference = "last"


class AddOrder(Struct, frozen=True, kw_only=True):
    """One new order. Exactly one of `order_qty` (base) and `cash_order_qty` (quote, market buys) is given.

    `effective_time`, `expire_time`, `deadline`: ns UTC. `margin` stands for any leverage and is refused.
    """

    symbol: str
    side: Side
    order_type: OrderType
    order_qty: Decimal | None = None
    cash_order_qty: Decimal | None = None
    limit_price: Decimal | None = None
    limit_price_type: PriceType = "static"
    trigger_price: Decimal | None = None
    trigger_price_type: PriceType = "static"
    trigger_reference: Reference = "last"
    display_qty: Decimal | None = None
    time_in_force: TimeInForce = "gtc"
    expire_time: int | None = None
    effective_time: int | None = None
    deadline: int | None = None
    post_only: bool = False
    reduce_only: bool = False
    margin: bool = False
    fee_preference: FeePreference = "quote"
    stp_type: SelfTrade = "cancel_newest"
    cl_ord_id: str | None = None
    order_userref: int | None = None
    conditional: Conditional | None = None
    validate: bool = False


class AmendOrder(Struct, frozen=True, kw_only=True):
    """Change an order in place: ids stay, its place in the queue where price stays and quantity does not grow (§2.4)."""

    order_id: str | None = None
    cl_ord_id: str | None = None
    order_qty: Decimal | None = None
    display_qty: Decimal | None = None
    limit_price: Decimal | None = None
    limit_price_type: PriceType = "static"
    trigger_price: Decimal | None = None
    trigger_price_type: PriceType = "static"
    post_only: bool = False
    deadline: int | None = None


class EditOrder(Struct, frozen=True, kw_only=True):
    """Cancel and place anew under a new id (§2.4); what is None stays as it was."""

    order_id: str
    symbol: str
    order_qty: Decimal | None = None
    display_qty: Decimal | None = None
    limit_price: Decimal | None = None
    limit_price_type: PriceType = "static"
    trigger_price: Decimal | None = None
    trigger_price_type: PriceType = "static"
    post_only: bool | None = None
    order_userref: int | None = None
    deadline: int | None = None
    validate: bool = False


class CancelOrder(Struct, frozen=True, kw_only=True):
    """Cancel by any of three kinds of id; a userref stands for all orders that carry it (§3.3)."""

    order_id: tuple[str, ...] = ()
    cl_ord_id: tuple[str, ...] = ()
    order_userref: tuple[int, ...] = ()


class CancelAll(Struct, frozen=True, kw_only=True):
    """All orders of the account, in all pairs."""


class CancelAllOrdersAfter(Struct, frozen=True, kw_only=True):
    """The dead man's switch: seconds until everything is cancelled; 0 turns it off (§2.4)."""

    timeout: int


class BatchAdd(Struct, frozen=True, kw_only=True):
    """2 to 15 orders of one pair (§2.4)."""

    symbol: str
    orders: tuple[AddOrder, ...]
    deadline: int | None = None
    validate: bool = False


class BatchCancel(Struct, frozen=True, kw_only=True):
    """2 to 50 orders by order id or client order id (§2.4, §7)."""

    order_id: tuple[str, ...] = ()
    cl_ord_id: tuple[str, ...] = ()


Request = (
    AddOrder
    | AmendOrder
    | EditOrder
    | CancelOrder
    | CancelAll
    | CancelAllOrdersAfter
    | BatchAdd
    | BatchCancel
)


class Description(Struct, frozen=True, kw_only=True):
    """An order in words, as REST `descr` has it (§2.4)."""

    pair: str
    type: str
    ordertype: str
    price: str
    price2: str
    leverage: str
    order: str
    close: str


class Added(Struct, frozen=True, kw_only=True):
    """`order_id` is empty where the request only validated."""

    order_id: str
    description: Description
    cl_ord_id: str | None = None
    order_userref: int | None = None


class Amended(Struct, frozen=True, kw_only=True):
    amend_id: str
    order_id: str
    cl_ord_id: str | None = None


class Edited(Struct, frozen=True, kw_only=True):
    """`order_id` is empty where the request only validated."""

    order_id: str
    original_order_id: str
    description: Description


class Cancelled(Struct, frozen=True, kw_only=True):
    """Orders that ended, in the order of the request; `unknown` holds the ids that named none."""

    order_ids: tuple[str, ...]
    unknown: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        return len(self.order_ids)


class SwitchSet(Struct, frozen=True, kw_only=True):
    """`trigger_time` is None where the switch is off."""

    current_time: int
    trigger_time: int | None


class BatchAdded(Struct, frozen=True, kw_only=True):
    """One answer an order, in the order of the request."""

    responses: "tuple[Response, ...]"


Result = Added | Amended | Edited | Cancelled | SwitchSet | BatchAdded


class Response(Struct, frozen=True, kw_only=True):
    """Either an error in the exchange's own words, or a result."""

    error: str | None = None
    result: Result | None = None

    @property
    def success(self) -> bool:
        return self.error is None
