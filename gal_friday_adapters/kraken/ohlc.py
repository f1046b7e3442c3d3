"""When a candle of Kraken's websocket v2 is final: the channel never says so itself.

A candle is pushed on trades only, again and again while it runs. It is final once a later one begins, or
once the clock has passed its end by a grace period; a minute without a trade sends nothing at all.
"""

from collections.abc import Iterator, Sequence

import msgspec

from gal_friday_core.candles import Series
from gal_friday_core.kraken.wire import Ohlc
from gal_friday_core.payloads import MarketDataOHLCV
from gal_friday_core.times import MINUTE_NS


class CandleTracker:
    """Turns running candles into final ones, each once and in order. `late` counts what came too late to matter."""

    def __init__(self, series: Sequence[Series], grace_ns: int) -> None:
        self._series = {(item.pair, item.interval_ns // MINUTE_NS): item for item in series}
        self._lasts_ns = {item.pair: item.interval_ns + grace_ns for item in reversed(series)}
        self._running: dict[str, MarketDataOHLCV] = {}
        self._final: dict[str, int] = {}
        self.late = 0

    def update(self, candle: Ohlc) -> Iterator[MarketDataOHLCV]:
        """Take in a candle; yields the one before it where this one ends it."""
        series = self._series.get((candle.symbol, candle.interval))
        if series is None or (candle.trades == 0 and candle.volume == 0):
            return
        bar = _bar(series, candle)
        running = self._running.get(series.pair)
        start = bar.timestamp_bar_start
        if start <= self._final.get(series.pair, -1) or (running and start < running.timestamp_bar_start):
            self.late += 1
            return
        self._running[series.pair] = bar
        if running is not None and start > running.timestamp_bar_start:
            yield self._finish(running)

    def expire(self, now_ns: int) -> Iterator[MarketDataOHLCV]:
        """Candles whose end lies further back than the grace period."""
        for pair, bar in tuple(self._running.items()):
            if now_ns >= self._due(bar):
                del self._running[pair]
                yield self._finish(bar)

    def next_due_ns(self) -> int | None:
        """When `expire` has something to do; None while nothing runs."""
        return min((self._due(bar) for bar in self._running.values()), default=None)

    def _due(self, bar: MarketDataOHLCV) -> int:
        return bar.timestamp_bar_start + self._lasts_ns[bar.trading_pair]

    def _finish(self, bar: MarketDataOHLCV) -> MarketDataOHLCV:
        self._final[bar.trading_pair] = bar.timestamp_bar_start
        return msgspec.structs.replace(bar, closed=True)


def _bar(series: Series, candle: Ohlc) -> MarketDataOHLCV:
    return MarketDataOHLCV(
        trading_pair=series.pair,
        exchange=series.venue,
        interval=series.interval,
        timestamp_bar_start=int(candle.interval_begin),
        open=candle.open,
        high=candle.high,
        low=candle.low,
        close=candle.close,
        volume=candle.volume,
        closed=False,
        trades=candle.trades,
    )
