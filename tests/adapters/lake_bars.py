"""Bars to store, made without anything that takes long to import: writers are processes of their own."""

import numpy as np

from gal_friday_core.candles import Candles, Series
from gal_friday_core.times import MINUTE_NS, from_iso

SERIES = Series("kraken", "BTC/USD", "1m")
START = from_iso("2024-01-31T22:00:00Z")  # two hours before the month turns


def bars(count=240, seed=1, start=START):
    rng = np.random.default_rng(seed)
    close = 40_000 * np.exp(np.cumsum(rng.normal(0, 1e-3, count)))
    opened = np.append(40_000.0, close[:-1])
    volume = rng.gamma(1, 2, count).round(8)
    return Candles(
        SERIES,
        start + np.arange(count) * MINUTE_NS,
        opened,
        np.maximum(opened, close) * 1.0005,
        np.minimum(opened, close) * 0.9995,
        close,
        volume,
        rng.integers(1, 50, count),
    )


def three_months():
    return bars(60 * 24 * 65, start=from_iso("2024-01-01"))
