"""A generated market with a real edge: a hidden drift that comes and goes slowly, so that past moves tell of the next.

Nothing in it looks ahead: features are the real ones, computed from the bars by the kernel that trades.
"""

from functools import cache

import numpy as np

from gal_friday_core.candles import Candles, Series
from gal_friday_core.config import BarriersConfig, Config, CostsConfig, TrainingConfig
from gal_friday_core.features.drivers import FeatureTable, compute

HOUR = 3_600_000_000_000
START = 1_600_000_000_000_000_000 // (24 * HOUR) * 24 * HOUR
SERIES = Series("test", "BTC/USD", "1h")
CONFIG = Config(
    costs=CostsConfig(taker_fee="0.0004", maker_fee="0.0002", slippage="0.0001"),
    barriers=BarriersConfig(
        horizon_bars=12, target_volatility=1.5, stop_volatility=1.5, min_width=0.005, max_width=0.1
    ),
    training=TrainingConfig(
        trees=30, depth=2, min_child_weight=10, learning_rate=0.1, stride_bars=2, folds=4, embargo_bars=12,
        min_events=500,
    ),
)  # fmt: skip


@cache
def market(bars: int = 12_000, seed: int = 1, strength: float = 1.0) -> tuple[Candles, FeatureTable]:
    """Hourly bars of 0.4 % noise, and their features; `strength` 0 leaves nothing to be found."""
    rng = np.random.default_rng(seed)
    drift = np.zeros(bars)
    shocks = rng.normal(size=bars)
    for bar in range(1, bars):
        drift[bar] = 0.98 * drift[bar - 1] + np.sqrt(1 - 0.98**2) * shocks[bar]
    steps = 0.004 * rng.normal(size=bars) + 0.0012 * strength * drift
    close = 100 * np.exp(np.cumsum(steps - steps.mean()))
    open_ = np.concatenate(([100.0], close[:-1]))
    reach = 0.002 * np.abs(rng.normal(size=(2, bars)))
    high = np.maximum(open_, close) * (1 + reach[0])
    low = np.minimum(open_, close) * (1 - reach[1])
    ts = START + HOUR * np.arange(bars, dtype=np.int64)
    volume = np.exp(rng.normal(size=bars))
    candles = Candles(SERIES, ts, open_, high, low, close, volume, np.ones(bars, np.int64))
    return candles, compute(candles)
