"""What we believe of the account against what the exchange says: one pure comparison, `compare`.

Each difference is a `Discrepancy` with what may safely be done about it. Fills and flows come first: while
any of them is missing, order states and balances are not judged, since they follow from them. What may be
nothing but a slow answer (an order on its way, a fill not listed yet) is to WAIT for; only a balance that
nothing explains is adjusted or halts.

Invariant: where `compare` finds nothing, every open order, position and balance is the same on both sides, to what is booked.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Literal

import msgspec

from gal_friday_core.account import FillFacts, Flow, OrderFacts
from gal_friday_core.blotter import EXTERNAL
from gal_friday_core.money import EXACT, ZERO, is_booked_alike, value_of
from gal_friday_core.orders import is_terminal
from gal_friday_core.payloads import Nanoseconds, OrderStatus

Kind = Literal[
    "MISSED_FILL", "MISSED_FLOW", "UNKNOWN_ORDER", "ORDER_STATE", "ORDER_ENDED", "ORDER_GONE", "ORDER_LAGS",
    "BALANCE_DIFFERS", "COINS_WITHOUT_PRICE",
]  # fmt: skip
Severity = Literal["INFO", "WARNING", "CRITICAL"]
Resolution = Literal[
    "APPLY_FILL", "BOOK_FLOW", "ADOPT_ORDER", "TAKE_STATE", "END_ORDER", "ADJUST", "WAIT", "HALT"
]

_ON_ITS_WAY: frozenset[OrderStatus] = frozenset({"PENDING_NEW", "UNKNOWN"})


class OurOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One open order as we believe it stands; `filled` counts booked fills, `updated_at` its last news."""

    client_order_id: str
    trading_pair: str
    status: OrderStatus
    quantity: Decimal
    filled: Decimal
    updated_at: Nanoseconds
    exchange_order_id: str | None = None
    limit_price: Decimal | None = None
    trigger_price: Decimal | None = None


class InternalView(msgspec.Struct, frozen=True, kw_only=True):
    """Our side. `balances` names the assets that are ours to count, others are not compared.

    `executions` and `flows` need to hold only those that the exchange's side names; `prices` are in quote
    currency, `unpriced` the coins that wait for their first price.
    """

    orders: tuple[OurOrder, ...] = ()
    executions: frozenset[str] = frozenset()
    flows: frozenset[str] = frozenset()
    balances: dict[str, Decimal] = {}
    prices: dict[str, Decimal] = {}
    unpriced: tuple[str, ...] = ()


