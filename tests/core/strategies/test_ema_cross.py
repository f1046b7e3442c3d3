"""Where the averages cross, one bar at a time or many, and what is then proposed."""

from decimal import Decimal
from math import inf, nan

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gal_friday_core.candles import Candles, Series
from gal_friday_core.config import BarriersConfig, Config, EmaCrossConfig
from gal_friday_core.errors import DataError
from gal_friday_core.instruments import Instrument
from gal_friday_core.strategies.ema_cross import BLOCK, EmaCross, EmaCrossStrategy
from gal_friday_core.strategies.protocol import Situation
from gal_friday_core.strategies.registry import factory
from gal_friday_core.times import MINUTE_NS

SERIES = Series("kraken", "BTC/USD", "1m")
STRATEGY = EmaCrossStrategy(EmaCrossConfig())
SITUATION = Situation(
    instrument=Instrument("BTC/USD", price_tick=Decimal("0.1")),
    reference_price=Decimal("1234.5"),
    volatility=nan,
    probability=nan,
    entry_threshold=nan,
    rule_fires=True,
)


def walk(bars, seed=1, missing=0.0):
    """A random walk; `missing` of its minutes have no bar."""
    rng = np.random.default_rng(seed)
    close = 1000 * np.exp(np.cumsum(rng.normal(0, 1e-3, bars)))
    ts = np.flatnonzero(rng.random(2 * bars) >= missing)[:bars] * MINUTE_NS
    return Candles(SERIES, ts, close, close, close, close, close, np.zeros(bars, np.int64))


def plain(candles, fast, slow):
    """The rule by pandas: averages over everything there ever was."""
    means = [pd.Series(candles.close).ewm(span=span, adjust=False).mean() for span in (fast, slow)]
    above = (means[0] > means[1]).to_numpy()
    fires = above & ~np.concatenate(([False], above[:-1]))
    fires[: slow - 1] = False
    return fires


@pytest.mark.parametrize(("fast", "slow"), [(12, 26), (1, 2), (50, 200)])
def test_fires_where_averages_over_all_history_cross(fast, slow):
    candles = walk(60_000)
    fires = EmaCross(fast, slow).stream(MINUTE_NS).extend(candles)
    expected = plain(candles, fast, slow)
    assert expected.sum() > 100
    np.testing.assert_array_equal(fires, expected)


def test_averages_are_those_of_pandas():
    candles = walk(5_000)
    stream = EmaCross(12, 26).stream(MINUTE_NS)
    stream.extend(candles)
    close = pd.Series(candles.close)
    expected = [close.ewm(span=span, adjust=False).mean().iloc[-1] for span in (12, 26)]
    assert stream.averages == pytest.approx(expected, rel=1e-14)


@settings(max_examples=25, deadline=None)
@given(cut=st.integers(0, 2_000), seed=st.integers(0, 100), missing=st.sampled_from([0.0, 0.4]))
def test_one_bar_at_a_time_gives_the_answers_of_a_batch(cut, seed, missing):
    candles = walk(2_000, seed, missing)
    batch, stream = EmaCross(5, 13).stream(MINUTE_NS), EmaCross(5, 13).stream(MINUTE_NS)
    expected = batch.extend(candles)
    fires = stream.extend(candles[:cut]).tolist()
    fires += [stream.update(int(candles.ts[row]), candles.close.item(row)) for row in range(cut, 2_000)]
    assert fires == expected.tolist()
    assert stream.averages == batch.averages


@settings(max_examples=25, deadline=None)
@given(
    start=st.integers(0, 3_000),
    spans=st.sampled_from([(12, 26), (20, 60)]),
    missing=st.sampled_from([0.0, 0.3]),
)
def test_a_stream_begun_its_reach_before_agrees_bit_for_bit(start, spans, missing):
    candles = walk(5_500, 7, missing)
    rule = EmaCross(*spans)
    old, young = rule.stream(MINUTE_NS), rule.stream(MINUTE_NS)
    expected = old.extend(candles)
    fires = young.extend(candles[start:])
    known = start + rule.reach - 1
    np.testing.assert_array_equal(fires[rule.reach - 1 :], expected[known:])
    assert young.averages == old.averages


