"""A label is the trade that the strategy would have made, at the prices that it would have got."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gal_friday_core.barriers import widths
from gal_friday_core.candles import Candles, Series
from gal_friday_core.config import BarriersConfig, CostsConfig
from gal_friday_core.errors import DataError
from gal_friday_core.labels import STOP, TARGET, TIME, break_even, label_trades

MINUTE = 60_000_000_000
SERIES = Series("test", "BTC/USD", "1m")
COSTS = CostsConfig()
FEE, SLIP = float(COSTS.taker_fee), float(COSTS.slippage)
TRADE = BarriersConfig(
    horizon_bars=3, target_volatility=1.0, stop_volatility=1.0, min_width=0.01, max_width=0.5
)


def candles(bars, minutes=None):
    """Candles from (open, high, low, close) rows."""
    bars = np.array(bars, float).reshape(-1, 4)
    minutes = np.arange(len(bars)) if minutes is None else np.array(minutes)
    empty = np.zeros(len(bars))
    return Candles(SERIES, minutes.astype(np.int64) * MINUTE, *bars.T.copy(), empty, empty.astype(np.int64))


def one_trade(*path, volatility=0.0):
    """The label of a bar that closed at 100, followed by `path` and then by flat bars at its last close."""
    bars = [(100, 100, 100, 100), *path]
    last = bars[-1][3]
    bars += [(last, last, last, last)] * (TRADE.horizon_bars + 2 - len(bars))
    return label_trades(candles(bars), np.full(len(bars), volatility), TRADE, COSTS)[:1]


def net(entry, exit_price, slips):
    return exit_price * (1 - SLIP * slips) * (1 - FEE) / (entry * (1 + SLIP) * (1 + FEE)) - 1


def test_target_is_filled_at_its_price_without_slippage():
    trade = one_trade((100, 100.5, 99.5, 100), (100, 102, 100, 101))
    assert trade.outcome[0] == TARGET
    assert trade.net_return[0] == pytest.approx(net(100, 101, 0))
    assert trade.t0_ns[0] == MINUTE
    assert trade.t1_ns[0] == 3 * MINUTE


def test_stop_pays_slippage():
    trade = one_trade((100, 100.5, 98.9, 99.5))
    assert trade.outcome[0] == STOP
    assert trade.net_return[0] == pytest.approx(net(100, 99, 1))


def test_stop_wins_when_both_are_inside_one_bar():
    trade = one_trade((100, 105, 95, 104))
    assert trade.outcome[0] == STOP
    assert not trade.label[0]


def test_a_gap_through_the_stop_fills_at_the_open():
    trade = one_trade((100, 100.5, 99.5, 100), (90, 92, 89, 91))
    assert trade.net_return[0] == pytest.approx(net(100, 90, 1))


def test_time_exit_sells_at_the_open_after_the_horizon():
    flat = (100, 100.5, 99.5, 100)
    trade = one_trade(flat, flat, flat, (100.7, 103, 95, 100))
    assert trade.outcome[0] == TIME
    assert trade.net_return[0] == pytest.approx(net(100, 100.7, 1))
    assert trade.t1_ns[0] == 5 * MINUTE


def test_barriers_stand_on_the_close_and_the_entry_on_the_next_open():
    trade = one_trade((100.6, 101.2, 100.5, 101.1))
    assert trade.outcome[0] == TARGET
    assert trade.net_return[0] == pytest.approx(net(100.6, 101, 0))


def test_volatility_widens_the_barriers():
    narrow = one_trade((100, 102.1, 99.5, 102))
    wide = one_trade((100, 102.1, 99.5, 102), volatility=0.05 / math.sqrt(3))
    assert (narrow.outcome[0], wide.outcome[0]) == (TARGET, TIME)


def test_unknown_volatility_and_missing_future_give_no_label():
    bars = candles([(100, 100, 100, 100)] * 10)
    volatility = np.zeros(10)
    volatility[[0, 3]] = np.nan
    assert label_trades(bars, volatility, TRADE, COSTS).index.tolist() == [1, 2, 4, 5]


def test_a_wide_gap_on_the_way_gives_no_label_even_if_the_trade_would_have_ended_before_it():
    stopped_at_once = [(100, 100, 100, 100), (100, 100, 90, 95), *[(95, 95, 95, 95)] * 8]
    minutes = [0, 1, 2, 63, 64, 65, 66, 67, 68, 69]
    labels = label_trades(candles(stopped_at_once, minutes), np.zeros(10), TRADE, COSTS)
    assert labels.index.tolist() == [3, 4, 5]
    minutes = [0, 1, 2, 62, 63, 64, 65, 66, 67, 68]
    labels = label_trades(candles(stopped_at_once, minutes), np.zeros(10), TRADE, COSTS)
    assert labels.index.tolist() == [0, 1, 2, 3, 4, 5]


def test_too_few_candles_give_no_labels():
    assert len(label_trades(candles([(1, 1, 1, 1)] * 3), np.zeros(3), TRADE, COSTS)) == 0


def test_features_of_another_length_are_refused():
    with pytest.raises(DataError, match="3 volatilities for 4 candles"):
        label_trades(candles([(1, 1, 1, 1)] * 4), np.zeros(3), TRADE, COSTS)


def reference(bars, volatility, trade):
    """The label's definition in plain Python, one trade at a time: what the compiled walk must equal."""
    ts, found = bars.ts.tolist(), []
    for i in range(len(bars)):
        end = i + 1 + trade.horizon_bars
        if end >= len(bars) or math.isnan(volatility[i]):
            continue
        if any(ts[k + 1] - ts[k] > 60 * MINUTE for k in range(i, end)):
            continue
        up, down = (
            min(
                max(multiple * volatility[i] * math.sqrt(trade.horizon_bars), trade.min_width),
                trade.max_width,
            )
            for multiple in (trade.target_volatility, trade.stop_volatility)
        )
        target, stop = bars.close[i] * (1 + up), bars.close[i] * (1 - down)
        exit_price, how, last = bars.open[end] * (1 - SLIP), TIME, end
        for k in range(i + 1, end):
            if bars.low[k] <= stop:
                exit_price, how, last = min(stop, bars.open[k]) * (1 - SLIP), STOP, k
                break
            if bars.high[k] >= target:
                exit_price, how, last = target, TARGET, k
                break
        spent = bars.open[i + 1] * (1 + SLIP) * (1 + FEE)
        found.append((i, ts[i] + MINUTE, ts[last] + MINUTE, exit_price * (1 - FEE) / spent - 1, how))
    return found


