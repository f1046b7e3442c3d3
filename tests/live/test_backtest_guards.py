"""A backtest guarded against its future and explained trade by trade."""

import asyncio
import json
from decimal import Decimal

import numpy as np
import pytest

from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError, DataError
from gal_friday_core.features.drivers import compute
from gal_friday_core.strategies.presets import trading, with_preset
from gal_friday_core.tearsheet.explanation import explained
from gal_friday_core.tearsheet.of_run import record_of
from gal_friday_live import backtest_guards
from gal_friday_live.backtest_guards import guards
from gal_friday_live.backtesting import BacktestingEngine
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.fast_backtest import Trading, trade
from gal_friday_live.replay_data import Stretch, instrument_of
from tests.live.world import CALM, market, played, predictor

CASH = Decimal(10_000)


def by_rule():
    config, _ = with_preset(trading(Config(), "ema_cross"))
    return config, Trading(played())


def by_model():
    return Config.model_validate({"risk": CALM}), Trading(played(), predictor())


@pytest.fixture(scope="module")
def model_run():
    config, one = by_model()
    return config, trade(config, (one,), CASH)


@pytest.fixture(scope="module")
def rule_run():
    config, one = by_rule()
    return config, trade(config, (one,), CASH)


@pytest.mark.parametrize("asked", [by_rule, by_model])
def test_shipped_strategies_know_nothing_of_their_future(asked):
    config, one = asked()
    found = guards(config, one, CASH)
    assert found.passed, found.to_dict()
    assert [check.checked for check in found.checks] == [sum(4_000 * cut // 6 for cut in range(1, 6)), 60]
    assert [run.bars for run in found.delays] == [0, 1, 2, 5]
    assert all(run.trades > 0 for run in found.delays)
    assert len({run.net_profit for run in found.delays}) > 1


def test_run_that_is_not_late_is_the_run_itself(rule_run):
    config, ran = rule_run
    first = guards(*by_rule(), CASH).delays[0]
    record = record_of(ran, config.costs)
    assert (first.trades, Decimal(first.net_profit)) == (
        len(record.trips.trades),
        record.curve.final - record.curve.initial,
    )


def test_planted_leak_in_a_feature_is_found_by_its_name(monkeypatch):
    honest = backtest_guards._features

    def leaks(history, bars, schema):
        found = honest(history, bars, schema)
        ahead = np.roll(bars.close, -3) / bars.close - 1
        return {**found, "log_return_1": ahead}

    monkeypatch.setattr(backtest_guards, "_features", leaks)
    found = guards(*by_rule(), CASH)
    assert not found.passed
    assert {check.columns for check in found.checks} == {("log_return_1",)}


def test_long_runs_are_asked_in_their_newest_bars_alone(monkeypatch):
    monkeypatch.setattr(backtest_guards, "MOST_BARS", 600)
    config, one = by_rule()
    found = guards(config, one, CASH)
    assert found.passed
    assert found.checks[0].checked == sum(600 * cut // 6 for cut in range(1, 6))


def test_few_bars_cannot_be_guarded():
    few = market()[:8]
    config, _ = by_rule()
    with pytest.raises(DataError, match="8 bars are too few"):
        guards(config, Trading(Stretch(few.series, few, few[:0], instrument_of(few))), CASH)


def test_trade_of_a_model_is_explained_from_features_to_fees(model_run):
    config, ran = model_run
    found = explained(ran, config.costs, "3")
    bars, decided = ran.tape.markets[0].bars, found["decided"]
    assert json.dumps(found, allow_nan=False)
    assert (found["number"], decided["by"]) == (3, "model")
    assert decided["probability"] >= decided["entry_threshold"]
    row = int(np.searchsorted(bars.ts, _ns(decided["bar"]["opened_at"])))
    assert decided["bar"]["close"] == bars.close[row] == float(decided["reference_price"])
    whole = compute(market()).values[2_000 + row]
    assert list(found["features"].values()) == whole.tolist()
    assert decided["volatility"] == found["features"]["volatility_60"]
    assert predictor().predict_row(whole) == decided["probability"]
    bought, sold = found["fills"]
    assert (bought["side"], sold["side"]) == ("BUY", "SELL")
    assert bought["quantity"] == found["risk"]["quantity"] == found["trade"]["quantity"]
    assert Decimal(bought["fee"]) + Decimal(sold["fee"]) == Decimal(found["trade"]["fees"])
    assert Decimal(bought["price"]) == Decimal(repr(float(bars.open[row + 1]))) * (1 + config.costs.slippage)


def test_every_trade_is_explained_and_ends_in_a_bar_that_says_why(model_run):
    config, ran = model_run
    trades = record_of(ran, config.costs).trips.trades
    reasons = set()
    for number, trade_ in enumerate(trades, start=1):
        found = explained(ran, config.costs, str(number))
        assert found["trade"]["signal_id"] == trade_.signal_id
        ended, decided = found["ended"], found["decided"]
        reasons.add(trade_.reason)
        if ended["why"] == "a bar reached the stop":
            assert ended["bar"]["low"] <= float(decided["stop"])
        elif ended["why"] == "a bar reached the target":
            assert ended["bar"]["high"] >= float(decided["target"])
        elif ended["why"] == "the open had jumped over the stop":
            assert ended["bar"]["open"] <= float(decided["stop"])
        else:
            slipped = ended["bar"]["open"] * float(1 - config.costs.slippage)
            assert float(found["fills"][-1]["price"]) == pytest.approx(slipped)
    assert reasons == {"STOP", "TARGET", "TIME"}


def test_trade_of_a_rule_says_how_the_averages_crossed(rule_run):
    config, ran = rule_run
    rule = explained(ran, config.costs, "1")["decided"]["rule"]
    assert rule["fires"]
    assert rule["averages_before"]["fast"] <= rule["averages_before"]["slow"]
    assert rule["averages"]["fast"] > rule["averages"]["slow"]


def test_trade_is_found_by_its_signal_too(rule_run):
    config, ran = rule_run
    first = explained(ran, config.costs, "1")
    assert explained(ran, config.costs, first["trade"]["signal_id"]) == first


@pytest.mark.parametrize("asked", ["0", "100000", "no-such-signal", "-1"])
def test_trade_that_there_is_not_is_one_clear_error(rule_run, asked):
    config, ran = rule_run
    with pytest.raises(DataError, match=f"no trade '{asked}': this run closed"):
        explained(ran, config.costs, asked)


def _ns(moment):
    return int(np.datetime64(moment.rstrip("Z").split("+")[0], "ns").astype(np.int64))


def test_run_of_given_features_is_not_traced_back_by_others():
    """Features that were heard may differ from those computed: another run would explain other trades."""
    config, _ = by_model()
    tester = BacktestingEngine(ConfigurationManager.from_config(config), predictor=predictor())
    with pytest.raises(ConfigError, match="nothing was traded yet"):
        tester.explain("1")
    asyncio.run(tester.run(played(market()[:2_100]), CASH, rows={}))
    for trace in (lambda: tester.explain("1"), tester.guard):
        with pytest.raises(ConfigError, match="cannot be traced back: features are given"):
            trace()
