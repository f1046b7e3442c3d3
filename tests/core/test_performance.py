"""Statistics of a run, against numbers worked out by hand or from the cited formulas."""

from decimal import Decimal
from math import sqrt

import numpy as np
import pytest

from gal_friday_core.errors import ContractError, DataError
from gal_friday_core.performance import (
    annualized_volatility,
    daily_returns,
    max_drawdown,
    performance,
    sharpe,
    sortino,
)
from gal_friday_core.times import DAY_NS, HOUR_NS, from_iso
from gal_friday_core.trades import fills_of, round_trips
from tests.core.trading import fill

START = from_iso("2024-01-01")


def curve(equities, step=DAY_NS):
    return [(START + i * step, Decimal(str(equity))) for i, equity in enumerate(equities)]


def two_trades():
    """+20 - 0.2 in an hour by the target; -10 - 0.2 in three hours by the stop; then one still open."""
    return [
        fill("a", "BUY", "2", "100", "0.1", ts=START),
        fill("a-TP", "SELL", "2", "110", "0.1", ts=START + HOUR_NS, type_="TAKE_PROFIT"),
        fill("b", "BUY", "1", "100", "0.1", ts=START + 5 * HOUR_NS),
        fill("b-SL", "SELL", "1", "90", "0.1", ts=START + 8 * HOUR_NS, type_="STOP_LOSS"),
        fill("c", "BUY", "1", "100", "0.1", ts=START + 22 * HOUR_NS),
    ]


def test_daily_returns_close_at_midnight():
    ts = np.array([START, START + 10 * HOUR_NS, START + 24 * HOUR_NS, START + 30 * HOUR_NS], np.int64)
    returns = daily_returns(ts, np.array([100.0, 150.0, 110.0, 121.0]))
    assert returns == pytest.approx([0.10, 0.10])  # the bar that ends at 00:00 closes the first day


def test_day_without_an_observation_returns_nothing():
    ts = np.array([START, START + 3 * DAY_NS], np.int64)
    assert daily_returns(ts, np.array([100.0, 110.0])) == pytest.approx([0.0, 0.0, 0.10])


def test_sharpe_sortino_and_volatility_by_hand():
    returns = np.array([0.01, -0.01, 0.02, 0.0])
    mean, deviation = 0.005, sqrt((0.005**2 + 0.015**2 + 0.015**2 + 0.005**2) / 3)
    assert annualized_volatility(returns) == pytest.approx(deviation * sqrt(365))
    assert sharpe(returns).value == pytest.approx(mean / deviation * sqrt(365))
    assert sortino(returns) == pytest.approx(mean / sqrt(0.01**2 / 4) * sqrt(365))


def test_sharpe_interval_of_normal_returns_is_the_one_of_lo():
    """Lo (2002), equation 9: standard error sqrt((1 + SR² / 2) / T) for independent normal returns."""
    returns = np.random.default_rng(7).normal(0.1, 1.0, 200_000)
    estimate = sharpe(returns)
    error = sqrt((1 + (estimate.value / sqrt(365)) ** 2 / 2) / 200_000) * sqrt(365)
    assert estimate.high - estimate.value == pytest.approx(1.959964 * error, rel=0.03)
    assert estimate.value - estimate.low == pytest.approx(1.959964 * error, rel=0.03)


def test_sharpe_interval_holds_the_true_value_as_often_as_it_says():
    random = np.random.default_rng(11)
    truth = 0.05 / 1.0 * sqrt(365)
    inside = 0
    for _ in range(600):
        estimate = sharpe(random.normal(0.05, 1.0, 250), 0.9)
        inside += estimate.low <= truth <= estimate.high
    assert 0.86 <= inside / 600 <= 0.94


def test_trending_returns_widen_the_interval():
    shocks = np.random.default_rng(3).normal(0, 1, 20_000)
    trending = np.convolve(shocks, np.ones(5) / 5, "valid")
    shuffled = np.random.default_rng(4).permutation(trending)

    def width(returns):
        estimate = sharpe(returns)
        return estimate.high - estimate.low

    assert width(trending) > 1.7 * width(shuffled)  # variance of the mean is 5 times as large


def test_sharpe_of_too_little_is_open():
    assert sharpe(np.array([0.01])) is None
    assert sharpe(np.array([0.01, 0.01, 0.01])) is None
    few = sharpe(np.array([0.01, -0.02, 0.03]))
    assert (few.low, few.high) == (None, None)


