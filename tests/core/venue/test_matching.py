"""Price-time priority, against a reference that sorts everything anew for each match."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gal_friday_core.errors import ContractError
from gal_friday_core.venue.matching import MatchingBook, Resting, Taking


@dataclass
class Naive:
    """One resting order of the reference. `turn` is its place in time."""

    key: str
    owner: str | None
    side: str
    price: int
    left: int
    slice_size: int | None
    shown: int
    turn: int


class Reference:
    """Price-time priority by its definition: sort, take the first, repeat."""

    def __init__(self) -> None:
        self.orders: list[Naive] = []
        self.turn = 0

    def rest(self, order: Naive) -> None:
        self.turn += 1
        order.turn = self.turn
        order.shown = min(order.left, order.slice_size or order.left)
        self.orders.append(order)

    def first(self, side: str, limit: int | None) -> Naive | None:
        sign = 1 if side == "buy" else -1
        against = [
            order
            for order in self.orders
            if order.side != side and (limit is None or sign * order.price <= sign * limit)
        ]
        return min(against, key=lambda order: (sign * order.price, order.turn), default=None)

    def match(self, side: str, left: int, limit: int | None, owner: str | None, stp: str) -> Any:
        fills: list[tuple[str, int]] = []
        while left and (maker := self.first(side, limit)):
            if owner is not None and maker.owner == owner:
                if stp != "cancel_newest":
                    self.orders.remove(maker)
                if stp != "cancel_oldest":
                    return fills, True
                continue
            quantity = min(left, maker.shown)
            fills.append((maker.key, quantity))
            left -= quantity
            maker.left -= quantity
            maker.shown -= quantity
            if not maker.left:
                self.orders.remove(maker)
            elif not maker.shown:
                self.orders.remove(maker)
                self.rest(maker)
        return fills, False

    def levels(self, side: str) -> list[tuple[int, int]]:
        totals: dict[int, int] = {}
        for order in self.orders:
            if order.side == side:
                totals[order.price] = totals.get(order.price, 0) + order.shown
        return sorted(totals.items(), reverse=side == "buy")


OWNERS = st.sampled_from([None, "ann", "bob"])
SIDES = st.sampled_from(["buy", "sell"])
PRICES = st.integers(95, 105)
SIZES = st.integers(1, 9)
ACTIONS = st.one_of(
    st.tuples(st.just("rest"), SIDES, PRICES, SIZES, OWNERS, st.one_of(st.none(), st.integers(1, 3))),
    st.tuples(
        st.just("match"),
        SIDES,
        st.one_of(st.none(), PRICES),
        SIZES,
        OWNERS,
        st.sampled_from(["cancel_newest", "cancel_oldest", "cancel_both"]),
    ),
    st.tuples(st.just("remove"), st.integers(0, 30), st.none(), st.none(), st.none(), st.none()),
    st.tuples(st.just("resize"), st.integers(0, 30), st.integers(1, 8), st.none(), st.none(), st.none()),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(ACTIONS, max_size=60))
def test_book_fills_in_the_order_of_the_reference(actions: list[tuple[Any, ...]]) -> None:
    book, reference = MatchingBook(), Reference()
    for number, (kind, first, second, size, owner, extra) in enumerate(actions):
        if kind == "rest":
            rest_uncrossed(book, reference, Naive(str(number), owner, first, second, size, extra, 0, 0))
        elif kind == "match":
            met = book.match(
                Taking(first, Decimal(size), None if second is None else Decimal(second), owner, extra)
            )
            fills, stopped = reference.match(first, size, second, owner, extra)
            assert [(fill.maker.key, fill.quantity) for fill in met.fills] == fills
            assert met.stopped == stopped
        elif reference.orders:
            touch(book, reference, reference.orders[first % len(reference.orders)], kind, second)
        for side in ("buy", "sell"):
            assert book.levels(side) == reference.levels(side)
            assert book.levels(side, 2) == reference.levels(side)[:2]


def rest_uncrossed(book: MatchingBook, reference: Reference, order: Naive) -> None:
    """Only what crosses nothing rests: the floor matches first."""
    if reference.first(order.side, order.price) is not None:
        assert book.crosses(order.side, Decimal(order.price))
        return
    slice_size = None if order.slice_size is None else Decimal(order.slice_size)
    book.rest(
        Resting(order.key, order.owner, order.side, Decimal(order.price), Decimal(order.left), slice_size)  # type: ignore[arg-type]
    )
    reference.rest(order)


def touch(book: MatchingBook, reference: Reference, order: Naive, kind: str, left: int | None) -> None:
    if kind == "remove":
        book.remove(order.key)
        reference.orders.remove(order)
    elif left is not None and left <= order.left:
        book.resize(order.key, Decimal(left))
        order.left = left
        order.shown = min(order.shown, left)


def resting(key: str, price: int, left: int, slice_size: int | None = None) -> Resting:
    size = None if slice_size is None else Decimal(slice_size)
    return Resting(key, None, "sell", Decimal(price), Decimal(left), size)


def test_iceberg_goes_to_the_end_of_its_level_with_each_slice() -> None:
    book = MatchingBook()
    book.rest(resting("iceberg", 100, 5, 2))
    book.rest(resting("plain", 100, 3))
    assert book.levels("sell") == [(100, 5)]
    met = book.match(Taking("buy", Decimal(7)))
    assert [(fill.maker.key, fill.quantity, fill.refill) for fill in met.fills] == [
        ("iceberg", 2, 2),
        ("plain", 3, 0),
        ("iceberg", 2, 1),
    ]
    assert book.levels("sell") == [(100, 1)]


def test_hidden_size_counts_as_available_but_is_not_shown() -> None:
    book = MatchingBook()
    book.rest(resting("iceberg", 100, 5, 2))
    assert list(book.available("buy", None)) == [(100, 5)]
    assert book.at("sell", Decimal(100)) == 2


def test_touched_levels_are_told_once_with_their_quantity_now() -> None:
    book = MatchingBook()
    book.rest(resting("one", 100, 5))
    book.rest(resting("two", 101, 5))
    assert book.touched() == {("sell", 100): 5, ("sell", 101): 5}
    book.match(Taking("buy", Decimal(6)))
    assert book.touched() == {("sell", 100): 0, ("sell", 101): 4}
    assert book.touched() == {}


def test_what_cannot_be_afforded_ends_the_match() -> None:
    book = MatchingBook()
    book.rest(resting("one", 100, 5))
    met = book.match(Taking("buy", Decimal(4)), lambda _price, offered: min(offered, Decimal(3)))
    assert [fill.quantity for fill in met.fills] == [3]


@pytest.mark.parametrize(
    "misuse",
    [
        lambda book: book.rest(resting("one", 101, 1)),
        lambda book: book.rest(resting("empty", 101, 0)),
        lambda book: book.remove("two"),
        lambda book: book.resize("one", Decimal(6)),
    ],
)
def test_misuse_is_refused(misuse: Callable[[MatchingBook], Any]) -> None:
    book = MatchingBook()
    book.rest(resting("one", 100, 5))
    with pytest.raises(ContractError):
        misuse(book)
    assert book.levels("sell") == [(100, 5)]
