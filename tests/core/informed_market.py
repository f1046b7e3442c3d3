"""A made-up market whose drift one feature tells, and a small configuration that learns it in a second."""

import numpy as np

from gal_friday_core.candles import Candles, Series
from gal_friday_core.config import BarriersConfig, Config, CostsConfig, TrainingConfig
from gal_friday_core.features.drivers import FeatureTable
from gal_friday_core.features.schema import Feature, FeatureSchema

MINUTE = 60_000_000_000
START = 1_600_000_020_000_000_000 // MINUTE * MINUTE
SCHEMA = FeatureSchema(
    "made_up", 1,
    tuple(Feature(name, "1", 0, "made up") for name in ("volatility_60", "hint", "noise", "noise_2")),
)  # fmt: skip
FREE = CostsConfig(taker_fee="0.0002", maker_fee="0.0001", slippage="0")
CONFIG = Config(
    costs=FREE,
    barriers=BarriersConfig(
        horizon_bars=10, target_volatility=1.0, stop_volatility=1.0, min_width=0.002, max_width=0.1
    ),
    training=TrainingConfig(
        trees=20, depth=3, min_child_weight=5, stride_bars=3, folds=3, embargo_bars=5, min_events=500
    ),
)


def market(bars=12_000, seed=1, strength=1.0):
    """A walk whose drift over the next 10 bars the feature `hint` tells, as strongly as said."""
    rng = np.random.default_rng(seed)
    drift = np.repeat(rng.normal(size=bars // 10 + 1), 10)[:bars]
    steps = 0.001 * rng.normal(size=bars) + 0.0012 * strength * drift
    close = 100 * np.exp(np.cumsum(steps))
    open_ = np.concatenate(([100.0], close[:-1]))
    high, low = np.maximum(open_, close) * 1.0002, np.minimum(open_, close) * 0.9998
    ts = START + MINUTE * np.arange(bars, dtype=np.int64)
    candles = Candles(
        Series("test", "BTC/USD", "1m"), ts, open_, high, low, close, np.ones(bars), np.ones(bars, np.int64)
    )
    hint = np.concatenate((drift[10:], np.zeros(10))) * (strength > 0) + 0.3 * rng.normal(size=bars)
    # The hint looks into the next stretch: known in advance here, because the market is made up.
    hint = np.roll(hint, 9)
    values = np.column_stack((np.full(bars, 0.001), hint, rng.normal(size=(bars, 2))))
    values[:60] = np.nan
    return candles, FeatureTable(ts, values, SCHEMA)
