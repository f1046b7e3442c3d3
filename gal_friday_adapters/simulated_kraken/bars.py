"""Bars and day statistics of one pair, from its trades: for `OHLC`, `Ticker` and the channels of the same kind.

As Kraken's REST interface, and unlike its websocket, a series here holds a flat bar for each interval without
a trade.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from gal_friday_core.money import RATIO, ZERO
from gal_friday_core.times import DAY_NS, MINUTE_NS

INTERVALS = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)
"""Minutes, as Kraken offers them."""
COMMITTED = 720
"""So many finished bars are to be had; the running one comes on top."""
MINUTES_A_DAY = 1440


@dataclass(slots=True)
class Bar:
    """One bar; `value` is the sum of price times quantity."""

    begin_ns: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = ZERO
    value: Decimal = ZERO
    trades: int = 0

    @property
    def vwap(self) -> Decimal:
        return RATIO.divide(self.value, self.volume) if self.volume else ZERO

    def take(self, price: Decimal, quantity: Decimal) -> None:
        if not self.trades:
            self.open = self.high = self.low = price
        self.high, self.low, self.close = max(self.high, price), min(self.low, price), price
        self.join(quantity, price * quantity, 1)

    def join(self, volume: Decimal, value: Decimal, trades: int) -> None:
        self.volume += volume
        self.value += value
        self.trades += trades


@dataclass(frozen=True, slots=True)
class DayStatistics:
    """A stretch of time: volume, vwap, number of trades, low, high and the price it began with."""

    volume: Decimal
    vwap: Decimal
    trades: int
    low: Decimal
    high: Decimal
    open: Decimal


class Bars:
    """All intervals of one pair."""

    def __init__(self, first_price: Decimal, now_ns: int) -> None:
        self._series: dict[int, deque[Bar]] = {}
        for minutes in INTERVALS:
            length = MINUTES_A_DAY + 1 if minutes == 1 else COMMITTED + 1
            self._series[minutes] = deque([_flat(minutes, now_ns, first_price)], maxlen=length)

    def seed(self, past: Mapping[int, Sequence[Bar]]) -> None:
        """Begin with this past: bars by interval in minutes, oldest first, none after the present one."""
        for minutes, bars in past.items():
            series = self._series[minutes]
            series.clear()
            series.extend(bars)

    def add(self, price: Decimal, quantity: Decimal, time_ns: int) -> None:
        for minutes, series in self._series.items():
            _roll(series, minutes, time_ns)
            series[-1].take(price, quantity)

    def rows(self, minutes: int, now_ns: int) -> list[Bar]:
        """The finished bars that are to be had, and the running one last."""
        series = self._series[minutes]
        _roll(series, minutes, now_ns)
        return list(series)[-(COMMITTED + 1) :]

    def last_price(self) -> Decimal:
        return self._series[1][-1].close

    def since(self, begin_ns: int, now_ns: int) -> DayStatistics:
        """Statistics from a time on, to the minute."""
        series = self._series[1]
        _roll(series, 1, now_ns)
        bars = [bar for bar in series if bar.begin_ns >= begin_ns] or [series[-1]]
        volume = sum((bar.volume for bar in bars), ZERO)
        value = sum((bar.value for bar in bars), ZERO)
        return DayStatistics(
            volume=volume,
            vwap=RATIO.divide(value, volume) if volume else bars[-1].close,
            trades=sum(bar.trades for bar in bars),
            low=min(bar.low for bar in bars),
            high=max(bar.high for bar in bars),
            open=bars[0].open,
        )

    def today(self, now_ns: int) -> DayStatistics:
        return self.since(now_ns - now_ns % DAY_NS, now_ns)

    def last_day(self, now_ns: int) -> DayStatistics:
        return self.since(now_ns - DAY_NS, now_ns)


def _flat(minutes: int, time_ns: int, price: Decimal) -> Bar:
    return Bar(time_ns - time_ns % (minutes * MINUTE_NS), price, price, price, price)


def _roll(series: deque[Bar], minutes: int, now_ns: int) -> None:
    """Finish bars up to the one that `now_ns` lies in; a long silence leaves only those that are kept."""
    step = minutes * MINUTE_NS
    missing = (now_ns - series[-1].begin_ns) // step
    price = series[-1].close
    for back in range(min(missing, series.maxlen or missing) - 1, -1, -1):
        series.append(_flat(minutes, now_ns - back * step, price))