def test_nothing_fires_before_the_slow_average_has_its_bars():
    falling_then_up = np.concatenate((np.linspace(100, 90, 20), np.full(20, 200.0)))
    ts = np.arange(40) * MINUTE_NS
    candles = Candles(SERIES, ts, *[falling_then_up] * 5, np.zeros(40, np.int64))
    assert EmaCross(3, 20).stream(MINUTE_NS).extend(candles).tolist().index(True) == 20
    assert not EmaCross(3, 22).stream(MINUTE_NS).extend(candles).any()


@pytest.mark.parametrize(("ts", "close"), [(MINUTE_NS, 1.0), (0, 1.0), (99 * MINUTE_NS, nan), (99 * MINUTE_NS, 0.0), (99 * MINUTE_NS, inf)])  # fmt: skip
def test_a_bar_out_of_order_or_without_a_price_is_refused_and_changes_nothing(ts, close):
    stream, other = EmaCross(2, 3).stream(MINUTE_NS), EmaCross(2, 3).stream(MINUTE_NS)
    for each in (stream, other):
        each.update(0, 5.0)
        each.update(MINUTE_NS, 4.0)
    with pytest.raises(DataError, match="bars come in time order"):
        stream.update(ts, close)
    later = (BLOCK + 5) * MINUTE_NS
    assert stream.update(later, 6.0) == other.update(later, 6.0) is True
    assert stream.averages == other.averages


def test_a_cross_buys_with_stop_and_target_on_ticks():
    proposal = STRATEGY.decide(SITUATION)
    assert (proposal.side, proposal.entry_type, proposal.reason) == ("BUY", "MARKET", "RULE_FIRED")
    assert (proposal.stop, proposal.target) == (Decimal("1222.2"), Decimal("1259.2"))


@pytest.mark.parametrize(
    "change",
    [
        {"rule_fires": False},
        {"rule_fires": False, "probability": 1.0, "entry_threshold": 0.1},
        {"entry_pending": True},
        {"exit_pending": True},
        {"quantity": Decimal(1), "bars_held": 10_000},
        {"instrument": Instrument("BTC/USD", price_tick=Decimal(50))},
    ],
)
def test_nothing_is_proposed_when(change):
    assert STRATEGY.decide(replace(SITUATION, **change)) is None


def test_no_prediction_makes_it_enter():
    assert not STRATEGY.is_likely_enough(1.0, 0.0)
    assert not STRATEGY.candidates(np.ones(3), 0.0).any()


def test_it_is_made_from_the_configuration():
    config = Config(ema_cross=EmaCrossConfig(fast=5, slow=9, stop=Decimal("0.1"), target=Decimal("0.5")))
    strategy = factory("ema_cross")(config, BarriersConfig())
    assert (strategy.rule.fast, strategy.rule.slow) == (5, 9)
    proposal = strategy.decide(replace(SITUATION, reference_price=Decimal(100)))
    assert (proposal.stop, proposal.target) == (Decimal(90), Decimal(150))


def test_averages_in_the_wrong_order_are_refused():
    with pytest.raises(ValueError, match="must be less"):
        EmaCrossConfig(fast=26, slow=12)


def test_sizes_by_a_predictions_features_are_refused():
    with pytest.raises(ValueError, match="fixed_fractional goes with"):
        Config(strategy={"id": "ema_cross"}, risk={"sizing": "volatility_scaled"})


@pytest.mark.parametrize("strategy_id", ["threshold", "cost_and_volatility"])
def test_whole_runs_are_asked_as_single_bars_are(strategy_id):
    config = Config(strategy={"margin": 0.0625}, cost_and_volatility={"min_probability": 0.625})
    strategy = factory(strategy_id)(config, config.barriers)
    probabilities = np.array([0.5, 0.5625, np.nextafter(0.5625, 0), 0.625, 0.75, nan])
    one_by_one = [strategy.is_likely_enough(value, 0.5) for value in probabilities.tolist()]
    assert strategy.candidates(probabilities, 0.5).tolist() == one_by_one
