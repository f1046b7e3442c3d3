"""The live book as the risk check sees it: best prices, and what a market buy would find."""

from decimal import Decimal
from typing import Self

import msgspec

from gal_friday_core.ports import Book


class Quote(msgspec.Struct, frozen=True):
    """One moment of a verified book with both sides; asks best first, as (price, quantity)."""

    bid: float
    ask: float
    best_ask: Decimal
    asks: list[tuple[float, float]]

    @classmethod
    def of(cls, book: Book) -> Self | None:
        """None where a side is empty or the book is crossed: nothing can be judged by it."""
        bids, asks = book.bid_prices, book.ask_prices.tolist()
        if not (len(bids) and asks):
            return None
        price_unit, quantity_unit = 10.0**-book.price_decimals, 10.0**-book.qty_decimals
        bid = int(bids[0])
        if bid >= asks[0]:
            return None
        levels = [
            (price * price_unit, quantity * quantity_unit)
            for price, quantity in zip(asks, book.ask_quantities.tolist(), strict=True)
        ]
        best = Decimal(asks[0]).scaleb(-book.price_decimals)
        return cls(bid * price_unit, levels[0][0], best, levels)

    @property
    def middle(self) -> float:
        return (self.bid + self.ask) / 2

    @property
    def spread(self) -> float:
        """As a fraction of the middle."""
        return (self.ask - self.bid) / self.middle

    def depth(self, reach: float) -> float:
        """Base units offered up to `reach` (a fraction) above the best ask."""
        highest = self.ask * (1 + reach)
        total = 0.0
        for price, quantity in self.asks:
            if price > highest:
                break
            total += quantity
        return total

    def average(self, quantity: float) -> float:
        """Mean price of a market buy of so many base units; the last level stands for all beyond it."""
        left, paid = quantity, 0.0
        for price, offered in self.asks:
            taken = min(left, offered)
            paid += taken * price
            left -= taken
            if left <= 0:
                break
        return (paid + left * self.asks[-1][0]) / quantity


def deviation(price: Decimal, quote: Quote) -> float:
    """How far a price is from the middle of the book, as a fraction of it; negative below."""
    return float(price) / quote.middle - 1
