"""Book and trades of one pair in columns, in the order the feed heard them: what a recorded session becomes.

The one form between recording and features: `gal_friday_adapters.sessions` fills it from a session through
the live client's own code, the lake stores it, the batch driver of the book features reads it. Row by row
it says exactly what the live engine was told, so both compute the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.errors import DataError

BOOK, TRADE, INVALID, GAP, BAR = 0, 1, 2, 3, 4
"""What a row says. BOOK: a verified book. TRADE: one trade. INVALID: nothing of the book may be used until the
next BOOK. GAP: trades were lost for good. BAR: the bar that opened at `exchange_ts` was delivered as final."""
LEVELS = 10
"""Levels of each side that are kept."""
UNKNOWN_TIME = 0
"""In `exchange_ts`: the exchange gave no time (always so in INVALID and GAP rows)."""
_PRICES = ("bid_prices", "ask_prices", "price")
_QUANTITIES = ("bid_quantities", "ask_quantities", "quantity")
_LADDERS = ("bid_prices", "bid_quantities", "ask_prices", "ask_quantities")


@dataclass(frozen=True, slots=True, eq=False)
class MarketEvents:
    """`n` events of one pair of one venue.

    Prices and quantities are int64 in units of 10**-price_decimals and 10**-quantity_decimals. `ts` is the
    time of receipt and `exchange_ts` the exchange's, int64 nanoseconds UTC; `ts` never goes back, and rows
    of one message share it. The ladders are (n, LEVELS), best first, 0 where there is no level and in
    every row that is not BOOK. `price`, `quantity`, `trade_id` and `side` (+1: the buyer took, -1: the
    seller took) are 0 in every row that is not TRADE.
    """

    venue: str
    pair: str
    price_decimals: int
    quantity_decimals: int
    ts: NDArray[np.int64]
    exchange_ts: NDArray[np.int64]
    kind: NDArray[np.int8]
    bid_prices: NDArray[np.int64]
    bid_quantities: NDArray[np.int64]
    ask_prices: NDArray[np.int64]
    ask_quantities: NDArray[np.int64]
    price: NDArray[np.int64]
    quantity: NDArray[np.int64]
    side: NDArray[np.int8]
    trade_id: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ts)

    def __getitem__(self, rows: slice) -> "MarketEvents":
        head = (self.venue, self.pair, self.price_decimals, self.quantity_decimals)
        return MarketEvents(*head, *(column[rows] for column in self.arrays().values()))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The columns by name, ladders as (n, LEVELS)."""
        return {field.name: getattr(self, field.name) for field in fields(self)[4:]}

    def table(self) -> dict[str, NDArray[Any]]:
        """One-dimensional columns for storage: a ladder becomes `bid_prices_0` … `bid_prices_9`."""
        columns: dict[str, NDArray[Any]] = {}
        for name, column in self.arrays().items():
            if name in _LADDERS:
                columns |= {f"{name}_{level}": column[:, level] for level in range(LEVELS)}
            else:
                columns[name] = column
        return columns

    def metadata(self) -> dict[str, str]:
        """What travels beside the columns, for `from_table`."""
        return {
            "venue": self.venue,
            "pair": self.pair,
            "price_decimals": str(self.price_decimals),
            "quantity_decimals": str(self.quantity_decimals),
        }


def concatenate(parts: Sequence[MarketEvents]) -> MarketEvents:
    """Join consecutive events of one pair, at least one part, in the finest decimals of any."""
    first = parts[0]
    prices = max(part.price_decimals for part in parts)
    quantities = max(part.quantity_decimals for part in parts)
    tables = [_in_units(part, prices, quantities) for part in parts]
    columns = {name: np.concatenate([table[name] for table in tables]) for name in first.arrays()}
    return MarketEvents(first.venue, first.pair, prices, quantities, *columns.values())


def _in_units(events: MarketEvents, price_decimals: int, quantity_decimals: int) -> dict[str, NDArray[Any]]:
    arrays = events.arrays()
    price, quantity = (
        10 ** (price_decimals - events.price_decimals),
        10 ** (quantity_decimals - events.quantity_decimals),
    )
    for names, unit in ((_PRICES, price), (_QUANTITIES, quantity)):
        if unit > 1:
            arrays |= {name: arrays[name] * unit for name in names}
    return arrays


def from_table(columns: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> MarketEvents:
    """The inverse of `table` and `metadata`. Raises DataError where a column is missing."""
    try:
        ladders = {
            name: np.ascontiguousarray(np.column_stack([columns[f"{name}_{i}"] for i in range(LEVELS)]))
            for name in _LADDERS
        }
        arrays = [
            ladders[field.name] if field.name in _LADDERS else columns[field.name]
            for field in fields(MarketEvents)[4:]
        ]
        decimals = int(metadata["price_decimals"]), int(metadata["quantity_decimals"])
        return MarketEvents(metadata["venue"], metadata["pair"], *decimals, *arrays)
    except KeyError as error:
        raise DataError(f"not a table of market events: {error.args[0]!r} is missing; rebuild it") from None


def series_key(venue: str, pair: str) -> str:
    """The name that tables of market events are stored under.

    >>> series_key("kraken", "BTC/USD")
    'kraken:BTC-USD'
    """
    return f"{venue}:{pair.replace('/', '-')}"
