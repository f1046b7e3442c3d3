"""The stationary bootstrap: its blocks, and how it agrees with those who published it."""

import numpy as np
import pytest

from gal_friday_core.errors import DataError
from gal_friday_core.tearsheet.stationary import Resamples, block_length


def autoregressive(count, memory, seed):
    shocks = np.random.default_rng(seed).normal(size=count)
    values = np.empty(count)
    values[0] = shocks[0]
    for place in range(1, count):
        values[place] = memory * values[place - 1] + shocks[place]
    return values


@pytest.mark.parametrize(
    ("count", "memory", "seed", "wanted"),
    [
        (200, 0.0, 1, 7.580252716992034),
        (365, 0.3, 2, 3.9067195483369295),
        (1000, 0.7, 3, 17.233536728445802),
        (1000, -0.5, 4, 15.103912192507151),
        (60, 0.9, 5, 9.713627232085425),
    ],
)
def test_block_length_is_that_of_arch(count, memory, seed, wanted):
    """arch 8.0.0, `arch.bootstrap.optimal_block_length`, column `stationary`, on the same series."""
    assert block_length(autoregressive(count, memory, seed)) == pytest.approx(wanted, rel=1e-9)


def test_block_length_stays_between_one_day_and_a_third():
    assert block_length(np.zeros(50)) == 1.0
    assert 1.0 <= block_length(np.cumsum(np.ones(30))) <= 10.0
    with pytest.raises(DataError, match="at least 10"):
        block_length(np.zeros(9))


def test_resamples_are_runs_of_neighbours_of_the_mean_length_asked_for():
    drawn = Resamples.draw(500, 8.0, np.random.default_rng(1), draws=400)
    follows = (drawn.rows[:, 1:] - drawn.rows[:, :-1]) % 500 == 1
    assert drawn.rows.min() == 0
    assert drawn.rows.max() == 499
    assert 1 - follows.mean() == pytest.approx(1 / 8, rel=0.03)


def test_every_day_is_drawn_as_often_as_any_other():
    drawn = Resamples.draw(20, 5.0, np.random.default_rng(2), draws=20_000)
    share = np.bincount(drawn.rows.ravel(), minlength=20) / drawn.rows.size
    assert share == pytest.approx(np.full(20, 0.05), rel=0.03)


def test_blocks_of_one_day_are_the_ordinary_bootstrap():
    drawn = Resamples.draw(100, 1.0, np.random.default_rng(3), draws=2_000)
    values = np.random.default_rng(4).normal(size=100)
    assert drawn.of(values).mean(axis=1).std() == pytest.approx(values.std() / 10, rel=0.05)


def test_interval_of_a_dependent_mean_holds_it_as_often_as_it_says():
    """Where blocks of one day would hold it in two thirds of the cases."""
    inside = {"chosen": 0, "one": 0}
    for seed in range(120):
        values = autoregressive(400, 0.6, seed)
        rng = np.random.default_rng(seed)
        for name, block in (("chosen", block_length(values)), ("one", 1.0)):
            means = Resamples.draw(400, block, rng, draws=300).of(values).mean(axis=1)
            low, high = np.quantile(means, (0.05, 0.95))
            inside[name] += low <= 0 <= high
    assert 0.80 <= inside["chosen"] / 120 <= 0.95
    assert inside["one"] / 120 < 0.70


def test_nothing_cannot_be_resampled():
    with pytest.raises(DataError, match="cannot be resampled"):
        Resamples.draw(0, 1.0, np.random.default_rng(0))
    with pytest.raises(DataError, match="cannot be resampled"):
        Resamples.draw(10, 0.5, np.random.default_rng(0))
