"""The value that a generated market trades around: minutes of `core.market_simulator`, joined end to end.

The path is one function of seed, start and pair, whoever asks and however often; the minutes before the start
are the market's history.
"""

from bisect import bisect_right

import numpy as np

from gal_friday_core.candles import Candles, Series
from gal_friday_core.market_simulator import TRADES_A_MINUTE, VENUE, simulate
from gal_friday_core.times import MINUTE_NS

STRETCH = 1440
"""Minutes that are drawn at once."""
SEEDS_APART = 1_000_003


class FairPath:
    """Price over time; `history` ends at `start_price`, the future begins there."""

    def __init__(self, symbol: str, start_ns: int, start_price: float, seed: int, history: int) -> None:
        self._series = Series(VENUE, symbol, "1m")
        self._start_ns = start_ns // MINUTE_NS * MINUTE_NS
        self._seed = seed
        past = self._draw(-1, self._start_ns - history * MINUTE_NS, history)
        self.history = _scaled(past, start_price / float(past.close[-1]))
        self._ends = [self._start_ns]
        self._prices = [start_price]
        self._activity = [1.0]
        self._drawn = 0

    def at(self, now_ns: int) -> tuple[float, float]:
        """Value and activity (1 = an ordinary minute) at a time not before the start."""
        while self._ends[-1] <= now_ns:
            self._extend()
        after = bisect_right(self._ends, now_ns)
        begin, end = self._ends[after - 1], self._ends[after]
        share = (now_ns - begin) / (end - begin)
        price = self._prices[after - 1] + share * (self._prices[after] - self._prices[after - 1])
        return price, self._activity[after]

    def _extend(self) -> None:
        first = self._start_ns + self._drawn * STRETCH * MINUTE_NS
        bars = self._draw(self._drawn, first, STRETCH)
        scale = self._prices[-1] / float(bars.open[0])
        self._drawn += 1
        self._ends += [int(ts) + MINUTE_NS for ts in bars.ts]
        self._prices += [float(close) * scale for close in bars.close]
        self._activity += [float(activity) for activity in np.clip(bars.trades / TRADES_A_MINUTE, 0.25, 4.0)]

    def _draw(self, number: int, first_ns: int, minutes: int) -> Candles:
        return simulate(self._series, first_ns, minutes, self._seed * SEEDS_APART + number + 1)


def _scaled(bars: Candles, scale: float) -> Candles:
    opened, high, low, close = (column * scale for column in (bars.open, bars.high, bars.low, bars.close))
    return Candles(bars.series, bars.ts, opened, high, low, close, bars.volume, bars.trades)
