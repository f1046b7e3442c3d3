"""A year traded by a model: features, 300 trees of depth 6, calibration, decisions, orders; nobody else has the like to compare.

The trees are trained on labels drawn at random: what is measured is speed. It enters at the 98th percentile of what it says.
"""

import sys
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import xgboost

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import backtest_ours as ours
from benchmarks.peer_backtest import head, main
from gal_friday_core import __version__, artifact
from gal_friday_core.calibration import Platt
from gal_friday_core.config import BarriersConfig, Config, CostsConfig
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.drivers import compute
from gal_friday_core.predictor import TARGET, ModelMetadata, Predictor, schema_document
from gal_friday_live.fast_backtest import Trading, trade
from gal_friday_live.replay_data import Stretch

TREES, DEPTH, LEARNT = 300, 6, 20_000
CALM = dict.fromkeys(("max_daily_drawdown", "max_weekly_drawdown", "max_total_drawdown"), 1)


def predictor(candles):
    values = compute(candles[: LEARNT + 300]).values[300:]
    labels = np.random.default_rng(1).random(len(values)) < 0.5
    settings = {
        "objective": "binary:logistic", "tree_method": "hist", "max_depth": DEPTH, "eta": 0.05, "nthread": 1, "seed": 1,
    }  # fmt: skip
    booster = xgboost.train(settings, xgboost.DMatrix(values, labels), TREES)
    threshold = float(np.quantile(booster.predict(xgboost.DMatrix(values)), 0.98))
    metadata = ModelMetadata(
        series=ours.SERIES.key, target=TARGET, schema_hash=CANDLES_V1.hash, entry_threshold=threshold, mean_win=0.01,
        mean_loss=0.01, holdout_start_ns=0, oos_quantiles={}, label="none", barriers=BarriersConfig().model_dump(),
        costs=CostsConfig().model_dump(mode="json"), data={}, training={}, seed=1, config_hash="", code_version="",
        libraries={}, parity={},
    )  # fmt: skip
    files = {
        artifact.MODEL: bytes(booster.save_raw("ubj")),
        artifact.CALIBRATION: artifact.to_json(msgspec.to_builtins(Platt(1.0, 0.0))),
        artifact.FEATURES: artifact.to_json(schema_document(CANDLES_V1)),
        artifact.METADATA: artifact.to_json(msgspec.to_builtins(metadata)),
        artifact.REPORT: artifact.to_json({}),
    }
    name = ours.SERIES.key
    return Predictor.from_files(artifact.seal(files), model_id=f"{name}@v1", model_type=name, version=1)


def prepare(bars, rule):
    config = Config.model_validate({"risk": CALM})
    model, whole = predictor(ours.candles(bars)), ours.candles(bars)
    few = ours.candles(head(bars, 5_000))
    trade(config, (Trading(Stretch(ours.SERIES, few, few[:0], ours.INSTRUMENT), model),), Decimal(10_000))
    trading = Trading(Stretch(ours.SERIES, whole, whole[:0], ours.INSTRUMENT), model)
    return config, trading, ours.money(rule.cash)


if __name__ == "__main__":
    main(__version__, prepare, ours.run, ours.told)
