"""The book of one pair: price-time priority, partial fills, hidden iceberg size, self-trade prevention.

Orders of clients and of the outside market rest in the same queues, so a client's order waits its turn behind
what was there before it. Quantities and prices are exact decimals on the pair's grid. An iceberg shows its
display quantity; once that is taken it shows the next slice at the end of its level's queue
(KRAKEN_PROTOCOL §3.1, `iceberg_refill` of §7).

Entry points: `MatchingBook.match`, `rest`, `remove`, `resize`. Nothing here knows balances or order types.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from gal_friday_core.errors import ContractError
from gal_friday_core.money import ZERO
from gal_friday_core.venue.requests import SelfTrade, Side
from gal_friday_core.venue.updates import PriceLevel


@dataclass(slots=True, eq=False)
class Resting:
    """A claim in the queue. `owner` is None for the outside market; `slice_size` is set for an iceberg."""

    key: str
    owner: str | None
    side: Side
    price: Decimal
    left: Decimal
    slice_size: Decimal | None = None
    shown: Decimal = ZERO

    def show(self) -> None:
        """Put the next slice on display."""
        self.shown = self.left if self.slice_size is None else min(self.left, self.slice_size)


@dataclass(frozen=True, slots=True)
class Match:
    """A fill of `maker` at its price; `refill` is the next slice that an iceberg put on display, else 0."""

    maker: Resting
    quantity: Decimal
    refill: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Taking:
    """What an incoming order may take: at most `quantity`, at `limit` or better, from no one of its own `owner`."""

    side: Side
    quantity: Decimal
    limit: Decimal | None = None
    owner: str | None = None
    stp: SelfTrade = "cancel_newest"


@dataclass(frozen=True, slots=True)
class Met:
    """What a taker met: fills, its own orders that were removed to prevent a trade, and whether it is stopped itself."""

    fills: tuple[Match, ...]
    removed: tuple[Resting, ...] = ()
    stopped: bool = False


Affordable = Callable[[Decimal, Decimal], Decimal]
"""(price, quantity offered) → how much of it the taker may take; less than offered ends the match."""


class _Level:
    __slots__ = ("queue", "total")

    def __init__(self) -> None:
        self.queue: dict[str, Resting] = {}
        self.total = ZERO


class _Half:
    """One side: levels by price, and prices sorted so that the last one is the best."""

    def __init__(self, side: Side) -> None:
        self.sign = 1 if side == "buy" else -1
        self.levels: dict[Decimal, _Level] = {}
        self.ranks: list[Decimal] = []

    def best(self) -> Decimal | None:
        return self.sign * self.ranks[-1] if self.ranks else None

    def level(self, price: Decimal) -> _Level:
        found = self.levels.get(price)
        if found is None:
            found = self.levels[price] = _Level()
            insort(self.ranks, self.sign * price)
        return found

    def drop(self, price: Decimal) -> None:
        del self.levels[price]
        del self.ranks[bisect_left(self.ranks, self.sign * price)]

    def prices(self) -> Iterator[Decimal]:
        """Best first."""
        for rank in reversed(self.ranks):
            yield self.sign * rank


class MatchingBook:
    """One pair's resting orders; see the module's text."""

    def __init__(self) -> None:
        self._halves: dict[Side, _Half] = {"buy": _Half("buy"), "sell": _Half("sell")}
        self._resting: dict[str, Resting] = {}
        self._touched: dict[tuple[Side, Decimal], None] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._resting

    def get(self, key: str) -> Resting | None:
        return self._resting.get(key)

    def best(self, side: Side) -> Decimal | None:
        """The highest bid for 'buy', the lowest ask for 'sell'; None where the side is empty."""
        return self._halves[side].best()

    def levels(self, side: Side, depth: int | None = None) -> list[PriceLevel]:
        """Price and visible quantity, best first."""
        half = self._halves[side]
        ranks = half.ranks[::-1] if depth is None else half.ranks[: -depth - 1 : -1]
        prices = [half.sign * rank for rank in ranks]
        return [(price, half.levels[price].total) for price in prices]

    def queue(self, side: Side, price: Decimal) -> tuple[Resting, ...]:
        """What rests at a price, in the order in which it will be filled."""
        level = self._halves[side].levels.get(price)
        return tuple(level.queue.values()) if level else ()

    def at(self, side: Side, price: Decimal) -> Decimal:
        """The visible quantity at a price."""
        level = self._halves[side].levels.get(price)
        return level.total if level else ZERO

    def touched(self) -> dict[tuple[Side, Decimal], Decimal]:
        """Levels that changed since the last call, with their visible quantity now."""
        changed = {where: self.at(*where) for where in self._touched}
        self._touched.clear()
        return changed

    def crosses(self, side: Side, limit: Decimal | None) -> bool:
        """Whether an order of that side would find a counterpart at once."""
        best = self.best(_other(side))
        return best is not None and _reaches(side, limit, best)

    def available(self, side: Side, limit: Decimal | None, owner: str | None = None) -> Iterator[PriceLevel]:
        """What a taker could get, best first: price and quantity, hidden size counted, its own orders not."""
        half = self._halves[_other(side)]
        for price in half.prices():
            if not _reaches(side, limit, price):
                return
            queue = half.levels[price].queue.values()
            yield price, sum((o.left for o in queue if owner is None or o.owner != owner), ZERO)

    def rest(self, order: Resting) -> None:
        """Queue an order at the end of its level. Raises ContractError for a key that rests already."""
        if order.key in self._resting or order.left <= 0:
            raise ContractError(f"order {order.key} cannot rest: it rests already, or has nothing left")
        order.show()
        level = self._halves[order.side].level(order.price)
        level.queue[order.key] = order
        level.total += order.shown
        self._resting[order.key] = order
        self._touched[order.side, order.price] = None

    def remove(self, key: str) -> Resting:
        """Take an order out. Raises ContractError where it does not rest here."""
        order = self._resting.pop(key, None)
        if order is None:
            raise ContractError(f"order {key} does not rest in this book")
        half = self._halves[order.side]
        level = half.levels[order.price]
        del level.queue[key]
        level.total -= order.shown
        self._touched[order.side, order.price] = None
        if not level.queue:
            half.drop(order.price)
        return order

    def resize(self, key: str, left: Decimal) -> None:
        """Give an order less to fill; it keeps its place. Raises ContractError where that is not less."""
        order = self._resting.get(key)
        if order is None or not 0 < left <= order.left:
            raise ContractError(f"order {key} cannot be given {left} and keep its place")
        level = self._halves[order.side].levels[order.price]
        level.total -= order.shown
        order.left = left
        order.shown = min(order.shown, left)
        level.total += order.shown
        self._touched[order.side, order.price] = None

    def match(self, taking: Taking, affordable: Affordable | None = None) -> Met:
        """Fill from the best price on, oldest first, until quantity, limit or book ends.

        Where the taker meets an order of its own owner, self-trade prevention removes the resting one
        (cancel_oldest), stops the taker (cancel_newest), or both (§3.2 `stptype`).
        """
        fills: list[Match] = []
        removed: list[Resting] = []
        left = taking.quantity
        while left > 0:
            maker = self._first(taking)
            if maker is None:
                break
            if taking.owner is not None and maker.owner == taking.owner:
                if taking.stp != "cancel_newest":
                    removed.append(self.remove(maker.key))
                if taking.stp != "cancel_oldest":
                    return Met(tuple(fills), tuple(removed), stopped=True)
                continue
            wanted = min(left, maker.shown)
            quantity = wanted if affordable is None else affordable(maker.price, wanted)
            if quantity > 0:
                fills.append(self._fill(maker, quantity))
                left -= quantity
            if quantity < wanted:
                break
        return Met(tuple(fills), tuple(removed))

    def _first(self, taking: Taking) -> Resting | None:
        half = self._halves[_other(taking.side)]
        best = half.best()
        if best is None or not _reaches(taking.side, taking.limit, best):
            return None
        return next(iter(half.levels[best].queue.values()))

    def _fill(self, maker: Resting, quantity: Decimal) -> Match:
        level = self._halves[maker.side].levels[maker.price]
        maker.left -= quantity
        maker.shown -= quantity
        level.total -= quantity
        self._touched[maker.side, maker.price] = None
        if maker.left == 0:
            self.remove(maker.key)
        elif maker.shown == 0:
            del level.queue[maker.key]
            maker.show()
            level.queue[maker.key] = maker
            level.total += maker.shown
            return Match(maker, quantity, maker.shown)
        return Match(maker, quantity)


def _other(side: Side) -> Side:
    return "sell" if side == "buy" else "buy"


def _reaches(side: Side, limit: Decimal | None, price: Decimal) -> bool:
    """Whether a taker with that limit takes from that price."""
    return limit is None or (price <= limit if side == "buy" else price >= limit)
