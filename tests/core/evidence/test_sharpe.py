"""The published worked numbers of the Sharpe ratio's statistics, and what must hold for any record."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_core.errors import DataError
from gal_friday_core.evidence.sharpe import (
    Record,
    deflated,
    expected_best,
    luck,
    minimum_backtest_years,
    minimum_record,
    minimum_record_2026,
    observed_false_discovery,
    planned_false_discovery,
    probabilistic,
    probabilistic_2026,
)

FUND = Record(0.036 / 0.079, 24, -2.448, 10.164)
"""SSRN 5520741: two years of months, mean 3.6 % and deviation 7.9 %."""


def yearly(ratio, periods, skewness=0.0, kurtosis=3.0, length=2):
    return Record(ratio / math.sqrt(periods), length, skewness, kurtosis)


def test_the_expected_best_of_a_hundred_is_the_published_one():
    assert expected_best(100) == pytest.approx(2.5306028932, abs=1e-10)


@pytest.mark.parametrize(("trials", "probability"), [(100, 0.9003968344), (46, 0.9505017069)])
def test_the_deflated_ratio_of_the_paper(trials, probability):
    """Bailey and López de Prado 2014, numerical example: 2.5 a year over five years of days."""
    record = yearly(2.5, 250, -3, 10, length=1250)
    assert luck(100, 0.5 / 250) == pytest.approx(0.1132, abs=5e-5)
    assert deflated(record, trials, 0.5 / 250) == pytest.approx(probability, abs=1e-9)


def test_the_probabilistic_ratio_of_the_paper():
    """Bailey and López de Prado 2012: monthly returns of a hedge fund, 1.585 a year."""
    assert probabilistic(yearly(1.585, 12, -2.448, 10.164, length=24)) == pytest.approx(
        0.9132343069, abs=1e-10
    )


@pytest.mark.parametrize(
    ("record", "benchmark", "periods", "years"),
    [
        (yearly(2, 250), 1, 250, 2.7311878),
        (yearly(2, 52), 1, 52, 2.8288336),
        (yearly(3, 12, -0.72, 5.78), 2.5, 12, 27.3529202),
    ],
)
def test_the_minimum_record_of_the_paper(record, benchmark, periods, years):
    """Bailey and López de Prado 2012, exhibits on the minimum track record length."""
    found = minimum_record(record, benchmark / math.sqrt(periods)) / periods
    assert found == pytest.approx(years, abs=1e-6)


def test_the_minimum_backtest_of_the_paper():
    """Bailey, Borwein, López de Prado and Zhu 2014: five years allow no more than 45 trials."""
    assert minimum_backtest_years(45, 1.0) == pytest.approx(4.9980870, abs=1e-7)


def test_the_figures_of_2026():
    """SSRN 5520741: 5 % of strategies have a ratio of one half a month."""
    assert minimum_record_2026(FUND) == pytest.approx(13.029, abs=5e-4)
    assert probabilistic_2026(FUND) == pytest.approx(0.987, abs=5e-4)
    assert planned_false_discovery(FUND, 0.5, 0.05) == pytest.approx(0.581, abs=5e-4)
    assert observed_false_discovery(FUND, 0.5, 0.05) == pytest.approx(0.306, abs=5e-4)


ratios = st.floats(-0.3, 0.3)
records = st.builds(Record, ratios, st.integers(10, 5_000), st.floats(-2, 2), st.floats(6, 20))


@given(records, st.floats(2, 1e6), st.floats(1e-6, 0.1))
def test_deflating_never_raises_the_probability(record, trials, spread):
    assert deflated(record, trials, spread) <= probabilistic(record) + 1e-12
    assert deflated(record, trials * 2, spread) <= deflated(record, trials, spread) + 1e-12


@given(records, ratios)
def test_a_record_of_the_minimum_length_is_significant_just_so(record, benchmark):
    needed = minimum_record(record, benchmark)
    if needed < 1e7:
        exactly = Record(record.ratio, needed, record.skewness, record.kurtosis)
        assert probabilistic(exactly, benchmark) == pytest.approx(0.95, abs=1e-9)


def test_luck_is_what_the_best_of_many_records_without_skill_shows():
    """Simulated: the mean best of 50 skill-less ratios lies where `luck` says."""
    rng = np.random.default_rng(1)
    best = np.array(
        [max(Record.of(returns).ratio for returns in rng.normal(size=(50, 250))) for _ in range(100)]
    )
    assert best.mean() == pytest.approx(luck(50, 1 / 250), rel=0.05)


def test_a_record_is_described_by_its_moments():
    returns = np.array([1.0, -1.0, 1.0, -1.0, 2.0])
    record = Record.of(returns)
    assert record.ratio == pytest.approx(returns.mean() / returns.std(ddof=1))
    assert record.autocorrelation < 0
    assert record.length == 5


@pytest.mark.parametrize("returns", [[0.1, 0.1, 0.1, 0.1], [0.1, 0.2]])
def test_what_is_no_record_is_refused(returns):
    with pytest.raises(DataError):
        Record.of(np.array(returns))
    with pytest.raises(DataError, match="moments"):
        probabilistic(Record(1.0, 10, 3.0, 1.0))
    with pytest.raises(DataError, match="trials"):
        expected_best(0)