class ExchangeView(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange's side, read at `read_ns`. `found` says of our open orders that it did not list what became
    of them, None where it knows nothing of one.
    """

    read_ns: Nanoseconds
    open_orders: tuple[OrderFacts, ...] = ()
    found: dict[str, OrderFacts | None] = {}
    fills: tuple[FillFacts, ...] = ()
    flows: tuple[Flow, ...] = ()
    balances: dict[str, Decimal] = {}


class Tolerance(msgspec.Struct, frozen=True, kw_only=True):
    """What may be corrected without asking: differences worth up to `adjust_below`, `adjustable` in all.

    An order whose last news is younger than `young_ns` may not have reached the exchange's lists yet.
    """

    adjust_below: Decimal = ZERO
    adjustable: Decimal = ZERO
    young_ns: int = 0


class Discrepancy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One difference. `ours` and `theirs` are amounts or states as text, `value` its worth in quote currency.

    `order_quantity` is what all listed fills of a missed fill's order come to.
    """

    kind: Kind
    severity: Severity
    resolution: Resolution
    text: str
    trading_pair: str | None = None
    asset: str | None = None
    client_order_id: str | None = None
    exchange_order_id: str | None = None
    ours: str | None = None
    theirs: str | None = None
    value: Decimal | None = None
    order: OrderFacts | None = None
    fill: FillFacts | None = None
    flow: Flow | None = None
    order_quantity: Decimal | None = None

    @property
    def signature(self) -> tuple[str | None, ...]:
        """The same in two readings where nothing moved in between."""
        about = self.client_order_id or self.exchange_order_id or self.asset
        return self.kind, about, self.ours, self.theirs


def compare(ours: InternalView, theirs: ExchangeView, tolerance: Tolerance) -> tuple[Discrepancy, ...]:
    """Every difference, in the order in which they are to be resolved."""
    money = (*_missed_fills(ours, theirs), *_missed_flows(ours, theirs))
    strangers = tuple(_strangers(ours, theirs))
    if money:
        return (*strangers, *money)
    return (
        *strangers,
        *_orders(ours, theirs, tolerance),
        *_unpriced(ours),
        *_balances(ours, theirs, tolerance),
    )


def _missed_fills(ours: InternalView, theirs: ExchangeView) -> Iterator[Discrepancy]:
    totals: dict[str, Decimal] = {}
    for fill in theirs.fills:
        totals[fill.exchange_order_id] = totals.get(fill.exchange_order_id, ZERO) + fill.quantity
    named, nameless = {order.exchange_order_id for order in ours.orders}, _nameless(ours)
    for fill in theirs.fills:
        if fill.execution_id not in ours.executions:
            anybodys = fill.client_order_id is None and fill.exchange_order_id not in named
            yield Discrepancy(
                kind="MISSED_FILL",
                severity="WARNING",
                resolution="WAIT" if anybodys and fill.trading_pair in nameless else "APPLY_FILL",
                text=f"fill {fill.execution_id}: {fill.side} {fill.quantity} {fill.trading_pair} at {fill.price}",
                trading_pair=fill.trading_pair,
                client_order_id=fill.client_order_id,
                exchange_order_id=fill.exchange_order_id,
                theirs=fill.execution_id,
                fill=fill,
                order_quantity=totals[fill.exchange_order_id],
            )


def _nameless(ours: InternalView) -> set[str]:
    """Pairs of orders that are on their way, or lost, and whose name at the exchange is not known yet. What has no name
    there may be theirs, a fill or the stop that was attached, and is no stranger's until that is known.
    """
    return {
        order.trading_pair
        for order in ours.orders
        if order.status in _ON_ITS_WAY and order.exchange_order_id is None
    }


def _missed_flows(ours: InternalView, theirs: ExchangeView) -> Iterator[Discrepancy]:
    for flow in theirs.flows:
        if flow.asset in ours.balances and flow.flow_id not in ours.flows:
            yield Discrepancy(
                kind="MISSED_FLOW",
                severity="INFO",
                resolution="BOOK_FLOW",
                text=f"{flow.kind.lower()} {flow.flow_id} of {flow.amount} {flow.asset}",
                asset=flow.asset,
                theirs=flow.flow_id,
                flow=flow,
            )


def _strangers(ours: InternalView, theirs: ExchangeView) -> Iterator[Discrepancy]:
    """Open orders at the exchange that we do not count among our open ones."""
    known = {order.client_order_id for order in ours.orders}
    named, nameless = {order.exchange_order_id for order in ours.orders}, _nameless(ours)
    for facts in theirs.open_orders:
        if facts.client_order_id not in known and facts.exchange_order_id not in named:
            anybodys = facts.client_order_id is None and facts.parent_exchange_order_id not in named - {None}
            yield Discrepancy(
                kind="UNKNOWN_ORDER",
                severity="WARNING",
                resolution="WAIT" if anybodys and facts.trading_pair in nameless else "ADOPT_ORDER",
                text=f"order {facts.exchange_order_id}: {facts.side} {facts.quantity} {facts.trading_pair} is open",
                trading_pair=facts.trading_pair,
                client_order_id=facts.client_order_id,
                exchange_order_id=facts.exchange_order_id,
                theirs=facts.status,
                order=facts,
            )


def _orders(ours: InternalView, theirs: ExchangeView, tolerance: Tolerance) -> Iterator[Discrepancy]:
    by_client = {facts.client_order_id: facts for facts in theirs.open_orders if facts.client_order_id}
    by_exchange = {facts.exchange_order_id: facts for facts in theirs.open_orders}
    for order in ours.orders:
        facts = by_client.get(order.client_order_id) or by_exchange.get(order.exchange_order_id or "")
        if facts is None:
            facts = theirs.found.get(order.client_order_id)
        found = _gone(order, theirs, tolerance) if facts is None else _told(order, facts)
        if found is not None:
            yield found


def _told(order: OurOrder, facts: OrderFacts) -> Discrepancy | None:
    """The exchange knows the order: in which state, with how much of it filled."""
    # What somebody else's order had filled before it was adopted is not ours to count.
    if facts.filled != order.filled and not order.client_order_id.startswith(EXTERNAL):
        return _of_order(_LAGS, order, facts, f"{facts.filled} filled", f"{order.filled} filled")
    if is_terminal(facts.status):
        return _of_order(_ENDED, order, facts, facts.status, order.status)
    if order.status in _ON_ITS_WAY:
        return _of_order(_ARRIVED, order, facts, facts.status, order.status)
    theirs, own = _terms(facts), _terms(order)
    return _of_order(_CHANGED, order, facts, theirs, own) if theirs != own else None


def _gone(order: OurOrder, theirs: ExchangeView, tolerance: Tolerance) -> Discrepancy | None:
    """The exchange does not know the order, as far as it says."""
    if order.status in _ON_ITS_WAY:
        return None  # whether it ever arrives is found out by who sent it, and blocks its pair until then
    young = theirs.read_ns - order.updated_at < tolerance.young_ns
    return _of_order(_MISSING if young else _GONE, order, None, "not known", order.status)


def _terms(order: OurOrder | OrderFacts) -> str:
    """Quantity and prices, as a text that is the same for the same terms."""
    return " ".join(_plain(number) for number in (order.quantity, order.limit_price, order.trigger_price))


def _plain(number: Decimal | None) -> str:
    return "-" if number is None else f"{number.normalize(EXACT):f}"


_Verdict = tuple[Kind, Severity, Resolution]
_LAGS: _Verdict = ("ORDER_LAGS", "WARNING", "WAIT")
_ENDED: _Verdict = ("ORDER_ENDED", "WARNING", "TAKE_STATE")
_ARRIVED: _Verdict = ("ORDER_STATE", "INFO", "TAKE_STATE")
_CHANGED: _Verdict = ("ORDER_STATE", "WARNING", "TAKE_STATE")
_MISSING: _Verdict = ("ORDER_GONE", "INFO", "WAIT")
_GONE: _Verdict = ("ORDER_GONE", "WARNING", "END_ORDER")


def _of_order(
    verdict: _Verdict, order: OurOrder, facts: OrderFacts | None, theirs: str, ours: str
) -> Discrepancy:
    kind, severity, resolution = verdict
    return Discrepancy(
        kind=kind,
        severity=severity,
        resolution=resolution,
        text=f"order {order.client_order_id}: {ours} here, {theirs} there",
        trading_pair=order.trading_pair,
        client_order_id=order.client_order_id,
        exchange_order_id=order.exchange_order_id,
        ours=ours,
        theirs=theirs,
        order=facts,
    )


def _unpriced(ours: InternalView) -> Iterator[Discrepancy]:
    for asset in ours.unpriced:
        yield Discrepancy(
            kind="COINS_WITHOUT_PRICE",
            severity="INFO",
            resolution="WAIT",
            text=f"{ours.balances.get(asset, ZERO)} {asset} is not booked before its first price",
            asset=asset,
        )


def _balances(ours: InternalView, theirs: ExchangeView, tolerance: Tolerance) -> Iterator[Discrepancy]:
    adjustable = tolerance.adjustable
    for asset, booked in sorted(ours.balances.items()):
        there = theirs.balances.get(asset, ZERO)
        if is_booked_alike(there, booked):
            continue
        value = _worth(there - booked, asset, ours.prices)
        small = value is not None and value <= min(tolerance.adjust_below, adjustable)
        if small and value is not None:
            adjustable -= value
        yield Discrepancy(
            kind="BALANCE_DIFFERS",
            severity="INFO" if small else "CRITICAL",
            resolution="ADJUST" if small else "HALT" if value is not None else "WAIT",
            text=f"{asset}: {booked} booked, {there} at the exchange",
            asset=asset,
            ours=str(booked),
            theirs=str(there),
            value=value,
        )


def _worth(difference: Decimal, asset: str, prices: Mapping[str, Decimal]) -> Decimal | None:
    price = prices.get(asset)
    return value_of(abs(difference), price) if price is not None else None
