"""A researcher without luck's help: two hundred ideas on a random walk, each of them noise, and the best of them."""

from dataclasses import replace
from functools import cache

import numpy as np

from gal_friday_core.candles import Candles
from gal_friday_core.config import BarriersConfig, Config, CostsConfig, TrainingConfig, ValidationConfig
from gal_friday_core.evidence.trials import Trials
from gal_friday_core.features.drivers import FeatureTable
from gal_friday_core.features.schema import Feature, FeatureSchema
from gal_friday_core.search import Trial, attempt, together
from gal_friday_core.training import Candidate, train_on
from gal_friday_core.training_set import TrainingSet, assemble
from tests.core.evidence.momentum_market import HOUR, SERIES, START

IDEAS = 200
SCHEMA = FeatureSchema(
    "ideas", 1, tuple(Feature(name, "1", 0, "made up") for name in ("volatility_60", "idea", "another"))
)  # fmt: skip
CONFIG = Config(
    costs=CostsConfig(taker_fee="0", maker_fee="0", slippage="0"),
    barriers=BarriersConfig(
        horizon_bars=12, target_volatility=1.0, stop_volatility=1.0, min_width=0.002, max_width=0.1
    ),
    training=TrainingConfig(
        trees=3, depth=2, min_child_weight=5, stride_bars=6, folds=2, embargo_bars=12, min_events=500
    ),
    validation=ValidationConfig(tested_groups=0),
)  # fmt: skip


def walk(bars: int = 8_600, seed: int = 11) -> Candles:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(0.004 * rng.normal(size=bars)))
    open_ = np.concatenate(([100.0], close[:-1]))
    ts = START + HOUR * np.arange(bars, dtype=np.int64)
    ones = np.ones(bars)
    return Candles(
        SERIES, ts, open_, np.maximum(open_, close) * 1.001, np.minimum(open_, close) * 0.999, close, ones,
        np.ones(bars, np.int64),
    )  # fmt: skip


def ideas(candles: Candles, number: int) -> FeatureTable:
    """Features of one idea: columns of noise that know nothing of the candles but how many there are."""
    rng = np.random.default_rng([number, len(candles)])
    constant = np.full(len(candles), 0.004)
    return FeatureTable(candles.ts, np.column_stack((constant, rng.normal(size=(len(candles), 2)))), SCHEMA)


@cache
def searched() -> tuple[Candidate, Trials, TrainingSet]:
    """Every idea walked forward, and the one with the best Sharpe ratio trained with all of them remembered."""
    candles = walk()
    labelled = assemble(candles, ideas(candles, 0), CONFIG)
    trials = list[Trial]()
    for number in range(IDEAS):
        data = replace(labelled, table=ideas(candles, number))
        trials.append(attempt(data, CONFIG.training.model_copy(update={"seed": number})))
    best = max(range(IDEAS), key=lambda number: trials[number].objective("ratio"))
    config = CONFIG.model_copy(update={"training": CONFIG.training.model_copy(update={"seed": best})})
    data = replace(labelled, table=ideas(candles, best))
    tried = together(trials[best], trials)
    return train_on(data, config, trials=tried), tried, data
