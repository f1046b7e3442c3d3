"""Distances agree with scipy and with the definitions; chance is as often as it should be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gal_friday_core.drift.discovery import adjusted
from gal_friday_core.drift.statistics import (
    apart,
    kolmogorov,
    proportions_p_value,
    shares,
    smirnov_p_value,
    stability,
    stability_noise,
)
from gal_friday_core.drift.thinning import effective, inefficiency, inefficiency_of_shares, thinned

SAMPLE = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=30)


@settings(max_examples=50, deadline=None)
@given(SAMPLE, SAMPLE)
def test_distances_of_samples_with_ties_are_those_of_their_definitions(one, two):
    ks, wasserstein = apart(np.sort(np.array(one)), np.sort(np.array(two)))
    below = [
        np.searchsorted(np.sort(sample), [*one, *two], side="right") / len(sample) for sample in (one, two)
    ]
    assert ks == pytest.approx(np.abs(below[0] - below[1]).max(), abs=1e-12)
    assert wasserstein == pytest.approx(stats.wasserstein_distance(one, two), abs=1e-12)


def test_chance_of_a_distance_is_that_of_scipy():
    for value in (0.3, 0.8, 1.0, 1.17, 1.19, 1.5, 2.5):
        assert kolmogorov(value) == pytest.approx(stats.kstwobign.sf(value), abs=1e-7)
    rng = np.random.default_rng(2)
    for rows in (30, 200):
        one, two = rng.normal(size=rows), rng.normal(0.3, 1, size=rows)
        exact = stats.ks_2samp(one, two, method="exact")
        assert smirnov_p_value(exact.statistic, rows, rows) == pytest.approx(exact.pvalue, abs=0.02)


def test_stability_index_of_known_shares():
    """0.5/0.5 against 0.4/0.6: 0.1 ln(0.6/0.4) - what is lost on one side is won on the other."""
    found = stability(np.array([0.5, 0.5]), np.array([0.4, 0.6]), 100, 100)
    assert found == pytest.approx(0.1 * np.log(0.6 / 0.5) - 0.1 * np.log(0.4 / 0.5))


def test_an_empty_bin_is_half_a_row_and_one_empty_twice_is_nothing():
    found = stability(np.array([0.5, 0.5, 0.0]), np.array([1.0, 0.0, 0.0]), 100, 100)
    assert found == pytest.approx(0.5 * np.log(2) + (0.005 - 0.5) * np.log(0.005 / 0.5))


def test_stability_index_by_chance_has_the_mean_and_quantile_of_its_law():
    """Yurdakul (2018): mean (B−1)(1/N+1/M), q95 = χ²₀.₉₅(B−1)(1/N+1/M) = .00338 for B 10, N = M = 10,000."""
    mean, quantile = stability_noise(10_000, 10_000)
    assert (mean, quantile) == (pytest.approx(0.0018), pytest.approx(0.00338, abs=5e-6))
    rng = np.random.default_rng(4)
    edges = stats.norm.ppf(np.arange(1, 10) / 10)
    found = np.array(
        [
            stability(*(shares(np.sort(rng.normal(size=10_000)), edges) for _ in range(2)), 10_000, 10_000)
            for _ in range(400)
        ]
    )
    assert found.mean() == pytest.approx(mean, rel=0.1)
    assert 0.02 < (found > quantile).mean() < 0.085


def test_shares_of_few_signals_are_not_judged():
    assert np.isnan(proportions_p_value(0.001, 1_000, 0.002, 1_000))
    assert proportions_p_value(0.3, 1_000, 0.3, 1_000) == 1.0


def test_adjusted_p_values_are_those_of_scipy():
    p_values = np.random.default_rng(1).random(40) ** 3
    assert adjusted(p_values) == pytest.approx(stats.false_discovery_control(p_values))


def walk(rho, rows, rng):
    shocks = rng.normal(size=rows)
    for row in range(1, rows):
        shocks[row] += rho * shocks[row - 1]
    return shocks


def test_a_first_order_series_is_worth_what_its_autocorrelation_says():
    rng = np.random.default_rng(3)
    for rho in (0.0, 0.5, 0.9):
        assert inefficiency(walk(rho, 60_000, rng)) == pytest.approx((1 + rho) / (1 - rho), rel=0.25)


def test_a_series_that_remembers_longer_than_its_first_lag_is_worth_less():
    """A slow series under noise: ρ(1) is .5, and the lags after it hardly fall."""
    rng = np.random.default_rng(5)
    slow = walk(0.99, 60_000, rng)
    found = inefficiency(slow / slow.std() + rng.normal(size=60_000))
    assert found > 15 * (1 + 0.5) / (1 - 0.5)


def test_thinning_keeps_as_many_rows_as_are_worth_one():
    assert effective(1_000, 19.0) == pytest.approx(52.6, abs=0.1)
    assert len(thinned(np.arange(1_000.0), 19.0)) == 53
    assert effective(10, 0.2) == 10


def test_unknown_values_are_left_out_and_short_series_are_worth_one_row():
    values = np.random.default_rng(6).normal(size=2_000)
    holed = values.copy()
    holed[::7] = np.nan
    assert inefficiency(holed) == pytest.approx(1.0, abs=0.3)
    assert inefficiency(np.array([])) == 1.0
    assert inefficiency(np.full(50, 7.3)) == 50.0


def test_outliers_do_not_hide_that_neighbours_are_alike():
    """Rare bursts make values look independent; whether each lies below the median is remembered all the same."""
    rng = np.random.default_rng(8)
    values = walk(0.95, 20_000, rng)
    values[rng.integers(0, 20_000, 40)] += 1_000
    assert inefficiency(values) < 2
    assert inefficiency_of_shares(values) > 15


def test_a_feature_of_two_values_has_a_memory_too():
    state = np.repeat(np.random.default_rng(9).integers(0, 2, 400), 50).astype(float)
    assert 25 < inefficiency_of_shares(state) < 120
    assert inefficiency_of_shares(np.full(30, 2.0)) == 30.0
    assert inefficiency_of_shares(np.full(30, np.nan)) == 1.0
