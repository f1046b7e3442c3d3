"""A small world to trade in: seeded candles, a model trained on their features, and the ports around them."""

from functools import cache

import msgspec
import numpy as np
import xgboost

from gal_friday_core import artifact
from gal_friday_core.calibration import Platt
from gal_friday_core.candles import Candles, Series
from gal_friday_core.config import BarriersConfig, Config, CostsConfig
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.drivers import compute
from gal_friday_core.predictor import TARGET, ModelMetadata, Predictor, schema_document
from gal_friday_core.times import MINUTE_NS, from_iso
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.replay_data import Stretch, instrument_of

SERIES = Series("kraken", "BTC/USD", "1m")
START = from_iso("2024-03-01")


@cache
def market(bars=6_000, seed=5, series=SERIES):
    """A random walk with changing volatility, on whole cents."""
    rng = np.random.default_rng(seed)
    volatility = 0.0008 * np.exp(np.cumsum(rng.normal(0, 0.02, bars)) * 0.5)
    close = 30_000 * np.exp(np.cumsum(rng.normal(0, 1, bars) * np.clip(volatility, 2e-4, 3e-3)))
    opened = np.concatenate(([30_000.0], close[:-1])) * np.exp(rng.normal(0, 1e-4, bars))
    reach = np.abs(rng.normal(0, 4e-4, (2, bars)))
    high = np.maximum(opened, close) * (1 + reach[0])
    low = np.minimum(opened, close) * (1 - reach[1])
    opened, high, low, close = (column.round(2) for column in (opened, high, low, close))
    volume = rng.gamma(2.0, 1.5, bars).round(8) + 1e-8
    ts = START + np.arange(bars, dtype=np.int64) * series.interval_ns
    return Candles(series, ts, opened, high, low, close, volume, np.full(bars, 7, np.int64))


@cache
def booster(seed=3):
    """Trees over the real feature set, on labels that mean nothing: what is tested is the engine."""
    values = compute(market()).values[300:]
    rng = np.random.default_rng(seed)
    labels = rng.random(len(values)) < 0.45
    settings = {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "nthread": 1,
        "seed": seed,
        "max_depth": 4,
    }
    return bytes(xgboost.train(settings, xgboost.DMatrix(values, labels), 12).save_raw("ubj"))


@cache
def predictor(version=1, seed=3, threshold=0.5, series=SERIES, horizon=60, **costs):
    """A sealed artifact, read back as the engine reads it."""
    return Predictor.from_files(
        files(seed, threshold, series, horizon, **costs),
        model_id=f"{series.key}@v{version}",
        model_type=series.key,
        version=version,
    )


def files(seed=3, threshold=0.5, series=SERIES, horizon=60, **costs):
    metadata = ModelMetadata(
        series=series.key, target=TARGET, schema_hash=CANDLES_V1.hash, entry_threshold=threshold, mean_win=0.01,
        mean_loss=0.01, holdout_start_ns=START, oos_quantiles={"0.95": threshold}, label="none",
        barriers=BarriersConfig(horizon_bars=horizon).model_dump(),
        costs=CostsConfig(**costs).model_dump(mode="json"), data={}, training={}, seed=seed, config_hash="0" * 64,
        code_version="test", libraries={}, parity={"rows": 0, "differing": 0},
    )  # fmt: skip
    return artifact.seal(
        {
            artifact.MODEL: booster(seed),
            artifact.CALIBRATION: artifact.to_json(msgspec.to_builtins(Platt(1.0, 0.0))),
            artifact.FEATURES: artifact.to_json(schema_document(CANDLES_V1)),
            artifact.METADATA: artifact.to_json(msgspec.to_builtins(metadata)),
            artifact.REPORT: artifact.to_json({"verdict": {"passed": True, "reasons": []}}),
        }
    )


def manager(**sections):
    """The defaults with some sections changed: `manager(risk={"max_daily_drawdown": "0.5"})`."""
    return ConfigurationManager.from_config(Config.model_validate(sections))


CALM = {"max_daily_drawdown": 1, "max_weekly_drawdown": 1, "max_total_drawdown": 1}
"""Risk limits that never halt, so that a losing model keeps trading."""


def played(candles=None, history=2_000):
    """The candles, the first `history` of them only to warm up on."""
    candles = market() if candles is None else candles
    past, bars = candles[:history], candles[history:]
    return Stretch(candles.series, bars, past, instrument_of(past if len(past) else bars))


__all__ = [
    "CALM",
    "MINUTE_NS",
    "SERIES",
    "START",
    "booster",
    "files",
    "manager",
    "market",
    "played",
    "predictor",
]
