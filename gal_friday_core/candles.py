"""Candles in columns: what the lake stores, the kernels read and the feeds deliver, always in this one form."""

import hashlib
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.errors import DataError
from gal_friday_core.times import interval_ns

UNKNOWN_TRADES = -1
"""In `Candles.trades`: the source does not say how many trades made the bar."""


@dataclass(frozen=True, slots=True, order=True)
class Series:
    """Which candles: one venue, one pair ('BTC/USD'), one bar length ('1m').

    >>> Series("kraken", "BTC/USD", "1m").key
    'kraken:BTC-USD:1m'
    >>> Series.parse("kraken:BTC-USD:1m").pair
    'BTC/USD'
    """

    venue: str
    pair: str
    interval: str

    @property
    def key(self) -> str:
        """The name used for partitions, folders and model types."""
        return f"{self.venue}:{self.pair.replace('/', '-')}:{self.interval}"

    @property
    def interval_ns(self) -> int:
        return interval_ns(self.interval)

    @property
    def base(self) -> str:
        return self.pair.partition("/")[0]

    @property
    def quote(self) -> str:
        return self.pair.partition("/")[2]

    @classmethod
    def parse(cls, key: str) -> Self:
        venue, _, rest = key.partition(":")
        pair, _, interval = rest.partition(":")
        if not (venue and pair.count("-") == 1 and interval):
            raise DataError(
                f"not a series: {key!r} (expected venue:BASE-QUOTE:interval, such as kraken:BTC-USD:1m)"
            )
        interval_ns(interval)
        return cls(venue, pair.replace("-", "/"), interval)


@dataclass(frozen=True, slots=True, eq=False)
class Candles:
    """Bars of one series in ascending, unique, on-grid open time.

    `ts` int64 nanoseconds UTC of the bar's open; prices and volume float64, finite, volume in base
    units; `trades` int64, `UNKNOWN_TRADES` where the source is silent. Bars may be missing: a minute
    without a trade has no row on most venues.
    """

    series: Series
    ts: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    trades: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ts)

    def __getitem__(self, rows: slice) -> "Candles":
        return Candles(self.series, *(column[rows] for column in self.columns()))

    def columns(self) -> tuple[NDArray[Any], ...]:
        """ts, open, high, low, close, volume, trades: in this order everywhere."""
        return (self.ts, self.open, self.high, self.low, self.close, self.volume, self.trades)

    def between(self, start_ns: int, end_ns: int) -> "Candles":
        """Bars that open in [start_ns, end_ns)."""
        first, last = np.searchsorted(self.ts, (start_ns, end_ns), side="left")
        return self[int(first) : int(last)]

    def fingerprint(self) -> str:
        """sha256 over series and columns: the data version that models and reports name."""
        digest = hashlib.sha256(self.series.key.encode())
        for column in self.columns():
            digest.update(np.ascontiguousarray(column).astype(column.dtype.newbyteorder("<")).tobytes())
        return digest.hexdigest()


def concatenate(parts: list[Candles]) -> Candles:
    """Join consecutive stretches of one series; the caller keeps them in time order."""
    columns = zip(*(part.columns() for part in parts), strict=True)
    return Candles(parts[0].series, *(np.concatenate(column) for column in columns))
