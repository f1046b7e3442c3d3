"""The outside market: everybody on the venue who is not a client. Here the protocol, and a generated one."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Protocol

import numpy as np

from gal_friday_core.candles import Candles
from gal_friday_core.money import ceil_to, floor_to
from gal_friday_core.times import SECOND_NS
from gal_friday_core.venue.fair_path import FairPath
from gal_friday_core.venue.floor import Floor
from gal_friday_core.venue.listings import Listing
from gal_friday_core.venue.requests import Side

HALF_SPREAD = 0.5e-4
"""Nobody quotes closer to the value than this share of it."""
DISTANCE = 6e-4
"""Mean distance of a new limit order from there, as a share of the value."""
FAR = 3.0
"""Orders in the opening book lie so much further apart than those of the flow."""
TYPICAL_SIZE = 100
"""The median order is this multiple of the smallest one allowed."""
SIZE_SPREAD = 1.2
TAKERS = 0.12
"""Share of outside orders that take; the rest come and go as limit orders, about as many as leave."""
SEEDS_APART = 1_009
TAKER_REACH = 15e-4
"""A taker pays no more than this share from the value."""


class OutsideMarket(Protocol):
    """One pair's outside orders; it acts at times that it names itself."""

    def open(self, floor: Floor, now_ns: int) -> None:
        """Fill the book before the first client comes."""
        ...

    def due_ns(self) -> int | None:
        """When it acts next; None where it never will again."""
        ...

    def act(self, floor: Floor, now_ns: int) -> None:
        """Do what is due, and name the next time."""
        ...

    def skip(self) -> None:
        """Let what is due go by: the pair does not match."""
        ...

    def history(self) -> Candles | None:
        """One-minute bars up to the opening, where there are any; known once opened."""
        ...


class ValuePath(Protocol):
    """What a pair is worth over time."""

    @property
    def history(self) -> Candles: ...

    def at(self, now_ns: int) -> tuple[float, float]:
        """Value and activity (1 = an ordinary minute)."""
        ...


class GeneratedMarket:
    """Seeded outside traders around a value that follows `core.market_simulator`: no edge is planted. With
    `path` they trade around that instead, such as recorded candles.

    `orders_a_second` on average, more when the value moves; `orders_a_side` is what the book holds in
    equilibrium, `size_scale` makes each larger. Makers quote at exponential distances from the value, takers come at random, and whoever
    sees a quote on the wrong side of the value takes it. What it does depends on seed, start and what
    clients did, never on how time was cut.
    """

    def __init__(
        self,
        listing: Listing,
        seed: int,
        *,
        orders_a_second: float = 4.0,
        orders_a_side: int = 250,
        history_minutes: int = 720,
        path: ValuePath | None = None,
        size_scale: float = 1.0,
    ) -> None:
        self._listing = listing
        self._seed = seed
        self._rate = orders_a_second
        self._target = orders_a_side
        self._history_minutes = history_minutes
        self._random = np.random.Generator(np.random.PCG64(seed))
        self._keys: list[str] = []
        self._placed = 0
        self._due_ns = 0
        self._path = path
        self._typical = float(listing.quantity_min) * TYPICAL_SIZE * size_scale

    def open(self, floor: Floor, now_ns: int) -> None:
        """Draw the history and place the opening book."""
        listing = self._listing
        if self._path is None:
            self._path = FairPath(
                listing.symbol, now_ns, float(listing.start_price), self._seed, self._history_minutes
            )
        value, _ = self._path.at(now_ns)
        for _ in range(self._target):
            for side in ("buy", "sell"):
                self._quote(floor, side, value, now_ns, spread=DISTANCE * FAR)
        self._due_ns = now_ns
        self._name_next(1.0)

    def due_ns(self) -> int | None:
        return self._due_ns

    def history(self) -> Candles | None:
        return self._path.history if self._path is not None else None

    def act(self, floor: Floor, now_ns: int) -> None:
        """One outside order comes or goes."""
        value, activity = self._value(now_ns)
        self._correct(floor, value, now_ns)
        chance = self._random.random()
        side: Side = "buy" if self._random.random() < 0.5 else "sell"
        if chance < TAKERS:
            sign = 1 if side == "buy" else -1
            limit = self._price(value * (1 + sign * TAKER_REACH), "sell" if side == "buy" else "buy")
            floor.outside_market(side, self._size(), now_ns, limit=limit)
        elif chance < TAKERS + (1 - TAKERS) * self._arrivals():
            self._quote(floor, side, value, now_ns, spread=DISTANCE)
        else:
            self._withdraw(floor, now_ns)
        self._name_next(activity)

    def skip(self) -> None:
        self._name_next(1.0)

    def _value(self, now_ns: int) -> tuple[float, float]:
        assert self._path is not None, "a market is opened before it acts"
        return self._path.at(now_ns)

    def _name_next(self, activity: float) -> None:
        wait = self._random.exponential(1.0 / (self._rate * activity))
        self._due_ns += max(int(wait * SECOND_NS), 1)

    def _arrivals(self) -> float:
        """The share of newcomers among limit orders: half, more where the book is thinner than it should be."""
        fullness = len(self._keys) / (2 * self._target)
        return min(max(0.5 + (1 - fullness), 0.05), 0.95)

    def _correct(self, floor: Floor, value: float, now_ns: int) -> None:
        """Quotes on the wrong side of the value are taken, up to a few ordinary orders at a time."""
        ask, bid = floor.book.best("sell"), floor.book.best("buy")
        if ask is not None and float(ask) < value * (1 - HALF_SPREAD):
            floor.outside_market("buy", 5 * self._size(), now_ns, limit=self._price(value, "buy"))
        if bid is not None and float(bid) > value * (1 + HALF_SPREAD):
            floor.outside_market("sell", 5 * self._size(), now_ns, limit=self._price(value, "sell"))

    def _quote(self, floor: Floor, side: Side, value: float, now_ns: int, *, spread: float) -> None:
        sign = -1 if side == "buy" else 1
        away = HALF_SPREAD + self._random.exponential(spread)
        price = self._price(value * max(1 + sign * away, 0.1), side)
        self._placed += 1
        key = f"outside-{self._placed}"
        floor.outside_limit(key, side, price, self._size(), now_ns)
        self._keys.append(key)

    def _withdraw(self, floor: Floor, now_ns: int) -> None:
        """A random order goes; those that were filled meanwhile are forgotten on the way."""
        while self._keys:
            pick = int(self._random.integers(len(self._keys)))
            key = self._keys[pick]
            self._keys[pick] = self._keys[-1]
            self._keys.pop()
            if key in floor.book:
                floor.outside_remove(key, now_ns)
                return

    def _price(self, value: float, side: Side) -> Decimal:
        """To the tick grid, away from the value; at least one tick."""
        tick = self._listing.tick_size
        exact = Decimal(repr(float(value)))
        return max(floor_to(exact, tick) if side == "buy" else ceil_to(exact, tick), tick)

    def _size(self) -> Decimal:
        drawn = self._typical * float(self._random.lognormal(0.0, SIZE_SPREAD))
        return max(floor_to(Decimal(repr(drawn)), self._listing.lot), self._listing.lot)


def generated_markets(listings: Iterable[Listing], seed: int) -> dict[str, OutsideMarket]:
    """A generated market for every pair, each with a seed of its own."""
    return {
        listing.symbol: GeneratedMarket(listing, seed * SEEDS_APART + number)
        for number, listing in enumerate(listings)
    }
