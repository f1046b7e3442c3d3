"""Worlds with a known truth. Fixed seeds: the same numbers on every machine, whatever its speed."""

import pytest

from gal_friday_core.experiments.simulation import Course, simulate

RUNS = 1_000


@pytest.mark.parametrize("traffic", ["paired", "split", "thompson"])
def test_looking_all_the_time_finds_no_more_false_winners_than_alpha(traffic):
    found = simulate(Course("aa", runs=RUNS, units=5_000, traffic=traffic))
    assert found.looks == 100
    assert found.false_positive_rate <= found.alpha
    assert found.power is None


def test_what_is_usually_done_finds_winners_that_are_none():
    found = simulate(Course("aa", runs=400, seed=3))
    assert found.naive_rate > 0.5
    assert found.unblocked_rate > 2 * found.alpha
    assert found.false_positive_rate <= found.alpha


@pytest.mark.parametrize("traffic", ["paired", "split"])
def test_power_and_stopping_time_are_those_foretold(traffic):
    found = simulate(Course("ab", runs=500, units=5_000, traffic=traffic))
    assert found.planned_power == pytest.approx(0.8)
    assert found.planned_power - 0.04 <= found.power <= found.planned_power + 0.12
    assert found.median_stop == pytest.approx(found.planned_median_stop, rel=0.15)


def test_pairing_makes_differences_far_smaller_to_see():
    paired, split = (simulate(Course("ab", runs=20, traffic=traffic)) for traffic in ("paired", "split"))
    assert split.variance_of_difference / paired.variance_of_difference > 8
    assert split.effect > 2 * paired.effect


def test_thompson_sends_most_traffic_to_the_better_one():
    found = simulate(Course("ab", runs=100, effect=0.3, traffic="thompson"))
    assert found.to_challenger > 0.75


def test_same_seed_gives_the_same_result():
    one, same, other = (simulate(Course("ab", runs=20, units=2_000, seed=seed)) for seed in (1, 1, 2))
    assert one == same
    assert one != other
