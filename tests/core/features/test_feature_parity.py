"""One kernel, two drivers: the same bits from any cut, nothing from the future, a bounded past."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gal_friday_core.candles import Candles, Series
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.drivers import FeatureStream, compute
from gal_friday_core.times import from_iso

START = from_iso("2024-02-28T13:37:00Z")


def market(seed: int, bars: int, *, missing: float = 0.1, flat: float = 0.2, interval: str = "1m") -> Candles:
    """Candles with missing minutes, flat and trade-less stretches, jumps, and every price level."""
    rng = np.random.default_rng(seed)
    series = Series("kraken", "BTC/USD", interval)
    slots = np.cumsum(np.where(rng.random(bars) < missing, rng.integers(2, 20, bars), 1))
    steps = np.where(rng.random(bars) < flat, 0.0, rng.standard_t(3, bars) * 1e-3)
    quiet = np.repeat(rng.random(bars // 50 + 1) < 0.1, 50)[:bars]
    close = 10.0 ** rng.uniform(-6, 5) * np.exp(np.cumsum(np.where(quiet, 0.0, steps)))
    open_ = np.concatenate((close[:1], close[:-1]))
    spread = np.where(quiet, 0.0, rng.random(bars) * 1e-3)
    high, low = np.maximum(open_, close) * (1 + spread), np.minimum(open_, close) * (1 - spread)
    volume = np.where(rng.random(bars) < flat, 0.0, rng.lognormal(0, 2, bars)) * ~quiet
    ts = START + slots * series.interval_ns
    return Candles(series, ts, open_, high, low, close, volume, np.full(bars, -1))


def streamed(candles: Candles) -> np.ndarray:
    stream = FeatureStream(CANDLES_V1, candles.series.interval_ns)
    columns = (column.tolist() for column in candles.columns()[:6])
    return np.array([stream.update(*bar) for bar in zip(*columns, strict=True)])


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and one.tobytes() == other.tobytes()


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), bars=st.integers(1, 1200), data=st.data())
def test_batch_equals_stream_bit_for_bit_from_any_cut(seed, bars, data):
    candles = market(seed, bars)
    cut = data.draw(st.integers(0, bars), label="cut")
    batch = compute(candles).values
    stream = FeatureStream(CANDLES_V1, candles.series.interval_ns)
    head = stream.extend(candles[:cut])
    columns = (column.tolist() for column in candles[cut:].columns()[:6])
    tail = [stream.update(*bar) for bar in zip(*columns, strict=True)]
    assert same_bits(batch, np.array([*head, *tail]).reshape(batch.shape))


def test_a_stream_begun_from_history_goes_on_as_the_batch():
    candles = market(5, 3000)
    stream = FeatureStream.from_history(candles[:2000])
    assert stream.ready
    assert same_bits(stream.extend(candles[2000:]), compute(candles).values[2000:])
