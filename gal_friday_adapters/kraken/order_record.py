"""One order of the account, put together from events and REST answers in whatever order they come.

The exchange says how much it has filled (`told`), and each fill by itself; one may be ahead of the other. An
order's end is reported only once every fill that belongs to it has been, so that nobody who hears of an end has
missed money: until then the record is `short`.
"""

from dataclasses import dataclass, field
from decimal import Decimal

from gal_friday_core.account import FillFacts, OrderFacts
from gal_friday_core.money import EXACT, ZERO, product, ratio
from gal_friday_core.orders import is_terminal
from gal_friday_core.payloads import ExecutionReport, Nanoseconds, OrderStatus, OrderType, Side

Shown = tuple[OrderStatus, Decimal, Decimal, Decimal | None, Decimal | None]


@dataclass(frozen=True, slots=True)
class Identity:
    """Under which ids of ours an order is reported; `signal_id` is empty for orders that are not ours."""

    client_order_id: str
    signal_id: str


@dataclass(slots=True)
class OrderRecord:
    """`status` and `told` are the exchange's words; `counted` and `value` add up the fills that were reported."""

    exchange_order_id: str
    status: OrderStatus = "PENDING_NEW"
    told: Decimal = ZERO
    client_order_id: str | None = None
    parent: str | None = None
    pair: str | None = None
    side: Side | None = None
    order_type: OrderType | None = None
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    trigger_price: Decimal | None = None
    reason: str | None = None
    opened_at: Nanoseconds = 0
    touched_at: Nanoseconds = 0
    timestamp: Nanoseconds = 0
    identity: Identity | None = None
    counted: Decimal = ZERO
    value: Decimal = ZERO
    fills: set[str] = field(default_factory=set)
    waiting: list[FillFacts] = field(default_factory=list)
    shown: Shown | None = None

    @property
    def complete(self) -> bool:
        """Whether enough is known of it to report anything."""
        return None not in {self.pair, self.side, self.order_type, self.quantity}

    @property
    def ended(self) -> bool:
        return is_terminal(self.status)

    @property
    def short(self) -> bool:
        """Whether fills are missing of which the exchange has told the sum."""
        return self.counted + sum((fill.quantity for fill in self.waiting), ZERO) < self.told

    @property
    def closed(self) -> bool:
        """Whether its end, and everything before it, has been reported."""
        return self.shown is not None and is_terminal(self.shown[0])

    def move(self, status: OrderStatus, filled: Decimal | None, timestamp: Nanoseconds) -> None:
        """Take in a state; an older one than is known changes nothing."""
        if filled is not None:
            self.told = max(self.told, filled)
        if not self.ended:
            self.status = status
        self.timestamp = max(self.timestamp, timestamp)
        if status == "FILLED" and filled is None and self.quantity is not None:
            self.told = max(self.told, self.quantity)

    def describe(self, facts: OrderFacts) -> None:
        """Take in what REST says; where events were heard since, they know better."""
        if not self.complete:
            self.pair, self.side, self.order_type = facts.trading_pair, facts.side, facts.order_type
            self.quantity = facts.quantity
            self.limit_price, self.trigger_price = facts.limit_price, facts.trigger_price
        self.client_order_id = self.client_order_id or facts.client_order_id
        self.parent = self.parent or facts.parent_exchange_order_id
        self.opened_at = facts.opened_at
        self.touched_at = max(self.touched_at, facts.opened_at)
        if facts.status != "PENDING_NEW":
            self.reason = facts.reason or self.reason
            self.move(facts.status, facts.filled, facts.closed_at or facts.opened_at)

    def count(self, fill: FillFacts) -> None:
        """A fill, once."""
        if fill.execution_id not in self.fills:
            self.fills.add(fill.execution_id)
            self.waiting.append(fill)
            self.pair, self.side = self.pair or fill.trading_pair, self.side or fill.side
            self.order_type = self.order_type or fill.order_type

    def reports(self, venue: str) -> list[ExecutionReport]:
        """What there is to report since the last call, the fills first."""
        if self.identity is None or not self.complete:
            return []
        found = []
        for fill in sorted(self.waiting, key=lambda item: item.timestamp):
            self.counted = EXACT.add(self.counted, fill.quantity)
            self.value = EXACT.add(self.value, product(fill.quantity, fill.price))
            self.told = max(self.told, self.counted)
            found.append(self._report(venue, fill))
        self.waiting.clear()
        if self._view() != self.shown and self.status != "PENDING_NEW":
            found.append(self._report(venue, None))
        return found

    def _standing(self) -> OrderStatus:
        """The state to report, which is never ahead of the fills."""
        if self.shown is not None and is_terminal(self.shown[0]):
            return self.shown[0]
        if self.quantity and self.counted >= self.quantity:
            return "FILLED"
        if self.ended and self.counted >= self.told:
            return self.status
        return "PARTIALLY_FILLED" if self.counted else "NEW"

    def _view(self) -> Shown:
        assert self.quantity is not None
        return self._standing(), self.quantity, self.counted, self.limit_price, self.trigger_price

    def _report(self, venue: str, fill: FillFacts | None) -> ExecutionReport:
        view = self.shown = self._view()
        assert self.identity is not None
        assert self.pair is not None
        assert self.side is not None
        assert self.order_type is not None
        return ExecutionReport(  # by place, as far as names would make the call five times as long
            self.identity.signal_id, self.identity.client_order_id, self.pair, venue, view[0], self.order_type, self.side,
            view[1], view[2], self.timestamp if fill is None else fill.timestamp,
            self.exchange_order_id, ratio(self.value, self.counted) if self.counted else None,
            limit_price=self.limit_price,
            stop_price=self.trigger_price,
            commission=None if fill is None else fill.fee,
            commission_asset=None if fill is None else fill.fee_asset,
            error_message=self.reason if is_terminal(view[0]) else None,
            execution_id=None if fill is None else fill.execution_id,
            last_quantity=None if fill is None else fill.quantity,
            last_price=None if fill is None else fill.price,
            last_cost=None if fill is None else fill.cost,
        )  # fmt: skip
