"""The standard figures: each as a well-kept library has it, and intervals that mean what they say."""

import empyrical
import numpy as np
import pytest

from gal_friday_core.performance import sharpe
from gal_friday_core.tearsheet.intervals import FIGURES, intervals

DAILY = {"period": "daily", "annualization": 365}
ORACLE = {
    "total_return": empyrical.cum_returns_final,
    "annualized_return": lambda returns: empyrical.annual_return(returns, **DAILY),
    "annualized_volatility": lambda returns: empyrical.annual_volatility(returns, **DAILY),
    "sharpe": lambda returns: empyrical.sharpe_ratio(returns, **DAILY),
    "sortino": lambda returns: empyrical.sortino_ratio(returns, **DAILY),
    "max_drawdown": lambda returns: -empyrical.max_drawdown(returns),
    "calmar": lambda returns: empyrical.calmar_ratio(returns, **DAILY),
    "expected_shortfall": lambda returns: empyrical.conditional_value_at_risk(returns, 0.05),
}


def returns_of(days, seed=1, drift=0.0005):
    return np.random.default_rng(seed).standard_t(4, days) * 0.01 + drift


@pytest.mark.parametrize("name", sorted(FIGURES))
@pytest.mark.parametrize("days", [11, 250, 1001])
def test_figure_is_that_of_empyrical(name, days):
    """With a year of 365 days told to it."""
    for seed in range(5):
        returns = returns_of(days, seed)
        assert FIGURES[name](returns[None, :])[0] == pytest.approx(ORACLE[name](returns), rel=1e-9)


def named(found):
    return {figure.name: figure.estimate for figure in found.figures}


def test_every_figure_has_an_interval_and_the_same_every_time():
    found = intervals(returns_of(400), 0.95, 7)
    assert found == intervals(returns_of(400), 0.95, 7)
    assert found.days == 400
    assert found.block_days >= 1
    assert list(named(found)) == list(FIGURES)
    for estimate in named(found).values():
        assert estimate.low < estimate.high


def test_interval_of_the_sharpe_ratio_is_near_the_asymptotic_one():
    returns = np.random.default_rng(5).normal(0.001, 0.01, 2_000)
    drawn, asymptotic = named(intervals(returns, 0.95, 1))["sharpe"], sharpe(returns)
    assert drawn.value == pytest.approx(asymptotic.value)
    width = asymptotic.high - asymptotic.low
    assert drawn.low == pytest.approx(asymptotic.low, abs=0.15 * width)
    assert drawn.high == pytest.approx(asymptotic.high, abs=0.15 * width)


def test_interval_holds_the_true_sharpe_ratio_as_often_as_it_says():
    truth = 0.05 * np.sqrt(365)
    inside = 0
    for seed in range(60):
        found = named(intervals(np.random.default_rng(seed).normal(0.05, 1.0, 250) * 0.01, 0.9, seed))
        inside += found["sharpe"].low <= truth <= found["sharpe"].high
    assert 0.80 <= inside / 60 <= 0.98


def test_what_too_few_days_cannot_say_is_left_open():
    few = named(intervals(returns_of(9), 0.95, 1))
    assert few["sharpe"].value is not None
    assert few["sharpe"].low is None
    assert "annualized_return" not in few  # nine days say nothing of a year
    assert named(intervals(np.zeros(1), 0.95, 1))["total_return"].value is None


def test_days_without_a_trade_have_no_ratio():
    found = named(intervals(np.zeros(60), 0.95, 1))
    assert (found["total_return"].value, found["sharpe"].value, found["calmar"].value) == (0.0, None, None)
