"""An order on the book of the simulated exchange, and what is reported of it."""

from collections.abc import Mapping
from decimal import Decimal
from math import inf

import msgspec

from gal_friday_core.money import ZERO, ratio
from gal_friday_core.orders import Order
from gal_friday_core.payloads import ExecutionReport, OrderStatus


class Working(msgspec.Struct, gc=False):
    """An order on the book. `hold` is the quote it reserves, `sibling` the order that its fill cancels, `rested` tells that
    it takes no price on arrival any more.

    `waived` is what protection no longer has to sell, because the position was reduced otherwise. `inside` is the bar
    inside which it came to be, `ahead` what is still before a resting limit at its price, `triggered` a stop that sells
    at market, `over` an order that has left the book.
    """

    order: Order
    hold: Decimal = ZERO
    sibling: str | None = None
    rested: bool = False
    waived: Decimal = ZERO
    filled: Decimal = ZERO
    spent: Decimal = ZERO
    fills: int = 0
    inside: int | None = None
    ahead: float | None = None
    triggered: bool = False
    over: bool = False

    @property
    def left(self) -> Decimal:
        return self.order.quantity - self.filled - self.waived


REMEMBERED = 10_000
"""Ids of orders that are over. An engine's ids derive from its signals and are journalled before they are sent: none is
made twice, and what is sent twice for any other reason is so at once.
"""


class KnownIds:
    """Ids that must not come again: those of orders on the book, and of the last so many that are over."""

    __slots__ = ("_ids",)

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, client_order_id: str) -> bool:
        return client_order_id in self._ids

    def add(self, client_order_id: str, book: Mapping[str, Working]) -> None:
        """Of too many the oldest whose order is over is forgotten."""
        ids = self._ids
        ids[client_order_id] = None
        if len(ids) > REMEMBERED:
            self._forget(book)

    def _forget(self, book: Mapping[str, Working]) -> None:
        ids = self._ids
        while len(ids) > REMEMBERED + len(book):
            oldest = next(iter(ids))
            del ids[oldest]
            if oldest in book:
                ids[oldest] = None


class Deal(msgspec.Struct, frozen=True, gc=False):
    """At which price and time how much of an order meets the market; `asked` is the price before slippage."""

    price: Decimal
    asked: Decimal
    ts_ns: int
    quantity: Decimal
    maker: bool = False


class Fill(msgspec.Struct, frozen=True, gc=False):
    """What was done of a deal: its `value` as it is booked, and the fee, in quote currency."""

    quantity: Decimal
    price: Decimal
    value: Decimal
    fee: Decimal


# Reports are made by place alone: CPython takes a call with more than fifteen names five times as long.


def report_of(
    working: Working, exchange: str, status: OrderStatus, ts_ns: int, message: str | None = None
) -> ExecutionReport:
    """The order as it stands, without a fill; all ids derive from its own."""
    order, filled = working.order, working.filled
    key = order.client_order_id
    return ExecutionReport(
        order.signal_id, key, order.trading_pair, exchange, status, order.order_type, order.side, order.quantity,
        filled, ts_ns, None if status == "REJECTED" else f"SIM-{key}",
        ratio(working.spent, filled) if filled else None, order.limit_price, order.trigger_price,
        None, None, message,
    )  # fmt: skip


def report_of_fill(
    working: Working, exchange: str, status: OrderStatus, ts_ns: int, fill: Fill
) -> ExecutionReport:
    """The order with the fill that brought it there, which `working` counts already."""
    order, pair, filled = working.order, working.order.trading_pair, working.filled
    key = order.client_order_id
    return ExecutionReport(
        order.signal_id, key, pair, exchange, status, order.order_type, order.side, order.quantity, filled, ts_ns,
        f"SIM-{key}", ratio(working.spent, filled), order.limit_price, order.trigger_price,
        fill.fee, pair.partition("/")[2], None, f"{key}#{working.fills}", fill.quantity, fill.price,
    )  # fmt: skip


def assets_of(pair: str) -> tuple[str, str]:
    """Base and quote.

    >>> assets_of("BTC/USD")
    ('BTC', 'USD')
    """
    base, _, quote = pair.partition("/")
    return base, quote


def scarce(order: Order, quantity: Decimal) -> str:
    """Why no more than this of an order was filled."""
    base = assets_of(order.trading_pair)[0]
    if order.side == "SELL":
        return f"no more than {quantity} {base} is held to sell"
    return f"the bar bears no more than {quantity} {base}"


class Watch(msgspec.Struct, frozen=True, gc=False):
    """A bar that stays above `low` and below `high` fills nothing; with `next_bar` whatever comes next may. Where no order
    `stands` of the pair, none does.
    """

    low: float = -inf
    high: float = inf
    stands: bool = True
    next_bar: bool = False


IDLE, ANY_BAR = Watch(stands=False), Watch(next_bar=True)


def watch_of(book: Mapping[str, Working], pair: str) -> Watch:
    """Which bars can change an order of the pair."""
    low, high, stands = -inf, inf, False
    if not book:
        return IDLE
    for working in book.values():
        order = working.order
        if order.trading_pair != pair:
            continue
        price, stands = order.limit_price or order.trigger_price, True
        if price is None or working.triggered or not working.rested:
            return ANY_BAR
        if order.order_type == "STOP_LOSS" or order.side == "BUY":
            low = max(low, float(price))
        else:
            high = min(high, float(price))
    return Watch(low, high) if stands else IDLE


def claimed(book: Mapping[str, Working], asset: str) -> Decimal:
    """Claims of the book on an asset; a stop and its target claim the same base once."""
    total = ZERO
    if not book:
        return total
    for working in book.values():
        order = working.order
        base, quote = assets_of(order.trading_pair)
        if order.side == "BUY":
            if quote == asset:
                total += working.hold
        elif base == asset and not (follows(working, book) or takes_from_protection(order)):
            total += working.left
    return total


def follows(working: Working, book: Mapping[str, Working]) -> bool:
    """A target beside a live stop claims the same base: it is counted with the stop."""
    return working.order.order_type == "TAKE_PROFIT" and working.sibling in book


def takes_from_protection(order: Order) -> bool:
    """A reduce-only market sell shares the base that protection holds, and ends it when it fills."""
    return order.reduce_only and order.order_type == "MARKET"
