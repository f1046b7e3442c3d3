"""All bars of a run in the order they close, laid out for the scan; any one of them as the engine hears it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.backtest.scan import whole_prices
from gal_friday_core.candles import Candles, Series
from gal_friday_core.errors import ConfigError, DataError
from gal_friday_core.instruments import Instrument
from gal_friday_core.payloads import MarketDataOHLCV

MOST_DECIMALS = 9
"""Prices with more are marked one by one, in decimals."""
UNWRITTEN = -1

Floats = NDArray[np.float64]
Wholes = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """One series to trade: its bars, those before them for features, and the pair's ticks."""

    bars: Candles
    history: Candles
    instrument: Instrument

    @property
    def series(self) -> Series:
        return self.bars.series


@dataclass(frozen=True, slots=True, eq=False)
class Tape:
    """`which` market each bar is of, `rows` the place of each market's bars on the tape (one market: all of them).

    `close` holds prices in whole numbers of 10**-`decimals` of their market, `decimals` `UNWRITTEN` where they cannot.
    """

    markets: tuple[Market, ...]
    close_ns: Wholes
    which: NDArray[np.uint8]
    rows: tuple[Wholes, ...]
    row_of: Wholes
    low: Floats
    high: Floats
    close: Wholes
    decimals: tuple[int, ...]
    _lengths: tuple[int, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.close_ns)

    @property
    def start_ns(self) -> int:
        """When the first bar opens."""
        return min(int(market.bars.ts[0]) for market in self.markets)

    def bar(self, place: int) -> MarketDataOHLCV:
        """The bar as a feed tells it, prices as the shortest decimals that read back as the stored numbers."""
        market = self.markets[self.which[place]]
        bars, row = market.bars, int(self.row_of[place])
        series = bars.series
        return MarketDataOHLCV(
            trading_pair=series.pair,
            exchange=series.venue,
            interval=series.interval,
            timestamp_bar_start=int(bars.ts[row]),
            open=Decimal(repr(float(bars.open[row]))),
            high=Decimal(repr(float(bars.high[row]))),
            low=Decimal(repr(float(bars.low[row]))),
            close=Decimal(repr(float(bars.close[row]))),
            volume=Decimal(repr(float(bars.volume[row]))),
            trades=int(bars.trades[row]),
        )

    def price(self, place: int) -> Decimal:
        """The close of a bar."""
        bars = self.markets[self.which[place]].bars
        return Decimal(repr(float(bars.close[self.row_of[place]])))


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
    lengths = tuple(market.series.interval_ns for market in markets)
    closes, decimals = zip(*(_whole(market.bars.close) for market in markets), strict=True)
    if len(markets) == 1:
        bars = markets[0].bars
        every = np.arange(len(bars))
        return Tape(
            markets, bars.ts + lengths[0], np.zeros(len(bars), np.uint8), (every,), every,
            bars.low, bars.high, closes[0], decimals, lengths,
        )  # fmt: skip
    return _merged(markets, closes, decimals, lengths)


def _merged(
    markets: tuple[Market, ...],
    closes: tuple[Wholes, ...],
    decimals: tuple[int, ...],
    lengths: tuple[int, ...],
) -> Tape:
    close_ns = np.concatenate(
        [market.bars.ts + length for market, length in zip(markets, lengths, strict=True)]
    )
    counts = [len(market.bars) for market in markets]
    which = np.repeat(np.arange(len(markets), dtype=np.uint8), counts)
    by_name = np.argsort(np.argsort([market.series.pair for market in markets]))
    order = np.lexsort((by_name[which], close_ns))
    which = which[order]
    return Tape(
        markets, close_ns[order], which,
        tuple(np.flatnonzero(which == number) for number in range(len(markets))),
        np.concatenate([np.arange(count) for count in counts])[order],
        np.concatenate([market.bars.low for market in markets])[order],
        np.concatenate([market.bars.high for market in markets])[order],
        np.concatenate(closes)[order], decimals, lengths,
    )  # fmt: skip


def _whole(prices: Floats) -> tuple[Wholes, int]:
    found = np.empty(len(prices), np.int64)
    return found, int(whole_prices(np.ascontiguousarray(prices), MOST_DECIMALS, found))
