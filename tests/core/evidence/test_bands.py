"""Bands around equity curves: they follow the days of their fold, and nothing else."""

import numpy as np
import pytest

from gal_friday_core.evidence.bands import equity_bands
from gal_friday_core.evidence.report import Day


def days(returns, fold=1, first=1):
    return [Day(f"2024-01-{first + at:02d}", fold, 1, float(value)) for at, value in enumerate(returns)]


RETURNS = np.random.default_rng(3).normal(0.001, 0.01, size=20)


def test_the_curve_is_the_sum_so_far_of_each_fold():
    one, two = equity_bands([*days(RETURNS), *days(RETURNS[:5], 2, 21)], 0.95)
    assert one.value == pytest.approx(np.cumsum(RETURNS))
    assert two.value == pytest.approx(np.cumsum(RETURNS[:5]))
    assert (one.fold, two.fold) == (1, 2)
    assert two.dates[0] == "2024-01-21"


def test_a_wider_confidence_gives_a_wider_band():
    (narrow,), (wide,) = (equity_bands(days(RETURNS), confidence) for confidence in (0.5, 0.99))
    assert (np.array(wide.low) < np.array(narrow.low)).all()
    assert (np.array(wide.high) > np.array(narrow.high)).all()


def test_days_that_are_all_alike_leave_no_doubt():
    (band,) = equity_bands(days([0.01] * 20), 0.95)
    assert band.low == pytest.approx(band.value)
    assert band.high == pytest.approx(band.value)


def test_the_end_is_as_uncertain_as_independent_days_make_it():
    """Thirty days of standard deviation s end within about ±1.96 s √30."""
    returns = np.random.default_rng(4).normal(0, 0.01, size=30)
    (band,) = equity_bands(days(returns), 0.95)
    width = (band.high[-1] - band.low[-1]) / (2 * 1.96 * returns.std() * np.sqrt(30))
    assert 0.6 < width < 1.4


def test_the_same_days_give_the_same_bands_and_a_single_day_has_one():
    assert equity_bands(days(RETURNS), 0.9) == equity_bands(days(RETURNS), 0.9)
    (band,) = equity_bands(days([0.02]), 0.9)
    assert (band.low, band.value, band.high) == ((0.02,), (0.02,), (0.02,))
