"""Recorded history as a market feed: it moves the clock it is given, at a chosen speed or as fast as it is read."""

import asyncio
import heapq
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from decimal import Decimal

from gal_friday_core.candles import Candles
from gal_friday_core.payloads import MarketDataOHLCV
from gal_friday_core.ports import MarketSink
from gal_friday_live.clock import SimulatedClock

CHUNK = 4_096
"""Bars converted at a time: bounded memory, few calls."""
BREATH = 64
"""Bars between two turns for listeners (promotions, the screen) in a replay at full speed."""


def bars(candles: Candles) -> Iterator[MarketDataOHLCV]:
    """The candles as events, prices as the shortest decimals that read back as the stored numbers."""
    series = candles.series
    pair, venue, interval = series.pair, series.venue, series.interval
    for first in range(0, len(candles), CHUNK):
        columns = (column.tolist() for column in candles[first : first + CHUNK].columns())
        for ts, *prices, volume, trades in zip(*columns, strict=True):
            opened, high, low, close = (Decimal(repr(price)) for price in prices)
            yield MarketDataOHLCV(
                trading_pair=pair,
                exchange=venue,
                interval=interval,
                timestamp_bar_start=ts,
                open=opened,
                high=high,
                low=low,
                close=close,
                volume=Decimal(repr(volume)),
                trades=trades,
            )


class RecordedFeed:
    """Closed bars of one or more series in the order they close.

    `bars_per_second` None delivers as fast as they are taken. Before each bar the clock stands at its close.
    """

    live = False

    def __init__(
        self, candles: Sequence[Candles], clock: SimulatedClock, *, bars_per_second: float | None = None
    ) -> None:
        self._candles = tuple(candles)
        self._clock = clock
        self._pause_s = 1 / bars_per_second if bars_per_second else None
        self._closing = False

    def __len__(self) -> int:
        return sum(map(len, self._candles))

    async def run(self, sink: MarketSink) -> None:
        """Hand over each bar, and go on once it is digested."""
        async with aclosing(self.candles()) as candles:
            async for candle in candles:
                sink.on_candle(candle)
                await sink.drained()

    async def candles(self) -> AsyncGenerator[MarketDataOHLCV, None]:
        """The bars one by one; the clock moves as each is taken."""
        clock, loop = self._clock, asyncio.get_running_loop()
        due = loop.time()
        for number, (close_ns, bar) in enumerate(self._by_close()):
            if self._pause_s is not None:
                due = max(due + self._pause_s, loop.time() - 1)
                await asyncio.sleep(due - loop.time())
            elif number % BREATH == 0:
                await asyncio.sleep(0)
            if self._closing:
                return
            clock.advance_to(close_ns)
            yield bar

    async def close(self) -> None:
        self._closing = True

    def _by_close(self) -> Iterator[tuple[int, MarketDataOHLCV]]:
        streams = [_closing(candles) for candles in self._candles]
        if len(streams) == 1:
            return streams[0]
        return heapq.merge(*streams, key=lambda item: (item[0], item[1].trading_pair))


def _closing(candles: Candles) -> Iterator[tuple[int, MarketDataOHLCV]]:
    length = candles.series.interval_ns
    return ((bar.timestamp_bar_start + length, bar) for bar in bars(candles))
