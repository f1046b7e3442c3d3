"""The rule that backtesters are compared by, and its bars: what `bench_backtest.py` gives to every one of them.

A year of one-minute bars that open where the last one closed. So it does not matter whether a backtester fills at
the close it decided on or at the open after it, and lists of trades can be compared one by one.
"""

import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

MINUTE_NS = 60_000_000_000
START_NS = 1_672_531_200_000_000_000
"""2023-01-01, a year of 365 days."""
YEAR = 525_600
TICK = 0.1
FIELDS = ("ts", "open", "high", "low", "close", "volume")
VOLUME = 10_000.0
"""Of every bar: some backtesters fill no more than what was traded."""


@dataclass(frozen=True)
class Rule:
    """Buy where the fast average of closes rises above the slow one, for `share` of equity; leave `stop` below or `target`
    above the close decided on. `fee` of the traded value on each fill. No cross counts before `slow` bars.
    """

    fast: int = 12
    slow: int = 26
    stop: float = 0.01
    target: float = 0.02
    share: float = 0.5
    fee: float = 0.0026
    cash: float = 100_000.0

    def as_dict(self):
        return asdict(self)


def simulated(bars=YEAR, seed=1):
    """A market whose volatility changes, on ticks, without gaps in price or time."""
    rng = np.random.default_rng(seed)
    volatility = np.full(bars, 7.4e-4)
    for length in (60, 1_440, 20_160):  # regimes of an hour, a day, two weeks
        levels = np.exp(rng.normal(0, 0.35, bars // length + 1))
        volatility *= np.repeat(levels, length)[:bars]
    shocks = rng.standard_t(5, bars) * np.sqrt(3 / 5) * volatility
    close = ticks(30_000 * np.exp(np.cumsum(shocks)))
    opened = np.concatenate(([30_000.0], close[:-1]))
    reach = np.abs(rng.normal(0, 0.5, (2, bars))) * volatility
    high = np.maximum(ticks(np.maximum(opened, close) * (1 + reach[0])), np.maximum(opened, close))
    low = np.minimum(ticks(np.minimum(opened, close) * (1 - reach[1])), np.minimum(opened, close))
    ts = START_NS + np.arange(bars, dtype=np.int64) * MINUTE_NS
    return dict(zip(FIELDS, (ts, opened, high, low, close, np.full(bars, VOLUME)), strict=True))


def ticks(prices):
    """On the grid, as the shortest numbers that say so."""
    return np.round(np.round(prices / TICK) * TICK, 1)


def stored(path, bars=YEAR):
    """The first `bars` of a Parquet file, as they are: opens may differ from the closes before them."""
    import polars as pl

    rows = pl.read_parquet(path)[:bars]
    found = {name: rows[name].to_numpy() for name in FIELDS[:-1]}
    return {**found, "volume": np.full(len(rows), VOLUME)}


def save(folder, bars):
    """As a file that every environment can read without a library but numpy."""
    path = Path(folder) / "bars.npz"
    np.savez(path, **bars)
    return path


def by_hand(bars, rule):
    """The rule as a plain loop over floats, without lots and cents: what everybody's result should come to."""
    opened, high, low, close = (bars[name].tolist() for name in FIELDS[1:5])
    of_fast, of_slow = 2 / (rule.fast + 1), 2 / (rule.slow + 1)
    fast = slow = close[0]
    was_above, equity, held, wanted, trades = False, rule.cash, None, None, []
    for row, price in enumerate(close):
        if wanted is not None:
            held = (*wanted, row, opened[row])
            equity -= wanted[0] * opened[row] * rule.fee
            wanted = None
        if held is not None:
            quantity, stop, target, entered, entry = held
            left = min(opened[row], stop) if low[row] <= stop else target if high[row] >= target else None
            if left is not None:
                equity += quantity * (left - entry) - quantity * left * rule.fee
                trades.append((entered, row, entry, left))
                held = None
        if row:
            fast = of_fast * price + (1 - of_fast) * fast
            slow = of_slow * price + (1 - of_slow) * slow
        above = fast > slow
        if held is None and above and not was_above and row >= rule.slow - 1:
            wanted = (rule.share * equity / price, *protection(price, rule))
        was_above = above
    if held is not None:
        equity += held[0] * (close[-1] - held[4])
    return trades, equity


def protection(price, rule):
    """Stop and target, each rounded up to a tick."""
    return up(price * (1 - rule.stop)), up(price * (1 + rule.target))


def up(price):
    """The next tick that is not below."""
    return float(np.ceil(round(price / TICK, 6)) / round(1 / TICK))


if __name__ == "__main__":
    found = simulated(int(os.environ.get("BARS", YEAR)))
    made, equity = by_hand(found, Rule())
    print(len(made), equity, found["close"].min(), found["close"].max(), found["close"][-1])
