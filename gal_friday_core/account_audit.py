"""An account's journal against what the exchange says of it, by somebody who only looks: `audit`.

Where reconciliation (`core.reconciliation`) asks what to do next, an audit names every difference there is: orders, each
fill's own terms, flows, balances, protection, assets that nobody counts. A balance is told as different only by what the
differences of fills and flows do not explain. What was not answered is unknown: it is never taken for nothing.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Literal

import msgspec

from gal_friday_core.account import FillFacts, Flow, OrderFacts
from gal_friday_core.blotter import EXTERNAL
from gal_friday_core.money import ZERO, is_booked_alike, value_of
from gal_friday_core.payloads import Nanoseconds
from gal_friday_core.reconciliation import ExchangeView, InternalView, OurOrder, Tolerance, compare
from gal_friday_core.times import MINUTE_NS

Code = Literal[
    "MISSING_ORDER", "EXTRA_ORDER", "ORDER_ENDED", "ORDER_DIFFERS", "MISSING_FILL", "EXTRA_FILL", "DOUBLED_FILL",
    "FILL_DIFFERS", "MISSING_FLOW", "EXTRA_FLOW", "FLOW_DIFFERS", "BALANCE_DIFFERS", "UNPROTECTED", "UNKNOWN_ASSET",
]  # fmt: skip
Verdict = Literal["AGREES", "DIFFERS", "UNKNOWN"]
QUESTIONS = ("open_orders", "orders", "fills", "flows", "balances", "instruments")

_EDGE_NS = MINUTE_NS
"""At either end of what was read the two sides' clocks may disagree about what lies within."""
_LOST_NS = 5 * MINUTE_NS
"""An order whose fate nobody learnt after so long never arrived."""
_OWN_FLOWS = ("opening:", "adjustment:", "trade:")
_FROM_COMPARISON: dict[str, Code] = {
    "UNKNOWN_ORDER": "EXTRA_ORDER",
    "ORDER_GONE": "MISSING_ORDER",
    "ORDER_ENDED": "ORDER_ENDED",
    "ORDER_STATE": "ORDER_DIFFERS",
    "ORDER_LAGS": "ORDER_DIFFERS",
}


class BookedFill(msgspec.Struct, frozen=True, kw_only=True):
    """One fill as our books have it; `cost` is what the exchange was heard to book, in quote currency."""

    execution_id: str
    client_order_id: str
    trading_pair: str
    side: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str | None
    timestamp: Nanoseconds
    cost: Decimal | None = None


class OurBooks(msgspec.Struct, frozen=True, kw_only=True):
    """Our side. `fills` and `flows` are all that were ever booked, `balances` name the assets that are ours to count,
    `protected` says how much of a pair must have a stop at the exchange.
    """

    quote: str
    opened_ns: Nanoseconds
    orders: tuple[OurOrder, ...] = ()
    fills: tuple[BookedFill, ...] = ()
    flows: tuple[Flow, ...] = ()
    balances: dict[str, Decimal] = {}
    protected: dict[str, Decimal] = {}


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange's side, read at `read_ns`; fills and flows since `since_ns`. None: not answered, `failures` says why.

    `found` says of our open orders that were not listed what became of them, `smallest` how much of a pair an order takes
    at least.
    """

    read_ns: Nanoseconds
    since_ns: Nanoseconds
    open_orders: tuple[OrderFacts, ...] | None = None
    found: dict[str, OrderFacts | None] | None = None
    fills: tuple[FillFacts, ...] | None = None
    flows: tuple[Flow, ...] | None = None
    balances: dict[str, Decimal] | None = None
    smallest: dict[str, Decimal] | None = None
    failures: dict[str, str] = {}


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One difference: `about` an order, fill, flow, pair or asset; `ours` and `theirs` as text."""

    code: Code
    about: str
    text: str
    ours: str | None = None
    theirs: str | None = None
    effects: dict[str, Decimal] = {}
    """What it would add to our balances, were the exchange's word booked."""

    @property
    def signature(self) -> tuple[str | None, ...]:
        """The same in two readings where nothing moved in between."""
        return self.code, self.about, self.ours, self.theirs


