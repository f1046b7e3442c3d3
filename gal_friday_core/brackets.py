"""What protects a position on a venue where stop and target cannot both rest, and what to do next about it.

`Brackets` follows, fill by fill, how much of a pair our entries still hold and at which stop and target.
`decide` looks at one pair and names one next step, or none. It remembers nothing, so after a crash it goes
on from whatever the venue has: what is held and has no open sell gets its stop, whatever was planned before.

Stop and target are one-cancels-other: a swap asks for the end of every stop, waits until the venue has
confirmed each, and only then sells what that freed. What is left afterwards gets its stop back.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from gal_friday_core.blotter import OrderRecord, Sells
from gal_friday_core.instruments import Instrument
from gal_friday_core.money import ZERO, value_of
from gal_friday_core.orders import Order, Purpose
from gal_friday_core.payloads import ExecutionReport, OrderStatus

SwapKind = Literal["TARGET", "EXIT"]
_RESTING: frozenset[OrderStatus] = frozenset({"NEW", "PARTIALLY_FILLED"})
_SALES: frozenset[Purpose] = frozenset({"TARGET", "EXIT", "LIQUIDATION"})


@dataclass(slots=True)
class Bracket:
    """One pair: what our entries hold of it, in base units, and the protection of the newest entry."""

    pair: str
    entry: str
    signal_id: str
    stop: Decimal | None
    target: Decimal | None
    quantity: Decimal = ZERO


class Brackets:
    """One bracket a pair, from the first fill of an entry until everything is sold."""

    def __init__(self) -> None:
        self._by_pair: dict[str, Bracket] = {}

    def get(self, pair: str) -> Bracket | None:
        return self._by_pair.get(pair)

    def pairs(self) -> tuple[str, ...]:
        return tuple(self._by_pair)

    def close(self, pair: str) -> None:
        """Nothing of the pair is held any more, whoever sold it."""
        self._by_pair.pop(pair, None)

    def apply(self, order: Order, report: ExecutionReport) -> None:
        """Take in a new fill. A fee taken in the base asset is never held."""
        if report.last_quantity is None:
            return
        pair = report.trading_pair
        bracket = self._by_pair.get(pair)
        if report.side == "SELL":
            if bracket is not None:
                bracket.quantity -= report.last_quantity
                if bracket.quantity <= 0:
                    self.close(pair)
            return
        if order.purpose != "ENTRY":
            return
        in_base = report.commission is not None and report.commission_asset == pair.partition("/")[0]
        bought = report.last_quantity - (report.commission or ZERO if in_base else ZERO)
        held = bracket.quantity if bracket is not None else ZERO
        self._by_pair[pair] = Bracket(
            pair, order.client_order_id, order.signal_id, order.stop_price, order.target_price, held + bought
        )


@dataclass(slots=True)
class Swap:
    """Protection on its way out so that something else can be sold. `asked` are the orders whose end was asked
    for; nothing is done before the plan is `durable`.
    """

    kind: SwapKind
    order: Order | None = None
    expires_at: int = 0
    durable: bool = False
    asked: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """All that a decision depends on. `position` is what the portfolio holds of the pair, ours or not.

    `best_bid` is that of a verified book, or None. `settled` tells that protection which the venue attaches by
    itself would have been reported by now. `entries` are orders that may still add to the position. `nobody_buys` tells that
    what was sold at market, or triggered, found no buyer, in a book that is verified.
    """

    bracket: Bracket
    position: Decimal
    sells: Sells
    entries: tuple[OrderRecord, ...]
    swap: Swap | None
    best_bid: Decimal | None
    instrument: Instrument
    amends: bool
    settled: bool
    may_take_target: bool = True
    nobody_buys: bool = False
    may_lift_offer: bool = True

    @property
    def held(self) -> Decimal:
        """What of the position is ours to protect, on the lot."""
        quantity = min(self.position, self.bracket.quantity)
        return self.instrument.quantity_down(quantity) if quantity > 0 else ZERO

    @property
    def covered(self) -> Decimal:
        """What every open sell of the pair would sell, stops that are on their way out included."""
        return sum((record.left for group in self.sells for record in group), ZERO)

    @property
    def free(self) -> Decimal:
        """What is held and no open sell has a claim on."""
        return max(self.held - self.covered, ZERO)

    @property
    def offers(self) -> tuple[OrderRecord, ...]:
        """What rests at a price because nobody bought, in place of stops."""
        return tuple(
            record
            for record in self.sells.stops
            if record.order.order_type == "LIMIT" and record.status in _RESTING
        )


@dataclass(frozen=True, slots=True)
class PlaceStop:
    quantity: Decimal
    trigger: Decimal


@dataclass(frozen=True, slots=True)
class SellNow:
    """The price is beyond the stop already: what is unprotected goes at market."""

    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Offer:
    """Nobody buys, and a stop would be triggered and end at once: what is unprotected rests at the stop's price."""

    quantity: Decimal
    limit: Decimal


