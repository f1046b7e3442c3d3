"""All bars of a run in the order they close, laid out for the scan; any one of them as the engine hears it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.backtest.scan import whole_prices
from gal_friday_core.candles import Candles, Series
from gal_friday_core.errors import ConfigError, DataError
from gal_friday_core.exchange_of_run import Recorded
from gal_friday_core.instruments import Instrument
from gal_friday_core.payloads import MarketDataOHLCV

MOST_DECIMALS = 9
"""Prices with more are marked one by one, in decimals."""
UNWRITTEN = -1

Floats = NDArray[np.float64]
Wholes = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """One series to trade: its bars, those before them for features, the pair's ticks, and what orders meet where that is
    not the bars.
    """

    bars: Candles
    history: Candles
    instrument: Instrument
    recorded: Recorded | None = None
    _columns: tuple[Any, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Views: single numbers come out of them in a third of the time that numpy takes.
        object.__setattr__(self, "_columns", tuple(column.data for column in self.bars.columns()))

    @property
    def series(self) -> Series:
        return self.bars.series

    def bar(self, row: int) -> MarketDataOHLCV:
        """A bar as a feed tells it, prices as the shortest decimals that read back as the stored numbers."""
        series = self.bars.series
        ts, opened, high, low, close, volume, trades = self._columns
        return MarketDataOHLCV(
            series.pair, series.venue, series.interval, ts[row],
            Decimal(repr(opened[row])), Decimal(repr(high[row])), Decimal(repr(low[row])),
            Decimal(repr(close[row])), Decimal(repr(volume[row])), trades=trades[row],
        )  # fmt: skip

    def closed(self, row: int) -> tuple[int, Decimal]:
        """When a bar opened, and its close."""
        columns = self._columns
        return columns[0][row], Decimal(repr(columns[4][row]))


@dataclass(frozen=True, slots=True, eq=False)
class Tape:
    """`times` is when the run begins, then when each bar closes; `which` market each bar is of.

    `close` holds prices in whole numbers of 10**-`decimals` of their market, `decimals` `UNWRITTEN` where they cannot.
    Of several markets `places` says where the bars of each are, and `row_of` which one of its market a bar is.
    """

    markets: tuple[Market, ...]
    times: Wholes
    which: NDArray[np.uint8]
    low: Floats
    high: Floats
    close: Wholes
    decimals: tuple[int, ...]
    places: tuple[Wholes, ...] = ()
    row_of: Wholes | None = None

    def __len__(self) -> int:
        return len(self.which)

    @property
    def start_ns(self) -> int:
        """When the first bar opens."""
        return int(self.times[0])

    @property
    def close_ns(self) -> Wholes:
        return self.times[1:]

    def spread(self, number: int, column: NDArray[Any], out: NDArray[Any]) -> None:
        """Lay a market's column out on the tape."""
        if self.places:
            out[self.places[number]] = column
        else:
            out[:] = column

    def place(self, number: int, row: int) -> int:
        """Where a market's bar is; the end of the tape for one beyond its last."""
        if row >= len(self.markets[number].bars):
            return len(self)
        return self.places[number].item(row) if self.places else row


def tape_of(markets: Sequence[Market]) -> Tape:
    """Lay out the bars of markets of different pairs; of bars that close together, those of the first pair by name first.

    Raises DataError where a market has no bars, ConfigError where a pair comes twice.
    """
    markets = tuple(markets)
    pairs = [market.series.pair for market in markets]
    if not markets or len(set(pairs)) < len(pairs):
        raise ConfigError(f"a backtest trades each pair once, and at least one: {', '.join(pairs) or 'none'}")
    empty = [market.series.key for market in markets if not len(market.bars)]
    if empty:
        raise DataError(f"no bars of {', '.join(empty)}")
    closes, decimals = zip(*(_whole(market.bars.close) for market in markets), strict=True)
    if len(markets) > 1:
        return _merged(markets, closes, decimals)
    bars = markets[0].bars
    times = np.empty(len(bars) + 1, np.int64)
    np.add(bars.ts, bars.series.interval_ns, out=times[1:])
    times[0] = bars.ts[0]
    return Tape(markets, times, np.zeros(len(bars), np.uint8), bars.low, bars.high, closes[0], decimals)


def _merged(markets: tuple[Market, ...], closes: tuple[Wholes, ...], decimals: tuple[int, ...]) -> Tape:
    close_ns = np.concatenate([market.bars.ts + market.series.interval_ns for market in markets])
    counts = [len(market.bars) for market in markets]
    which = np.repeat(np.arange(len(markets), dtype=np.uint8), counts)
    by_name = np.argsort(np.argsort([market.series.pair for market in markets]))
    order = np.lexsort((by_name[which], close_ns))
    which = which[order]
    start = min(int(market.bars.ts[0]) for market in markets)
    return Tape(
        markets, np.concatenate(([start], close_ns[order])), which,
        np.concatenate([market.bars.low for market in markets])[order],
        np.concatenate([market.bars.high for market in markets])[order],
        np.concatenate(closes)[order], decimals,
        tuple(np.flatnonzero(which == number) for number in range(len(markets))),
        np.concatenate([np.arange(count) for count in counts])[order],
    )  # fmt: skip


def _whole(prices: Floats) -> tuple[Wholes, int]:
    found = np.empty(len(prices), np.int64)
    return found, int(whole_prices(np.ascontiguousarray(prices), MOST_DECIMALS, found))