class BalanceLine(msgspec.Struct, frozen=True, kw_only=True):
    """One asset: what is booked, what is there (None: unknown), and how much of the difference fills and flows explain."""

    asset: str
    booked: Decimal
    there: Decimal | None
    explained: Decimal = ZERO


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """What one look showed. `unknown` names each question without an answer, and why."""

    read_ns: Nanoseconds
    since_ns: Nanoseconds
    findings: tuple[Finding, ...] = ()
    unknown: dict[str, str] = {}
    balances: tuple[BalanceLine, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """AGREES only where everything was asked and answered."""
        if self.findings:
            return "DIFFERS"
        return "UNKNOWN" if self.unknown else "AGREES"


def audit(
    ours: OurBooks, theirs: Answers, *, young_ns: int = 0, known_assets: frozenset[str] = frozenset()
) -> Audit:
    """Every difference between the books and what was answered. `young_ns`: of orders with news so young nothing is said."""
    findings = [
        *_orders(ours, theirs, young_ns),
        *_fills(ours, theirs),
        *_flows(ours, theirs),
        *_protection(ours, theirs),
        *_strange_assets(ours, theirs, known_assets),
    ]
    effects: dict[str, Decimal] = {}
    for finding in findings:
        for asset, amount in finding.effects.items():
            effects[asset] = effects.get(asset, ZERO) + amount
    balances = tuple(_balance(asset, ours, theirs, effects) for asset in sorted(ours.balances))
    findings += filter(None, (_unexplained(line, theirs) for line in balances))
    unknown = {name: theirs.failures[name] for name in QUESTIONS if name in theirs.failures}
    return Audit(
        read_ns=theirs.read_ns,
        since_ns=theirs.since_ns,
        findings=tuple(findings),
        unknown=unknown,
        balances=balances,
    )


def _orders(ours: OurBooks, theirs: Answers, young_ns: int) -> Iterator[Finding]:
    """Open orders of both sides; of those that were not listed only what was found out."""
    if theirs.open_orders is None:
        return
    asked = theirs.found or {}
    named = {facts.client_order_id for facts in theirs.open_orders}
    named |= {facts.exchange_order_id for facts in theirs.open_orders}
    judged = [
        order
        for order in ours.orders
        if {order.client_order_id, order.exchange_order_id} & named or order.client_order_id in asked
        or order.client_order_id.startswith(EXTERNAL)
    ]  # fmt: skip
    view = ExchangeView(read_ns=theirs.read_ns, open_orders=theirs.open_orders, found=dict(asked))
    # Strangers are judged by all of our orders, the others by those whose fate was asked.
    for found in compare(InternalView(orders=ours.orders), view, Tolerance(young_ns=young_ns)):
        about = found.client_order_id or found.exchange_order_id or ""
        code = _FROM_COMPARISON.get(found.kind)
        waits = found.kind in ("UNKNOWN_ORDER", "ORDER_GONE") and found.resolution == "WAIT"
        mine = found.kind == "UNKNOWN_ORDER" or any(order.client_order_id == about for order in judged)
        if code is not None and mine and not waits:
            yield Finding(code=code, about=about, text=found.text, ours=found.ours, theirs=found.theirs)
    for order in judged:
        lost = order.status in ("PENDING_NEW", "UNKNOWN") and theirs.read_ns - order.updated_at > _LOST_NS
        if lost and asked.get(order.client_order_id, order) is None:
            text = f"order {order.client_order_id}: sent by us, not known there"
            yield Finding(code="MISSING_ORDER", about=order.client_order_id, text=text, ours=order.status)


def _fills(ours: OurBooks, theirs: Answers) -> Iterator[Finding]:
    if theirs.fills is not None:
        yield from _told_fills(ours, theirs.fills)
        yield from _untold_fills(ours, theirs, theirs.fills)


def _told_fills(ours: OurBooks, told: tuple[FillFacts, ...]) -> Iterator[Finding]:
    """What the exchange lists: missing here, or other than here."""
    booked = {fill.execution_id: fill for fill in ours.fills}
    as_flows = {flow.flow_id.split(":")[1] for flow in ours.flows if flow.flow_id.startswith("trade:")}
    for fill in told:
        own = booked.get(fill.execution_id)
        if own is not None:
            yield from _terms(own, fill, ours)
        elif fill.timestamp >= ours.opened_ns and fill.execution_id not in as_flows:
            effects = _counted(_of_fill(fill), ours)
            if effects:
                yield _fill_finding("MISSING_FILL", fill, "not in our books", effects)


def _untold_fills(ours: OurBooks, theirs: Answers, told: tuple[FillFacts, ...]) -> Iterator[Finding]:
    """What we booked and the exchange does not list."""
    names = {fill.execution_id for fill in told}
    for own in ours.fills:
        if own.execution_id in names or not _within(own.timestamp, theirs):
            continue
        twin = next((fill for fill in told if _same_trade(own, fill)), None)
        effects = _counted(_negative(_of_fill(own)), ours)
        if twin is None:
            yield _fill_finding("EXTRA_FILL", own, "not known there", effects)
        else:
            yield _fill_finding("DOUBLED_FILL", own, f"booked beside {twin.execution_id}", effects)


def _terms(own: BookedFill, fill: FillFacts, ours: OurBooks) -> Iterator[Finding]:
    """One fill that both sides know."""
    differing = [
        name
        for name in ("trading_pair", "side", "quantity", "price", "fee", "fee_asset")
        if getattr(own, name) != getattr(fill, name) and not (name == "fee_asset" and not fill.fee)
    ]
    if not differing and fill.cost is not None and _cost(own) != _cost(fill):
        differing = ["cost"]
    if differing:
        said, there = (
            ", ".join(f"{name} {getattr(side, name)}" for name in differing) for side in (own, fill)
        )
        effects = _sum(_of_fill(fill), _negative(_of_fill(own)))
        yield Finding(
            code="FILL_DIFFERS", about=fill.execution_id, ours=said, theirs=there, effects=_counted(effects, ours),
            text=f"fill {fill.execution_id} of {fill.trading_pair}: {said} here, {there} there",
        )  # fmt: skip


def _fill_finding(
    code: Code, fill: BookedFill | FillFacts, said: str, effects: dict[str, Decimal]
) -> Finding:
    told = f"{fill.side} {fill.quantity} {fill.trading_pair} at {fill.price}"
    ours, theirs = (None, told) if code == "MISSING_FILL" else (told, None)
    text = f"fill {fill.execution_id}: {told}, {said}"
    return Finding(code=code, about=fill.execution_id, text=text, ours=ours, theirs=theirs, effects=effects)


def _same_trade(own: BookedFill, fill: FillFacts) -> bool:
    """Whether a fill that nobody knows is another's under a second name."""
    alike = (own.trading_pair, own.side, own.quantity, own.price) == (
        fill.trading_pair, fill.side, fill.quantity, fill.price,
    )  # fmt: skip
    same_order = fill.client_order_id in (None, own.client_order_id)
    return alike and same_order and abs(own.timestamp - fill.timestamp) < _EDGE_NS


def _flows(ours: OurBooks, theirs: Answers) -> Iterator[Finding]:
    if theirs.flows is None:
        return
    booked = {flow.flow_id: flow for flow in ours.flows}
    told = {flow.flow_id: flow for flow in theirs.flows}
    for flow in theirs.flows:
        own = booked.get(flow.flow_id)
        if flow.asset in ours.balances and flow.timestamp >= ours.opened_ns and own is None:
            yield _flow_finding("MISSING_FLOW", flow, None, flow)
        elif own is not None and (own.asset, own.amount) != (flow.asset, flow.amount):
            yield _flow_finding("FLOW_DIFFERS", flow, own, flow)
    for own in ours.flows:
        foreign = not own.flow_id.startswith(_OWN_FLOWS)
        if foreign and own.flow_id not in told and _within(own.timestamp, theirs):
            yield _flow_finding("EXTRA_FLOW", own, own, None)


def _flow_finding(code: Code, about: Flow, own: Flow | None, there: Flow | None) -> Finding:
    said, told = (None if flow is None else f"{flow.amount} {flow.asset}" for flow in (own, there))
    effects = _sum(
        {} if there is None else {there.asset: there.amount}, {} if own is None else {own.asset: -own.amount}
    )
    text = f"{about.kind.lower()} {about.flow_id}: {said or 'nothing'} here, {told or 'nothing'} there"
    return Finding(code=code, about=about.flow_id, text=text, ours=said, theirs=told, effects=effects)


def _protection(ours: OurBooks, theirs: Answers) -> Iterator[Finding]:
    """What we hold and no open sell at the exchange would sell, unless it is too little for an order."""
    if theirs.open_orders is None or theirs.smallest is None:
        return
    for pair, held in sorted(ours.protected.items()):
        sells = (order for order in theirs.open_orders if (order.trading_pair, order.side) == (pair, "SELL"))
        covered = sum((order.quantity - order.filled for order in sells), ZERO)
        if held - covered >= max(theirs.smallest.get(pair, ZERO), Decimal("1e-12")):
            text = f"{pair}: of {held} held, {covered} would be sold by orders at the exchange"
            yield Finding(code="UNPROTECTED", about=pair, text=text, ours=str(held), theirs=str(covered))


def _strange_assets(ours: OurBooks, theirs: Answers, known: frozenset[str]) -> Iterator[Finding]:
    for asset, amount in sorted((theirs.balances or {}).items()):
        if amount and asset not in ours.balances and asset not in known:
            text = f"{asset}: {amount} at the exchange, and nobody here counts it"
            yield Finding(code="UNKNOWN_ASSET", about=asset, text=text, theirs=str(amount))


def _balance(asset: str, ours: OurBooks, theirs: Answers, effects: Mapping[str, Decimal]) -> BalanceLine:
    there = None if theirs.balances is None else theirs.balances.get(asset, ZERO)
    return BalanceLine(
        asset=asset, booked=ours.balances[asset], there=there, explained=effects.get(asset, ZERO)
    )


def _unexplained(line: BalanceLine, theirs: Answers) -> Finding | None:
    """What neither fills nor flows explain. Where those were not answered nothing can be said."""
    if line.there is None or is_booked_alike(line.there, line.booked + line.explained):
        return None
    if theirs.fills is None or theirs.flows is None:
        return None
    explained = f", of which {line.explained} is explained" if line.explained else ""
    text = f"{line.asset}: {line.booked} booked, {line.there} at the exchange{explained}"
    return Finding(
        code="BALANCE_DIFFERS", about=line.asset, text=text, ours=str(line.booked), theirs=str(line.there)
    )


def _within(ts_ns: int, theirs: Answers) -> bool:
    return theirs.since_ns + _EDGE_NS <= ts_ns <= theirs.read_ns - _EDGE_NS


def _of_fill(fill: BookedFill | FillFacts) -> dict[str, Decimal]:
    """What a fill does to each asset."""
    base, _, quote = fill.trading_pair.partition("/")
    sign = 1 if fill.side == "BUY" else -1
    moved = {base: sign * fill.quantity, quote: -sign * _cost(fill)}
    return _sum(moved, {fill.fee_asset: -fill.fee} if fill.fee_asset and fill.fee else {})


def _cost(fill: BookedFill | FillFacts) -> Decimal:
    return value_of(fill.quantity, fill.price) if fill.cost is None else fill.cost


def _counted(effects: Mapping[str, Decimal], ours: OurBooks) -> dict[str, Decimal]:
    return {asset: amount for asset, amount in effects.items() if asset in ours.balances and amount}


def _sum(first: Mapping[str, Decimal], second: Mapping[str, Decimal]) -> dict[str, Decimal]:
    return {
        asset: first.get(asset, ZERO) + second.get(asset, ZERO) for asset in dict.fromkeys((*first, *second))
    }


def _negative(effects: Mapping[str, Decimal]) -> dict[str, Decimal]:
    return {asset: -amount for asset, amount in effects.items()}


def told(found: Audit) -> dict[str, Any]:
    """JSON form: amounts as text, what is unknown by that word."""
    return {
        "verdict": found.verdict,
        "findings": [
            {name: value for name, value in msgspec.structs.asdict(one).items() if name != "effects"}
            for one in found.findings
        ],
        "unknown": dict(found.unknown),
        "balances": [
            {
                "asset": line.asset,
                "booked": _plain(line.booked),
                "there": "unknown" if line.there is None else _plain(line.there),
                "explained": _plain(line.explained),
            }
            for line in found.balances
        ],
    }


def _plain(amount: Decimal) -> str:
    return f"{amount:f}" if amount else "0"
