from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_core.experiments.blocks import autocovariances, block_length, block_means
from gal_friday_core.experiments.boundaries import normal_mixture
from gal_friday_core.experiments.sequence import FIRST, Rule, walk

RULE = Rule.tightest_at(100, 0.05)


def remembering(count, memory, seed=0):
    rng = np.random.default_rng(seed)
    found = rng.standard_normal(count)
    for row in range(1, count):
        found[row] += memory * found[row - 1]
    return found


def test_interval_is_mean_and_boundary_times_spread():
    means = np.random.default_rng(1).normal(0.3, 2.0, 60)
    looked = walk(means, RULE)
    spread = means.std(ddof=1)
    reach = spread * normal_mixture(60, RULE.alpha, RULE.rho) / 60
    assert looked.mean[-1] == pytest.approx(means.mean())
    assert looked.high[-1] - looked.mean[-1] == pytest.approx(
        reach, rel=0.2
    )  # wider by what is left of correlation
    assert looked.high[-1] - looked.mean[-1] >= reach - 1e-12


def test_zero_leaves_the_interval_exactly_when_the_evidence_suffices():
    for seed in range(20):
        looked = walk(np.random.default_rng(seed).normal(0.3, 1.0, 300), RULE)
        outside = (looked.low > 0) | (looked.high < 0)
        assert np.array_equal(outside, looked.log_evidence > log(1 / RULE.alpha))
        crossing = looked.crossing()
        assert (crossing is not None) == (looked.p_value() < RULE.alpha)
        assert crossing is None or outside[crossing - 1]


def test_nothing_is_said_before_the_first_look_nor_without_a_difference():
    few = walk(np.ones(FIRST - 1) * 9, RULE)
    assert np.isnan(few.low).all()
    assert few.p_value() == 1.0
    same = walk(np.zeros(100), RULE)
    assert same.crossing() is None
    assert same.p_value() == 1.0
    assert walk(np.zeros(0), RULE).crossing() is None


@given(st.integers(0, 2**32), st.floats(-1e3, 1e3), st.floats(1e-6, 1e3))
def test_units_of_measure_change_nothing(seed, shift, scale):
    means = np.random.default_rng(seed).normal(0.1, 1.0, 80)
    one, other = walk(means, RULE), walk(means * scale, RULE)
    assert other.p_value() == pytest.approx(one.p_value(), rel=1e-6)
    moved = walk(means + shift, RULE)
    assert moved.high[-1] - moved.mean[-1] == pytest.approx(one.high[-1] - one.mean[-1], rel=1e-6)


def test_later_blocks_do_not_change_what_was_said():
    means = np.random.default_rng(3).normal(0.0, 1.0, 200)
    whole, part = walk(means, RULE), walk(means[:90], RULE)
    assert np.array_equal(whole.low[:90], part.low, equal_nan=True)


def test_blocks_that_were_too_short_make_wider_intervals():
    calm, clinging = remembering(400, 0.0), remembering(400, 0.8)
    rule = Rule.tightest_at(400, 0.05)
    ratios = [
        (looked.high[-1] - looked.mean[-1]) / (means.std() * normal_mixture(400, rule.alpha, rule.rho) / 400)
        for means, looked in ((calm, walk(calm, rule)), (clinging, walk(clinging, rule)))
    ]
    assert ratios[0] == pytest.approx(1.0, abs=0.1)
    assert ratios[1] > 1.4


def test_block_means_leave_out_what_is_incomplete():
    assert block_means(np.arange(7.0), 3).tolist() == [1.0, 4.0]
    assert len(block_means(np.arange(2.0), 3)) == 0


def test_block_grows_with_memory_until_neighbours_hardly_know_each_other():
    lengths = [block_length(remembering(50_000, memory), at_least=1) for memory in (0.0, 0.3, 0.6, 0.9)]
    assert lengths == sorted(lengths)
    assert lengths[0] == 1
    for memory in (0.3, 0.9):
        means = block_means(
            remembering(400_000, memory, seed=7),
            block_length(remembering(50_000, memory), at_least=1),
        )
        assert abs(np.corrcoef(means[1:], means[:-1])[0, 1]) < 0.05


def test_pilot_that_says_nothing_gives_the_shortest_block():
    assert block_length(np.zeros(10_000)) == 50
    assert block_length(np.arange(10.0)) == 50
    assert len(autocovariances(remembering(1_000, 0.0))) >= 1
