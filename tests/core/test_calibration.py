"""Calibration finds the true odds, never turns the order round, and gives the base rate where there is nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from gal_friday_core.calibration import Isotonic, Platt, fit_calibration, fit_isotonic, fit_platt
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


@pytest.mark.parametrize("decimals", [1, 3, 12])
def test_the_isotonic_fit_is_that_of_scikit_learn(decimals):
    margins, labels = drawn(0.7, 0.2, rows=3_000)
    margins = margins.round(decimals)
    edge = 1 / 3_002
    oracle = IsotonicRegression(y_min=edge, y_max=1 - edge, out_of_bounds="clip").fit(margins, labels)
    others = np.random.default_rng(1).normal(0, 3, 5_000)
    assert fit_isotonic(margins, labels)(others) == pytest.approx(oracle.predict(others), abs=1e-9)


def test_isotonic_lines_are_those_of_numpy_bit_for_bit_one_by_one_and_together():
    margins, labels = drawn(0.7, 0.2, rows=3_000)
    found = fit_isotonic(margins, labels)
    rows = np.concatenate((np.random.default_rng(2).normal(0, 3, 2_000), found.margins, [-99.0, 99.0]))
    expected = np.interp(rows, found.margins, found.probabilities)
    assert found(rows).tobytes() == expected.tobytes()
    assert [found.one(row) for row in rows] == expected.tolist()


def test_isotonic_never_says_certain():
    margins = np.arange(-50.0, 50.0)
    found = fit_isotonic(margins, margins > 0)
    assert found(np.array([-1e9, 1e9])).tolist() == [1 / 102, 101 / 102]


@given(st.lists(st.tuples(st.floats(-5, 5), st.booleans()), min_size=2, max_size=60))
def test_isotonic_never_turns_the_order_round(rows):
    margins, labels = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    if labels.all() or not labels.any():
        return
    said = fit_isotonic(margins, labels)(np.linspace(-6, 6, 200))
    assert (np.diff(said) >= 0).all()


def test_isotonic_follows_a_curve_that_platt_cannot():
    rng = np.random.default_rng(5)
    margins = rng.uniform(-2, 2, 20_000)
    true = np.where(margins > 0, 0.9, 0.3)
    labels = rng.random(20_000) < true
    errors = {
        kind: np.abs(fit_calibration(kind, margins, labels)(margins) - true).mean()
        for kind in ("platt", "isotonic")
    }
    assert errors["isotonic"] < errors["platt"] / 3


@pytest.mark.parametrize("kind", ["platt", "isotonic"])
def test_either_kind_refuses_one_class(kind):
    with pytest.raises(DataError, match="needs wins and losses"):
        fit_calibration(kind, np.arange(10.0), np.full(10, True))


@pytest.mark.parametrize(
    "knots",
    [((0.0, 0.0), (0.2, 0.3)), ((0.0, 1.0), (0.3, 0.2)), ((0.0, 1.0), (0.2,)), ((), ()), ((0.0,), (1.0,))],
)
def test_knots_that_make_no_curve_are_refused(knots):
    with pytest.raises(ValueError, match="isotonic"):
        Isotonic(*knots)