def test_drawdown_depth_and_longest_wait():
    equity = np.array([100.0, 120.0, 90.0, 110.0, 121.0, 120.0, 119.0, 122.0])
    ts = START + np.array([0, 1, 2, 3, 4, 5, 6, 20]) * DAY_NS
    found = max_drawdown(ts, equity)
    assert found.depth == pytest.approx(0.25)
    assert (found.peak_ns, found.trough_ns) == (START + DAY_NS, START + 2 * DAY_NS)
    assert found.longest_ns == 16 * DAY_NS  # the shallow one took longer: day 4 to day 20


def test_rising_curve_has_no_drawdown():
    found = max_drawdown(np.array([0, 1, 5], np.int64), np.array([1.0, 2.0, 3.0]))
    assert (found.depth, found.longest_ns) == (0.0, 0)


def test_round_trips_by_hand():
    trips = round_trips(two_trades())
    won, lost = trips.trades
    assert (won.net, won.fees, won.reason, won.quantity) == (Decimal("19.8"), Decimal("0.2"), "TARGET", 2)
    assert (won.entry_price, won.exit_price) == (100, 110)
    assert won.net_return == pytest.approx(19.8 / 200.1)
    assert (lost.net, lost.reason, lost.signal_id) == (Decimal("-10.2"), "STOP", "signal-b")
    assert trips.open_since == {"BTC/USD": START + 22 * HOUR_NS}


def test_scaled_entry_and_exit_is_one_trade():
    fills = [
        fill("a", "BUY", "1", "100", "0.1"),
        fill("b", "BUY", "3", "120", "0.2"),
        fill("c", "SELL", "2", "130", "0.3", ts=1),
        fill("d", "SELL", "2", "90", "0.4", ts=2),
    ]
    (trade,) = round_trips(fills).trades
    assert (trade.entry_price, trade.exit_price, trade.fees, trade.net) == (115, 110, 1, -21)


def test_sale_beyond_what_was_bought_is_refused():
    with pytest.raises(ContractError, match="sells more than was bought"):
        round_trips([fill("a", "BUY", "1", "100"), fill("b", "SELL", "2", "100")])


def test_repeated_reports_count_once():
    assert len(fills_of(two_trades() * 2)) == 5


def test_report_by_hand():
    report = performance(curve([1000, 1020, 1009.5]), two_trades())
    assert report["total_return"] == pytest.approx(0.0095)
    assert (report["initial_equity"], report["final_equity"], report["net_profit"]) == (
        "1000",
        "1009.5",
        "9.5",
    )
    assert report["days"] == 2.0
    assert report["annualized_return"] is None  # two days say nothing of a year
    assert report["exposure_time"] == pytest.approx((1 + 3 + 26) / 48)
    assert report["fees"] == "0.5"
    assert report["traded_value"] == "710.00000000"
    assert report["turnover"] == pytest.approx(710 / ((1000 + 1020 + 1009.5) / 3))
    assert report["max_drawdown"]["depth"] == pytest.approx(10.5 / 1020)
    trades = report["trades"]
    assert (trades["count"], trades["open"], trades["hit_rate"]) == (2, 1, 0.5)
    assert (trades["average_win"], trades["average_loss"]) == (19.8, -10.2)
    assert trades["profit_factor"] == pytest.approx(19.8 / 10.2)
    assert trades["average_hold_s"] == 7200.0
    assert trades["by_reason"] == {
        "STOP": {"count": 1, "net": "-10.20000000"},
        "TARGET": {"count": 1, "net": "19.80000000"},
    }
    assert [trade["reason"] for trade in report["trade_list"]] == ["TARGET", "STOP"]


def test_run_without_trades_leaves_its_statistics_open():
    report = performance(curve([1000, 1000, 1000]), [])
    assert report["sharpe"]["value"] is None
    assert (report["sortino"], report["annualized_volatility"]) == (None, 0.0)
    assert report["trades"]["hit_rate"] is None
    assert report["trades"]["profit_factor"] is None
    assert report["trade_list"] == []


def test_long_curve_is_thinned_but_keeps_its_extremes():
    equity = 1000 + np.random.default_rng(5).normal(0, 1, 50_000).cumsum() / 10
    equity[31_234] = 500.0
    thinned = performance(curve(equity, step=60 * 10**9), [])["equity_curve"]
    values = [value for _, value in thinned]
    assert len(thinned) <= 1_002
    assert (min(values), max(values)) == (500.0, pytest.approx(equity.max()))
    assert (values[0], values[-1]) == (pytest.approx(equity[0]), pytest.approx(equity[-1]))
    assert [moment for moment, _ in thinned] == sorted(moment for moment, _ in thinned)


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        (curve([1000]), "1 points says nothing"),
        (list(reversed(curve([1000, 1001]))), "must ascend"),
        (curve([1000, 0]), "equity fell to 0.0"),
    ],
)
def test_curve_that_supports_no_statistics_is_refused(points, reason):
    with pytest.raises(DataError, match=reason):
        performance(points, [])