@st.composite
def markets(draw):
    """Random walks with unknown volatilities and gaps, some wide."""
    size = draw(st.integers(0, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    close = 100 * np.exp(np.cumsum(rng.normal(0, draw(st.sampled_from([0.001, 0.01, 0.05])), size)))
    open_ = close * np.exp(rng.normal(0, 0.005, size))
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0, 0.004, size)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0, 0.004, size)))
    steps = rng.choice([1, 1, 1, 1, 2, 60, 61, 200], size)
    volatility = np.where(rng.random(size) < 0.1, np.nan, np.abs(rng.normal(0, 0.01, size)))
    trade = BarriersConfig(
        horizon_bars=draw(st.integers(2, 12)), target_volatility=draw(st.sampled_from([0.5, 2.0])),
        stop_volatility=draw(st.sampled_from([0.5, 1.5])), min_width=0.006, max_width=0.05,
    )  # fmt: skip
    return candles(np.column_stack((open_, high, low, close)), np.cumsum(steps)), volatility, trade


@settings(max_examples=200, deadline=None)
@given(markets())
def test_labels_equal_the_plain_definition(market):
    bars, volatility, trade = market
    labels = label_trades(bars, volatility, trade, COSTS)
    expected = reference(bars, volatility, trade)
    found = list(
        zip(labels.index, labels.t0_ns, labels.t1_ns, labels.net_return, labels.outcome, strict=True)
    )
    assert [row[:3] + row[4:] for row in found] == [row[:3] + row[4:] for row in expected]
    assert labels.net_return.tolist() == pytest.approx([row[3] for row in expected], abs=1e-12)
    assert (labels.t1_ns > labels.t0_ns).all()


@settings(max_examples=50, deadline=None)
@given(markets(), st.integers(0, 60))
def test_a_label_known_by_then_never_changes_when_later_bars_do(market, cut):
    """What t1 promises: the label is a function of bars that closed at or before it."""
    bars, volatility, trade = market
    labels = label_trades(bars, volatility, trade, COSTS)
    later = np.arange(len(bars)) >= cut
    changed = Candles(
        bars.series, bars.ts, *(np.where(later, column * 1.5, column) for column in bars.columns()[1:5]),
        bars.volume, bars.trades,
    )  # fmt: skip
    again = label_trades(changed, volatility, trade, COSTS)
    known = labels.t1_ns <= (bars.ts[cut - 1] + MINUTE if 0 < cut <= len(bars) else -1)
    assert again.net_return[known].tolist() == labels.net_return[known].tolist()
    assert again.t1_ns[known].tolist() == labels.t1_ns[known].tolist()


@given(st.floats(0, 1), st.integers(2, 10_000))
def test_widths_stay_between_their_bounds(volatility, horizon):
    target, stop = widths(volatility, horizon, 2.0, 1.5, 0.006, 0.1)
    assert 0.006 <= stop <= target <= 0.1
    assert all(math.isnan(width) for width in widths(math.nan, horizon, 2.0, 1.5, 0.006, 0.1))


def test_break_even_is_where_the_expected_return_is_nothing():
    threshold, win, loss = break_even(np.array([0.02, 0.04, -0.01, -0.03, 0.0]))
    assert threshold * win - (1 - threshold) * loss == pytest.approx(0)


@pytest.mark.parametrize(("returns", "word"), [([0.1, 0.2], "won"), ([-0.1, -0.2], "lost"), ([], "lost")])
def test_one_class_of_labels_is_refused_in_plain_words(returns, word):
    with pytest.raises(DataError, match=f"labelled trades {word}: there is nothing to learn"):
        break_even(np.array(returns))