@dataclass(frozen=True, slots=True)
class GrowStop:
    """Too little for a stop of its own: an existing one is amended to this whole quantity."""

    client_order_id: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Cancel:
    client_order_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TakeTarget:
    """The market has reached the target: plan the swap."""

    limit: Decimal


@dataclass(frozen=True, slots=True)
class SendFreed:
    """Every stop has ended: what they held may be sold. Zero where one of them sold it."""

    quantity: Decimal


@dataclass(frozen=True, slots=True)
class TooSmall:
    """Less than the venue takes in any order, and nothing to add it to."""

    quantity: Decimal


Action = PlaceStop | SellNow | Offer | GrowStop | Cancel | TakeTarget | SendFreed | TooSmall


def decide(desk: Desk) -> Action | None:
    """The next step for the pair's protection, or None where there is nothing to do but wait."""
    if desk.swap is not None:
        return _go_on(desk, desk.swap)
    if _reached(desk):
        return TakeTarget(desk.bracket.target or ZERO)
    return _restore(desk) if desk.settled else None


def unprotected(desk: Desk) -> bool:
    """Whether something is held that no open sell would sell, and that is large enough to be sold."""
    return desk.swap is None and desk.free > 0 and not _is_too_small(desk, desk.free)


def _reached(desk: Desk) -> bool:
    """Whether the target can be taken: nothing else sells, and no stop is on its way that nobody told of yet."""
    target = desk.bracket.target
    if target is None or desk.best_bid is None or desk.best_bid < target:
        return False
    if desk.sells.others or not (desk.settled and desk.may_take_target):
        return False
    return desk.held > 0 and not _is_too_small(desk, desk.held)


def selling(sells: Sells) -> tuple[OrderRecord, ...]:
    """Sales of ours that are under way: what they have not sold when they end may be sold again, and nothing before."""
    return tuple(record for record in sells.others if record.order.purpose in _SALES)


def _go_on(desk: Desk, swap: Swap) -> Action | None:
    """End what may add to the position, then what holds it, each confirmed; then send, once no other sale is under way."""
    if not swap.durable:
        return None
    # An entry that nobody knows of may take long to be found: should it fill, it brings a stop of its own.
    entries = tuple(record for record in desk.entries if record.status != "UNKNOWN")
    standing = entries or (*desk.sells.stops, *desk.sells.leaving)
    keys = tuple(record.order.client_order_id for record in standing)
    due = tuple(key for key in keys if key not in swap.asked)
    if due:
        return Cancel(due)
    return None if standing or selling(desk.sells) else SendFreed(desk.free)


def _restore(desk: Desk) -> Action | None:
    """The missing part gets its stop; beyond the stop it is sold, or offered where nobody buys."""
    missing, stop = desk.free, desk.bracket.stop
    if stop is None:
        return None
    if missing <= 0:
        return _lift_offers(desk)
    if _is_too_small(desk, missing):
        return _consolidate(desk, missing)
    if desk.best_bid is not None and desk.best_bid > stop:
        return PlaceStop(missing, stop)
    if desk.nobody_buys:
        return Offer(missing, stop)
    return PlaceStop(missing, stop) if desk.best_bid is None else SellNow(missing)


def _lift_offers(desk: Desk) -> Action | None:
    """Somebody buys again: what was offered goes at market, or gets its stop back."""
    if not desk.offers or desk.best_bid is None or not desk.may_lift_offer:
        return None
    return Cancel(tuple(record.order.client_order_id for record in desk.offers))


def _consolidate(desk: Desk, missing: Decimal) -> Action:
    """Join what is too small to a stop that rests: amended where the venue can, else placed anew as one."""
    resting = [record for record in desk.sells.stops if record.status in _RESTING]
    if not resting:
        return TooSmall(missing)
    smallest = min(resting, key=lambda record: record.left)
    key = smallest.order.client_order_id
    return GrowStop(key, smallest.quantity + missing) if desk.amends else Cancel((key,))


def _is_too_small(desk: Desk, quantity: Decimal) -> bool:
    instrument, stop = desk.instrument, desk.bracket.stop
    if quantity < instrument.min_quantity:
        return True
    return stop is not None and value_of(quantity, stop) < instrument.min_cost
