"""An order on the book of the simulated exchange, and what is reported of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import inf

import msgspec

from gal_friday_core.money import ZERO, ratio
from gal_friday_core.orders import Order
from gal_friday_core.payloads import ExecutionReport, OrderStatus


@dataclass(slots=True)
class Working:
    """An order on the book. `hold` is the quote it reserves, `sibling` the order that its fill cancels.

    `waived` is what protection no longer has to sell, because the position was reduced otherwise. `inside` is the bar
    inside which it came to be, `ahead` what is still before a resting limit at its price, `triggered` a stop that sells
    at market.
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

    @property
    def left(self) -> Decimal:
        return self.order.quantity - self.filled - self.waived


class Deal(msgspec.Struct, frozen=True, gc=False):
    """At which price and time how much of an order meets the market; `asked` is the price before slippage."""

    price: Decimal
    asked: Decimal
    ts_ns: int
    quantity: Decimal
    maker: bool = False


class Fill(msgspec.Struct, frozen=True, gc=False):
    """What was done of a deal; the fee in quote currency."""

    quantity: Decimal
    price: Decimal
    fee: Decimal


def report_of(
    working: Working,
    status: OrderStatus,
    ts_ns: int,
    *,
    exchange: str,
    fill: Fill | None = None,
    message: str | None = None,
) -> ExecutionReport:
    """The order as it stands; all ids derive from its own."""
    order = working.order
    key = order.client_order_id
    return ExecutionReport(
        signal_id=order.signal_id,
        client_order_id=key,
        exchange_order_id=None if status == "REJECTED" else f"SIM-{key}",
        trading_pair=order.trading_pair,
        exchange=exchange,
        order_status=status,
        order_type=order.order_type,
        side=order.side,
        quantity_ordered=order.quantity,
        quantity_filled=working.filled,
        average_fill_price=ratio(working.spent, working.filled) if working.filled else None,
        limit_price=order.limit_price,
        stop_price=order.trigger_price,
        commission=fill.fee if fill else None,
        commission_asset=order.trading_pair.partition("/")[2] if fill else None,
        timestamp_exchange=ts_ns,
        error_message=message,
        execution_id=f"{key}#{working.fills}" if fill else None,
        last_quantity=fill.quantity if fill else None,
        last_price=fill.price if fill else None,
    )


class Watch(msgspec.Struct, frozen=True, gc=False):
    """A bar that stays above `low` and below `high` fills nothing; with `next_bar` whatever comes next may."""

    low: float
    high: float
    next_bar: bool = False


def watch_of(book: Iterable[Working], pair: str) -> Watch:
    """Which bars can change an order of the pair."""
    low, high = -inf, inf
    for working in book:
        order = working.order
        if order.trading_pair != pair:
            continue
        price = order.limit_price or order.trigger_price
        waits = order.order_type == "LIMIT" and not working.rested
        if price is None or waits or working.triggered:
            return Watch(low, high, next_bar=True)
        if order.side == "BUY" or order.order_type == "STOP_LOSS":
            low = max(low, float(price))
        else:
            high = min(high, float(price))
    return Watch(low, high)


def claimed(book: Mapping[str, Working], asset: str) -> Decimal:
    """Claims of the book on an asset; a stop and its target claim the same base once."""
    total = ZERO
    for working in book.values():
        order = working.order
        base, _, quote = order.trading_pair.partition("/")
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
