"""Candles as awkward as a real market's, from a seed."""

import numpy as np

from gal_friday_core.candles import Candles, Series
from gal_friday_core.times import from_iso

START = from_iso("2024-02-28T13:37:00Z")


def market(
    seed: int,
    bars: int,
    *,
    missing: float = 0.1,
    longest_gap: int = 20,
    quiet: float = 0.1,
    interval: str = "1m",
) -> Candles:
    """Missing bars, stretches without a trade, jumps, every price level; `quiet` is the share of the stretches."""
    rng = np.random.default_rng(seed)
    series = Series("kraken", "BTC/USD", interval)
    slots = np.cumsum(np.where(rng.random(bars) < missing, rng.integers(2, longest_gap + 1, bars), 1))
    still = np.repeat(rng.random(bars // 50 + 1) < quiet, 50)[:bars]
    steps = np.where(still | (rng.random(bars) < quiet), 0.0, rng.standard_t(3, bars) * 1e-3)
    close = 10.0 ** rng.uniform(-6, 5) * np.exp(np.cumsum(steps))
    open_ = np.concatenate((close[:1], close[:-1]))
    spread = np.where(still, 0.0, rng.random(bars) * 1e-3)
    high, low = np.maximum(open_, close) * (1 + spread), np.minimum(open_, close) * (1 - spread)
    volume = np.where(still | (rng.random(bars) < quiet), 0.0, rng.lognormal(0, 2, bars))
    start = START // series.interval_ns * series.interval_ns
    ts = start + slots * series.interval_ns
    return Candles(series, ts, open_, high, low, close, volume, np.full(bars, -1))


def replaced(candles: Candles, **columns: np.ndarray) -> Candles:
    """The same candles with some columns exchanged."""
    names = ("ts", "open", "high", "low", "close", "volume", "trades")
    return Candles(candles.series, *(columns.get(name, getattr(candles, name)) for name in names))


def constant(bars: int, price: float, volume: float) -> Candles:
    """A market in which nothing ever moves."""
    prices = np.full(bars, price)
    return replaced(
        market(0, bars, missing=0),
        open=prices,
        high=prices,
        low=prices,
        close=prices,
        volume=np.full(bars, volume),
    )
