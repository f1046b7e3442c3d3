"""Scores equal scikit-learn's where it defines them; trades are those of one position at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from gal_friday_core.resampling import Blocks
from gal_friday_core.scores import (
    OutOfSample,
    calibration_error,
    log_losses,
    score,
    sequential_trades,
    weighted_auc,
)


def sample(rows=400, seed=0):
    rng = np.random.default_rng(seed)
    probability = rng.choice([0.1, 0.2, 0.3, 0.55, 0.8], rows) if seed % 2 else rng.uniform(0.05, 0.9, rows)
    label = rng.uniform(size=rows) < probability
    events = np.sort(rng.choice(rows, 30, replace=False))
    return OutOfSample(
        np.arange(rows), probability, label, np.full(rows, 0.4), events, rng.normal(0.001, 0.01, 30)
    )


@pytest.mark.parametrize("seed", range(4))
def test_scores_equal_those_of_scikit_learn(seed):
    made = sample(seed=seed)
    found = score(made, Blocks.draw(400, 10, 50, np.random.default_rng(1)), 0.9)
    assert found.log_loss.value == pytest.approx(log_loss(made.label, made.probability))
    assert found.base_log_loss == pytest.approx(log_loss(made.label, made.base))
    assert found.log_loss_gain.value == pytest.approx(found.base_log_loss - found.log_loss.value)
    assert found.brier.value == pytest.approx(brier_score_loss(made.label, made.probability))
    assert found.auc.value == pytest.approx(roc_auc_score(made.label, made.probability))
    assert found.auc.low < found.auc.value < found.auc.high
    assert found.mean_net_return.value == pytest.approx(made.trade_return.mean())
    assert found.total_net_return.value == pytest.approx(made.trade_return.sum())
    assert (found.events, found.trades) == (400, 30)
    assert found.winning_trades == (made.trade_return > 0).sum()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_weighted_auc_is_that_of_repeated_rows(seed):
    rng = np.random.default_rng(seed)
    probability = np.sort(rng.choice([0.1, 0.2, 0.5, 0.9], 30))
    label, weight = rng.random(30) < 0.5, rng.integers(0, 4, 30)
    repeated = np.repeat(np.arange(30), weight)
    found = weighted_auc(probability, label, weight)
    if len(set(label[repeated])) == 2:
        assert found == pytest.approx(roc_auc_score(label[repeated], probability[repeated]))
    else:
        assert np.isnan(found)


def test_one_class_has_no_auc_and_no_trade_no_profit():
    made = sample()
    empty = OutOfSample(
        made.t0_ns,
        made.probability,
        np.zeros(400, bool),
        made.base,
        made.trade_event[:0],
        made.trade_return[:0],
    )
    found = score(empty, Blocks.draw(400, 10, 20, np.random.default_rng(1)), 0.9)
    assert found.auc.value is None
    assert found.mean_net_return.value is None
    assert found.total_net_return.value == 0


def test_impossible_certainty_costs_much_but_not_everything():
    assert log_losses(np.array([0.0, 1.0]), np.array([True, False])).max() < 40


def test_calibration_error_is_the_distance_between_said_and_seen():
    label = np.arange(1_000) % 4 == 0
    assert calibration_error(np.full(1_000, 0.25), label) == pytest.approx(0)
    assert calibration_error(np.full(1_000, 0.75), label) == pytest.approx(0.5)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_trades_never_overlap_and_none_is_passed_over(seed, threshold):
    rng = np.random.default_rng(seed)
    t0 = np.cumsum(rng.integers(1, 4, 60))
    t1 = t0 + rng.integers(1, 20, 60)
    probability = rng.random(60)
    expected, free = [], -1
    for row in range(60):
        if probability[row] >= threshold and t0[row] >= free:
            expected.append(row)
            free = t1[row]
    assert sequential_trades(t0, t1, probability, threshold).tolist() == expected
