"""Real candles as the value that an outside market trades around.

Within a bar the value goes from open over the nearer extreme to the other one and on to the close, in equal
thirds, so that highs and lows are reached and nothing beyond them is: the way is not in the data.
"""

from bisect import bisect_right

import numpy as np

from gal_friday_core.candles import Candles
from gal_friday_core.errors import DataError
from gal_friday_core.times import MINUTE_NS

LEAST_ACTIVITY, MOST_ACTIVITY = 0.25, 4.0
"""Of an ordinary minute, whatever the volume says."""
CORNERS = 4
"""Of a bar: open, two extremes, close."""


class CandlePath:
    """One-minute `candles` in their own time; those before `start_ns` are `history`.

    After the last bar the value stands still: `end_ns` says when. Raises DataError where no bar is left to play.
    """

    def __init__(self, candles: Candles, start_ns: int) -> None:
        if candles.series.interval_ns != MINUTE_NS:
            raise DataError(f"a market is made of one-minute candles; these are {candles.series.key}")
        first = int(np.searchsorted(candles.ts, start_ns))
        if first >= len(candles):
            raise DataError(f"{candles.series.key} has no candle left to play: choose an earlier start")
        self.history = candles[:first]
        played = candles[first:]
        self.end_ns = int(played.ts[-1]) + MINUTE_NS
        self._ts = played.ts.tolist()
        self._corners = _corners(played)
        self._activity = _activity(played)

    def at(self, now_ns: int) -> tuple[float, float]:
        """Value and activity (1 = an ordinary minute) at a time; before the first bar its open."""
        bar = max(bisect_right(self._ts, now_ns) - 1, 0)
        corners = self._corners[bar]
        share = min(max((now_ns - self._ts[bar]) / MINUTE_NS, 0.0), 1.0) * (CORNERS - 1)
        leg = min(int(share), CORNERS - 2)
        value = corners[leg] + (share - leg) * (corners[leg + 1] - corners[leg])
        return float(value), float(self._activity[bar])


def _corners(bars: Candles) -> list[tuple[float, ...]]:
    rising = bars.close >= bars.open
    nearer = np.where(rising, bars.low, bars.high)
    further = np.where(rising, bars.high, bars.low)
    return list(zip(bars.open.tolist(), nearer.tolist(), further.tolist(), bars.close.tolist(), strict=True))


def _activity(bars: Candles) -> list[float]:
    usual = float(bars.volume.mean()) or 1.0
    clipped: list[float] = np.clip(bars.volume / usual, LEAST_ACTIVITY, MOST_ACTIVITY).tolist()
    return clipped
