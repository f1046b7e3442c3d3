"""A model that learnt only where its primary rule fires is traded nowhere else."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import numpy as np

from gal_friday_adapters.lake import CandleLake
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.drivers import compute
from gal_friday_core.features.schema import FeatureVector
from gal_friday_core.primary_rules import TREND
from gal_friday_core.times import MINUTE_NS, from_iso
from gal_friday_live.backtesting import BacktestingEngine
from gal_friday_live.model_roster import active_of
from tests.live.world import CALM, manager, market, predictor


def ruled():
    usual = predictor()
    return replace(usual, metadata=msgspec.structs.replace(usual.metadata, primary=TREND))


def entries(folder, model):
    """When each trade of a backtest was entered, ns."""
    lake = CandleLake(folder / "lake")
    lake.write(market())
    ts = market().ts
    first, last = (datetime.fromtimestamp(int(ts[bar]) / 1e9, UTC) for bar in (2_000, 4_000))
    engine = BacktestingEngine(manager(risk=CALM), lake=lake, predictor=model)
    report = engine.run_backtest(first, last, Decimal(10_000))
    return [from_iso(trade["entry_time"]) for trade in report["trade_list"]]


def test_every_entry_follows_a_bar_at_which_the_rule_fires(tmp_path):
    entered = entries(tmp_path, ruled())
    decided = np.searchsorted(
        market().ts, [moment // MINUTE_NS * MINUTE_NS - MINUTE_NS for moment in entered]
    )
    fires = TREND.fires(compute(market()).values, CANDLES_V1)
    assert len(entered) > 3
    assert fires[decided].all()
    without = entries(tmp_path, predictor())
    outside = np.searchsorted(
        market().ts, [moment // MINUTE_NS * MINUTE_NS - MINUTE_NS for moment in without]
    )
    assert not fires[outside].all()


def test_a_model_is_not_asked_where_features_are_missing_or_the_rule_is_silent():
    values = compute(market()).values
    fires = TREND.fires(values, CANDLES_V1)
    model = active_of(ruled())
    fired, silent = int(np.flatnonzero(fires)[0]), int(np.flatnonzero(~fires)[-1])
    assert model.is_asked(FeatureVector(CANDLES_V1, values[fired]))
    assert not model.is_asked(FeatureVector(CANDLES_V1, values[silent]))
    assert not model.is_asked(None)
    assert active_of(predictor()).is_asked(None)
