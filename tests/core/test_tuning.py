"""Whether a change helped: the test keeps its promise, finds what is there, and says what it cannot find."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_core.errors import ConfigError
from gal_friday_core.tuning import MOST_PAIRS, fewest_pairs, growth_per_hour, judge

costs = st.floats(0.001, 1_000, allow_subnormal=False)


def noisy(lot, pairs, effect=1.0):
    """Pairs with a common level that drifts and heavy noise; with the change the cost is `effect` of what it was."""
    level = 10.0
    found = []
    for _ in range(pairs):
        level *= lot.uniform(0.8, 1.25)
        found.append(tuple(level * scale * lot.lognormvariate(0, 0.3) for scale in (1.0, effect)))
    return found


def test_what_does_nothing_is_kept_no_more_often_than_was_promised():
    lot = random.Random(1)
    kept = sum(judge(noisy(lot, 8), level=0.05, least_gain=0.0).helped for _ in range(400))
    assert kept <= 34, "5 % of 400, and three standard deviations"


def test_what_halves_the_cost_is_found_through_noise_and_drift():
    lot = random.Random(2)
    verdicts = [judge(noisy(lot, 9, effect=0.4), level=0.01, least_gain=0.05) for _ in range(100)]
    assert sum(verdict.helped for verdict in verdicts) >= 80
    assert all(verdict.gain > 0.3 for verdict in verdicts if verdict.helped)


def test_what_makes_it_worse_is_never_kept():
    lot = random.Random(3)
    assert not any(judge(noisy(lot, 8, effect=1.5), level=0.05, least_gain=0.0).helped for _ in range(100))


def test_what_helps_by_less_than_was_asked_for_says_so():
    verdict = judge([(100.0, 98.0 + number / 10) for number in range(8)], level=0.05, least_gain=0.05)
    assert (verdict.helped, verdict.p) == (False, 1 / 256)
    assert verdict.why == "it helps by 1.7% only, less than 5%"


def test_where_nothing_costs_anything_there_is_nothing_to_gain():
    assert judge([(0.0, 0.0)] * 8, level=0.05, least_gain=0.0).why == "there was nothing to gain"


@pytest.mark.parametrize("pairs", [0, 4, MOST_PAIRS + 1])
def test_too_few_pairs_to_show_anything_and_more_than_can_be_tried_are_refused(pairs):
    with pytest.raises(ConfigError, match=f"{pairs} pairs of blocks"):
        judge([(2.0, 1.0)] * pairs, level=0.05, least_gain=0.0)


@given(st.lists(st.tuples(costs, costs), min_size=5, max_size=9), st.randoms(use_true_random=False))
def test_the_order_of_pairs_is_of_no_account_and_p_is_a_chance_that_contains_what_was_seen(pairs, lot):
    shuffled = list(pairs)
    lot.shuffle(shuffled)
    verdict, again = (judge(found, level=0.05, least_gain=0.0) for found in (pairs, shuffled))
    assert verdict.p == again.p
    assert 1 / (1 << len(pairs)) <= verdict.p <= 1
    swapped = judge([(after, before) for before, after in pairs], level=0.05, least_gain=0.0)
    assert verdict.p + swapped.p >= 1 - 1e-9, "one way or the other"
    assert not (verdict.helped and swapped.helped)


@given(st.floats(1e-6, 0.49))
def test_the_fewest_pairs_are_enough_to_show_a_fall_in_all_of_them(level):
    count = fewest_pairs(level)
    assert 2.0**-count <= level
    assert count == 1 or 2.0 ** -(count - 1) > level or count == fewest_pairs(2.0**-count)


def test_a_trend_needs_three_samples_and_time_between_them():
    assert growth_per_hour([(0, 1.0), (60, 2.0)]) is None
    assert growth_per_hour([(0, 1.0)] * 5) is None
    assert growth_per_hour([(60.0 * minute, 500.0 + minute / 10) for minute in range(60)]) == pytest.approx(
        6.0
    )
