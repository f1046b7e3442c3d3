"""An order as the venue keeps it: what was asked for, and what became of it."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from gal_friday_core.errors import ContractError
from gal_friday_core.money import ZERO, ratio
from gal_friday_core.venue.requests import AddOrder
from gal_friday_core.venue.updates import OrderStatus

RestStatus = Literal["pending", "open", "closed", "canceled", "expired"]

TRANSITIONS: dict[OrderStatus, frozenset[OrderStatus]] = {
    "pending_new": frozenset({"new", "canceled", "expired"}),
    "new": frozenset({"triggered", "partially_filled", "filled", "canceled", "expired"}),
    "triggered": frozenset({"partially_filled", "filled", "canceled", "expired"}),
    "partially_filled": frozenset({"partially_filled", "filled", "canceled", "expired"}),
    "filled": frozenset(),
    "canceled": frozenset(),
    "expired": frozenset(),
}
"""Which status may follow which (KRAKEN_PROTOCOL §7)."""

TRIGGERED_TYPES = frozenset(
    {
        "stop-loss",
        "stop-loss-limit",
        "take-profit",
        "take-profit-limit",
        "trailing-stop",
        "trailing-stop-limit",
    }
)
LIMIT_TYPES = frozenset({"limit", "iceberg", "stop-loss-limit", "take-profit-limit", "trailing-stop-limit"})


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill of one order, as TradesHistory tells it. `fee` is in `fee_asset`, the rest in pair units."""

    exec_id: str
    order_id: str
    symbol: str
    side: Literal["buy", "sell"]
    order_type: str
    trade_id: int
    price: Decimal
    quantity: Decimal
    cost: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool
    time_ns: int
    ledgers: tuple[str, str]


@dataclass(frozen=True, slots=True)
class AmendEntry:
    """One line of an order's amend history; the first is the order as it was placed (§2.4 OrderAmends)."""

    amend_id: str
    kind: Literal["original", "user", "restated"]
    order_qty: Decimal
    display_qty: Decimal | None
    limit_price: Decimal | None
    trigger_price: Decimal | None
    post_only: bool
    time_ns: int
    reason: str | None = None


@dataclass(slots=True, eq=False)
class VenueOrder:
    """`asked` is the request. `limit` and `stop` are the prices in force, `purse` what the order holds of its asset.

    Fee rates are fractions fixed at acceptance, so that the purse covers every fill. `quantity` of a cash
    order is what has been bought so far, `number` counts the venue's orders. Others read, only the venue writes.
    """

    order_id: str
    account: str
    asked: AddOrder
    quantity: Decimal
    opened_ns: int
    taker_rate: Decimal
    maker_rate: Decimal
    limit: Decimal | None = None
    stop: Decimal | None = None
    peak: Decimal | None = None
    display: Decimal | None = None
    post_only: bool = False
    purse: Decimal = ZERO
    status: OrderStatus = "pending_new"
    triggered_ns: int | None = None
    closed_ns: int | None = None
    reason: str | None = None
    cum_qty: Decimal = ZERO
    cum_cost: Decimal = ZERO
    cum_fee: Decimal = ZERO
    ord_ref_id: str | None = None
    number: int = 0
    executions: list[Execution] = field(default_factory=list)
    amends: list[AmendEntry] = field(default_factory=list)

    @property
    def symbol(self) -> str:
        return self.asked.symbol

    @property
    def left(self) -> Decimal:
        """What remains to be filled; nothing of a cash order, whose quantity only its fills tell."""
        return self.quantity - self.cum_qty

    @property
    def average_price(self) -> Decimal:
        """Quote per base over all fills; zero without any."""
        return ratio(self.cum_cost, self.cum_qty) if self.cum_qty else ZERO

    @property
    def touched_ns(self) -> int:
        """When it was placed or last amended: the age that limits count from (§4)."""
        return self.amends[-1].time_ns if self.amends else self.opened_ns

    @property
    def is_open(self) -> bool:
        return bool(TRANSITIONS[self.status])

    @property
    def is_waiting(self) -> bool:
        """A trigger order that has not fired."""
        return self.asked.order_type in TRIGGERED_TYPES and self.triggered_ns is None

    @property
    def rest_status(self) -> RestStatus:
        """REST's word: `closed` means completely filled, `canceled` may have been filled in part (§2.4)."""
        match self.status:
            case "pending_new":
                return "pending"
            case "filled":
                return "closed"
            case "canceled":
                return "canceled"
            case "expired":
                return "expired"
            case _:
                return "open"

    def become(self, status: OrderStatus, now_ns: int) -> None:
        """Move on. Raises ContractError where the rules know no such step."""
        if status not in TRANSITIONS[self.status]:
            raise ContractError(f"order {self.order_id} cannot go from {self.status} to {status}")
        self.status = status
        if not TRANSITIONS[status]:
            self.closed_ns = now_ns
