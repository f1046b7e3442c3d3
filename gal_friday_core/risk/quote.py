"""The live book as the risk check sees it: best prices, and what a market buy would find."""

from bisect import bisect_right
from decimal import Decimal
from typing import Self

import msgspec

from gal_friday_core.money import UNITS
from gal_friday_core.ports import Book

_UNITS = tuple(10.0**-places for places in range(len(UNITS)))


class Quote(msgspec.Struct, frozen=True):
    """One moment of a verified book with both sides; asks best first, in the book's own whole units.

    `price_unit` and `quantity_unit` are what one of these is worth.
    """

    bid: float
    ask: float
    best_ask: Decimal
    ask_prices: list[int]
    ask_quantities: list[int]
    price_unit: float
    quantity_unit: float

    @classmethod
    def of(cls, book: Book) -> Self | None:
        """None where a side is empty or the book is crossed: nothing can be judged by it."""
        bids, _, prices, quantities = book.columns()
        asks = prices.tolist()
        if not (asks and len(bids)):
            return None
        bid = bids.item(0)
        if bid >= asks[0]:
            return None
        places = book.price_decimals
        unit = _UNITS[places]
        return cls(
            bid * unit, asks[0] * unit, asks[0] * UNITS[places],
            asks, quantities.tolist(), unit, _UNITS[book.qty_decimals],
        )  # fmt: skip

    @property
    def middle(self) -> float:
        return (self.bid + self.ask) / 2

    @property
    def spread(self) -> float:
        """As a fraction of the middle."""
        return (self.ask - self.bid) * 2 / (self.ask + self.bid)

    def depth(self, reach: float) -> float:
        """Base units offered up to `reach` (a fraction) above the best ask."""
        highest = self.ask_prices[0] * (1 + reach)
        levels = bisect_right(self.ask_prices, highest)
        return sum(self.ask_quantities[:levels]) * self.quantity_unit

    def average(self, quantity: float) -> float:
        """Mean price of a market buy of so many base units; the last level stands for all beyond it."""
        wanted = left = quantity / self.quantity_unit
        paid = 0.0
        for price, offered in zip(self.ask_prices, self.ask_quantities, strict=True):
            if left <= offered:
                return (paid + left * price) / wanted * self.price_unit
            paid += offered * price
            left -= offered
        return (paid + left * self.ask_prices[-1]) / wanted * self.price_unit


def deviation(price: Decimal, quote: Quote) -> float:
    """How far a price is from the middle of the book, as a fraction of it; negative below."""
    return float(price) / quote.middle - 1
