"""Calibration finds the true odds, never turns the order round, and gives the base rate where there is nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from gal_friday_core.calibration import Platt, fit_platt
from gal_friday_core.errors import DataError


def drawn(slope, intercept, rows=20_000, seed=0):
    rng = np.random.default_rng(seed)
    margins = rng.normal(-1, 1.5, rows)
    return margins, rng.random(rows) < 1 / (1 + np.exp(-(slope * margins + intercept)))


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.4, -0.7), (2.5, 1.0)])
def test_the_true_curve_is_found(slope, intercept):
    margins, labels = drawn(slope, intercept)
    found = fit_platt(margins, labels)
    assert found.slope == pytest.approx(slope, rel=0.06)
    assert found.intercept == pytest.approx(intercept, abs=0.08)
    assert abs(found(margins).mean() - labels.mean()) < 0.001


def test_the_fit_is_that_of_logistic_regression():
    margins, labels = drawn(0.7, 0.2)
    oracle = LogisticRegression(C=np.inf, tol=1e-10).fit(margins[:, None], labels)
    found = fit_platt(margins, labels)
    # Platt's smoothed targets shift the fit by about one part in the number of rows.
    assert found.slope == pytest.approx(oracle.coef_[0, 0], rel=2e-3)
    assert found.intercept == pytest.approx(oracle.intercept_[0], abs=2e-3)


def test_margins_that_point_the_wrong_way_give_the_base_rate():
    margins, labels = drawn(-1.0, 0.0)
    found = fit_platt(margins, labels)
    assert found.slope == 0
    assert found(margins) == pytest.approx(labels.mean(), abs=1e-3)


def test_margins_that_never_change_give_the_base_rate():
    labels = np.arange(100) % 5 == 0
    assert fit_platt(np.full(100, 0.3), labels)(np.array([0.3]))[0] == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("label", [True, False])
def test_one_class_is_refused_with_its_counts(label):
    with pytest.raises(DataError, match="needs wins and losses: found"):
        fit_platt(np.arange(10.0), np.full(10, label))


@given(st.floats(-1e3, 1e3), st.floats(0, 50), st.floats(-50, 50))
def test_every_probability_is_one(margin, slope, intercept):
    assert 0 <= Platt(slope, intercept)(np.array([margin]))[0] <= 1


def test_perfectly_separated_margins_still_converge():
    margins = np.arange(-50.0, 50.0)
    found = fit_platt(margins, margins > 0)
    assert np.isfinite([found.slope, found.intercept]).all()
    assert found(margins).max() < 1
