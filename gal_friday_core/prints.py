"""Recorded trades of one pair, as the simulated exchange matches orders against them: one by one, in their order."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from gal_friday_core.candles import Candles
from gal_friday_core.errors import DataError
from gal_friday_core.payloads import MarketDataOHLCV
from gal_friday_core.times import interval_ns

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Prints:
    """`ts` in ns UTC of the exchange, never going back; `price` in quote currency, `quantity` in base units."""

    ts: NDArray[np.int64]
    price: Floats
    quantity: Floats

    @classmethod
    def of(cls, ts: NDArray[np.int64], price: Floats, quantity: Floats) -> Self:
        """In the order of their times; trades of one time keep theirs. Raises DataError for what no trade can be."""
        if not (len(ts) == len(price) == len(quantity)):
            raise DataError("trades need as many times as prices and quantities")
        if len(ts) and not (np.isfinite(price).all() and price.min() > 0 and quantity.min() >= 0):
            raise DataError("trades need prices above zero, and quantities that are not below it")
        order = np.argsort(ts, kind="stable")
        return cls(ts[order], price[order], quantity[order])

    def __len__(self) -> int:
        return len(self.ts)

    def inside(self, candle: MarketDataOHLCV) -> Iterator[MarketDataOHLCV]:
        """The trades of a bar, each as a bar of one price that opens when it happened."""
        start = candle.timestamp_bar_start
        end = start + interval_ns(candle.interval)
        first, last = np.searchsorted(self.ts, (start, end), side="left")
        for row in range(int(first), int(last)):
            price = Decimal(repr(self.price.item(row)))
            yield replace(
                candle, timestamp_bar_start=self.ts.item(row), open=price, high=price, low=price, close=price,
                volume=Decimal(repr(self.quantity.item(row))), trades=1,
            )  # fmt: skip

    def beyond(self, bars: Candles) -> int:
        """How many of the trades that fall into these bars are dearer than their high, or cheaper than their low."""
        rows = np.searchsorted(bars.ts, self.ts, side="right") - 1
        known = rows >= 0
        known[known] &= self.ts[known] < bars.ts[rows[known]] + bars.series.interval_ns
        price, row = self.price[known], rows[known]
        return int(((price > bars.high[row]) | (price < bars.low[row])).sum())
