"""What features cost, beside TA-Lib, pandas and talipp: `python benchmarks/bench_features.py [--year]`.

All contenders take the same candles in turns, in one process; figures are medians of CPU time.

Batch: TA-Lib (with numpy for what it has no function for) and pandas compute the same 36 columns, and the
outputs are compared before anything is timed. They may leave their columns as separate arrays, which spares
them a pass; a model needs the matrix that the kernel writes, so TA-Lib is also timed with that pass. The
calendar columns are table look-ups for everybody.

Live: talipp updates the indicators it has a class for: ROC, EMA (3), MACD, RSI, Williams, Bollinger, NATR,
StdDev (3 of returns, 1 of volume), SMA (4, for volume ratio, flow and VWAP), Donchian. Left out on its side:
log returns, calendar, candle shape, missing bars, and all arithmetic that turns indicators into features. Our
update computes all 36 and hands out a row of its own.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from talipp import indicators
from talipp.ohlcv import OHLCV

from gal_friday_core.candles import Candles, Series
from gal_friday_core.features import drivers
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.times import MINUTE_NS, from_iso
from tests.core.features.peers import pandas_columns, talib_columns

MONTH, YEAR, LIVE = 44_640, 525_600, 4_000
TARGETS = {"TA-Lib": 1.0, "pandas": 6.0, "talipp": 50.0, "live": 2.0}


def minute_candles(bars: int) -> Candles:
    rng = np.random.default_rng(7)
    close = 30_000 * np.exp(np.cumsum(rng.standard_t(4, bars) * 5e-4))
    open_ = np.concatenate((close[:1], close[:-1])) * np.exp(rng.normal(0, 1e-5, bars))
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0, 3e-4, bars)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0, 3e-4, bars)))
    ts = from_iso("2024-01-01") + np.arange(bars) * MINUTE_NS
    volume = rng.lognormal(0, 1, bars)
    return Candles(Series("bench", "BTC/USD", "1m"), ts, open_, high, low, close, volume, np.full(bars, -1))


def in_turns(contenders: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each contender in each round; the first round warms up and does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name, contender in contenders.items():
            begin = time.process_time()
            contender()
            if turn:
                seconds[name].append(time.process_time() - begin)
    return seconds


def check_agreement(candles: Candles) -> None:
    """The contenders compute the same thing, or the comparison is worth nothing."""
    ours = drivers.compute(candles)
    for library in (talib_columns, pandas_columns):
        theirs = library(candles)
        for name in CANDLES_V1.names:
            np.testing.assert_allclose(
                ours.column(name)[1024:], theirs[name][1024:], rtol=1e-6, atol=1e-6, err_msg=name
            )


def batch(bars: int, rounds: int) -> None:
    candles = minute_candles(bars)
    check_agreement(candles[:MONTH])
    contenders = {
        "kernel": lambda: drivers.compute(candles),
        "TA-Lib": lambda: talib_columns(candles),
        "TA-Lib, as a matrix": lambda: np.column_stack(list(talib_columns(candles).values())),
        "pandas": lambda: pandas_columns(candles),
    }
    seconds = in_turns(contenders, rounds)
    print(f"\nBatch, {len(CANDLES_V1)} features, {bars:,} bars, median of {rounds}")
    for name, spent in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(spent, seconds["kernel"], strict=True))
        print(f"  {name:20} {statistics.median(spent) / bars * 1e9:8.1f} ns/bar   {ratio:6.2f} x kernel")
    kernel, talib = statistics.median(seconds["kernel"]), statistics.median(seconds["TA-Lib"])
    pandas = statistics.median(seconds["pandas"])
    print(f"  kernel / TA-Lib = {kernel / talib:.2f} (target <= {TARGETS['TA-Lib']})")
    print(f"  pandas / kernel = {pandas / kernel:.1f} (target >= {TARGETS['pandas']})")


class TalippSet:
    """The indicators that talipp has, fed one bar at a time."""

    def __init__(self) -> None:
        self._bars = [indicators.Williams(14), indicators.NATR(14), indicators.DonchianChannels(60)]
        self._closes = [
            indicators.ROC(30),
            indicators.EMA(12),
            indicators.EMA(26),
            indicators.EMA(50),
            indicators.MACD(12, 26, 9),
            indicators.RSI(14),
            indicators.BB(20, 2),
        ]
        self._returns = [indicators.StdDev(20), indicators.StdDev(60), indicators.StdDev(240)]
        self._volumes = [indicators.StdDev(60), indicators.SMA(20), indicators.SMA(60)]
        self._value, self._flow = indicators.SMA(60), indicators.SMA(60)
        self._last = 0.0

    def update(self, *row: float) -> list:
        _, open_, high, low, close, volume = row
        bar = OHLCV(open_, high, low, close, volume, None)
        change = close / self._last - 1 if self._last else 0.0
        self._last = close
        self._value.add((high + low + close) / 3 * volume)
        self._flow.add(volume if change > 0 else -volume)
        for group, number in (
            (self._bars, bar),
            (self._closes, close),
            (self._returns, change),
            (self._volumes, volume),
        ):
            for indicator in group:
                indicator.add(number)
        everything = (*self._bars, *self._closes, *self._returns, *self._volumes, self._value, self._flow)
        return [indicator[-1] for indicator in everything]


def live(rounds: int) -> None:
    columns = minute_candles(LIVE).columns()[:6]
    rows = list(zip(*(column.tolist() for column in columns), strict=True))

    def feed(update: Callable[..., object]) -> None:
        for row in rows:
            update(*row)

    contenders = {
        "kernel": lambda: feed(drivers.FeatureStream(CANDLES_V1, MINUTE_NS).update),
        "talipp": lambda: feed(TalippSet().update),
    }
    seconds = in_turns(contenders, rounds)
    update, each = drivers.FeatureStream(CANDLES_V1, MINUTE_NS).update, []
    for row in rows:
        begin = time.perf_counter_ns()
        update(*row)
        each.append(time.perf_counter_ns() - begin)
    kernel, talipp = (statistics.median(seconds[name]) / LIVE * 1e6 for name in ("kernel", "talipp"))
    p50, p99, worst = np.percentile(each[1:], (50, 99, 100)) / 1e3
    print(f"\nLive, one bar at a time, {LIVE:,} bars, median of {rounds}")
    print(f"  kernel {kernel:8.2f} us/bar (target <= {TARGETS['live']})")
    print(f"         wall time of single updates: p50 {p50:.2f}, p99 {p99:.2f}, worst {worst:.1f} us")
    print(f"  talipp {talipp:8.2f} us/bar")
    print(f"  talipp / kernel = {talipp / kernel:.0f} (target >= {TARGETS['talipp']})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--year", action="store_true", help="also a batch of one year of minutes")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    drivers.warm()
    batch(MONTH, arguments.rounds)
    if arguments.year:
        batch(YEAR, max(3, arguments.rounds // 3))
    live(max(3, arguments.rounds // 3))


if __name__ == "__main__":
    main()
