"""Label sets are named, hashed, and what a model is asked live is what it was taught."""

from decimal import Decimal

import numpy as np
import pytest

from gal_friday_core.config import Config, LabelsConfig
from gal_friday_core.errors import DataError, SchemaMismatchError
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.drivers import FeatureTable
from gal_friday_core.features.registry import FEATURE_SETS
from gal_friday_core.features.schema import FeatureVector
from gal_friday_core.label_sets import LABEL_SETS, label_set
from gal_friday_core.labels import RULE, TIME, label_trades
from gal_friday_core.predictor import Predictor
from gal_friday_core.primary_rules import PRIMARY_RULES, TREND, Condition, PrimaryRule
from gal_friday_core.training import train
from gal_friday_core.training_set import assemble, label_bars
from tests.core.evidence.momentum_market import CONFIG, market


def configured(name: str, config: Config = CONFIG) -> Config:
    return config.model_copy(update={"labels": LabelsConfig(set=name)})


def test_every_configurable_set_exists_and_no_two_are_the_same():
    found = [label_set(configured(name)) for name in LABEL_SETS]
    assert [one.name for one in found] == list(LABEL_SETS)
    assert len({one.hash for one in found}) == len(LABEL_SETS)
    assert Config().labels.set == "triple-barrier-v1"


def test_the_hash_covers_barriers_costs_and_the_primary_rule():
    base = label_set(configured("meta-trend-v1"))
    wider = CONFIG.model_copy(update={"barriers": CONFIG.barriers.model_copy(update={"horizon_bars": 13})})
    dearer = CONFIG.model_copy(update={"costs": CONFIG.costs.model_copy(update={"slippage": Decimal(0)})})
    others = [label_set(configured("meta-trend-v1", other)).hash for other in (wider, dearer)]
    assert base.hash not in others
    assert label_set(configured("meta-trend-v1")).hash == base.hash
    assert label_set(configured("meta-breakout-v1")).hash != base.hash
    unrelated = CONFIG.model_copy(update={"training": CONFIG.training.model_copy(update={"seed": 5})})
    assert label_set(configured("meta-trend-v1", unrelated)).hash == base.hash


def test_the_default_set_is_the_triple_barrier_at_every_bar():
    candles, table = market()
    labels = label_bars(candles, table, CONFIG, CONFIG.costs)
    plain = label_trades(candles, table.column("volatility_60"), CONFIG.barriers, CONFIG.costs)
    assert labels.net_return.tobytes() == plain.net_return.tobytes()
    assert label_set(CONFIG).rule == RULE


def test_a_fixed_horizon_trade_is_bought_at_the_next_open_and_sold_at_the_horizon():
    candles, table = market()
    config = configured("fixed-horizon-v1")
    labels = label_bars(candles, table, config, config.costs)
    horizon, costs = config.barriers.horizon_bars, config.costs
    fee, slippage = float(costs.taker_fee), float(costs.slippage)
    held = labels[labels.outcome == TIME]
    bought = candles.open[held.index + 1] * (1 + slippage) * (1 + fee)
    sold = candles.open[held.index + 1 + horizon] * (1 - slippage) * (1 - fee)
    np.testing.assert_allclose(held.net_return, sold / bought - 1, atol=1e-15)
    assert len(held) > 0.99 * len(labels)
    ended = candles.ts[held.index + 1 + horizon] + candles.series.interval_ns
    assert np.array_equal(held.t1_ns, ended)


def test_a_meta_set_keeps_exactly_the_bars_where_its_rule_fires_with_their_usual_labels():
    usual, chosen = assemble(*market(), CONFIG), assemble(*market(), configured("meta-trend-v1"))
    fires = TREND.fires(usual.features(np.arange(len(usual.labels))), usual.schema)
    assert 0.1 < fires.mean() < 0.9
    assert np.array_equal(chosen.labels.index, usual.labels.index[fires])
    assert np.array_equal(chosen.labels.net_return, usual.labels.net_return[fires])


@pytest.mark.parametrize("rule", PRIMARY_RULES.values(), ids=str)
def test_a_rule_says_the_same_of_one_row_as_of_a_table(rule: PrimaryRule):
    _, table = market()
    values = table.values[200:1_500].copy()
    values[::7, 3:9] = np.nan
    one_by_one = [rule.fires_on(FeatureVector(CANDLES_V1, row)) for row in values]
    assert rule.fires(values, CANDLES_V1).tolist() == one_by_one
    assert True in one_by_one
    assert False in one_by_one


def test_a_limit_itself_does_not_count_and_the_unknown_never_fires():
    rule = PrimaryRule("zero", 1, "above nothing", (Condition("volatility_60", "above", 0.0),))
    values = np.zeros((3, len(CANDLES_V1)))
    place = CANDLES_V1.index("volatility_60")
    values[:, place] = [0.0, np.nan, 1e-9]
    assert rule.fires(values, CANDLES_V1).tolist() == [False, False, True]


def test_a_feature_set_without_the_rules_columns_is_refused_by_name():
    bare = next(schema for schema in FEATURE_SETS if schema.name == "book-v1")
    with pytest.raises(SchemaMismatchError, match="primary rule trend reads ema_26_distance"):
        TREND.fires(np.zeros((1, len(bare))), bare)


def test_a_rule_that_hardly_fires_is_too_little_to_learn_from():
    with pytest.raises(DataError, match=r"labelled events from .*training\.min_events"):
        assemble(*market(1_500), configured("meta-reversion-v1"))


@pytest.fixture(scope="module")
def judge():
    quick = {"validation": CONFIG.validation.model_copy(update={"tested_groups": 0})}
    files = train(*market(), configured("meta-trend-v1", CONFIG.model_copy(update=quick))).files
    return Predictor.from_files(files, model_id="meta@v1", model_type="meta", version=1)


def test_a_model_takes_its_label_set_and_its_rule_along(judge: Predictor):
    expected = label_set(configured("meta-trend-v1"))
    assert judge.metadata.label_set == "meta-trend-v1"
    assert judge.metadata.label_hash == expected.hash
    assert judge.metadata.feature_set == "candles-v1"
    assert judge.metadata.primary == TREND
    assert judge.barriers == CONFIG.barriers


def test_a_fixed_horizon_model_is_traded_with_its_barriers_out_of_reach():
    config = configured("fixed-horizon-v1")
    assert label_set(config).barriers.min_width == config.barriers.max_width
    assert label_set(config).barriers.horizon_bars == config.barriers.horizon_bars


def test_cost_and_volatility_cannot_price_a_fixed_horizon():
    with pytest.raises(ValueError, match=r"strategy\.id threshold"):
        Config.model_validate(
            {"labels": {"set": "fixed-horizon-v1"}, "strategy": {"id": "cost_and_volatility"}}
        )


def test_no_later_bar_changes_where_a_rule_fires():
    candles, table = market()
    cut = 6_000
    early = assemble(candles[:cut], FeatureTable(table.ts[:cut], table.values[:cut], table.schema),
                     configured("meta-trend-v1"))  # fmt: skip
    whole = assemble(candles, table, configured("meta-trend-v1"))
    assert np.array_equal(early.labels.index, whole.labels.index[: len(early.labels)])
