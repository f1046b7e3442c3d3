from collections import Counter
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_core.experiments.assignment import assign, place
from gal_friday_core.experiments.guard_rails import mismatch
from gal_friday_core.experiments.simulation import serve
from gal_friday_core.experiments.thompson import (
    DISCOUNT,
    FLOOR,
    WARM,
    Arm,
    chance_of_higher_rate,
    chances,
    shares,
)
from gal_friday_core.experiments.weighting import differences


@given(st.text(min_size=1), st.text())
def test_place_is_the_same_for_ever_and_within_bounds(key, unit):
    assert place(key, unit) == place(key, unit)
    assert 0 <= place(key, unit) < 1


def test_traffic_is_split_as_asked_and_two_experiments_do_not_go_hand_in_hand():
    split = [("a", 0.2), ("b", 0.3), ("c", 0.5)]
    units = [f"BTC/USD@{number}" for number in range(20_000)]
    one, other = ([assign(key, unit, split) for unit in units] for key in ("one", "other"))
    counts = Counter(one)
    assert mismatch([counts[name] for name, _ in split], [share for _, share in split]) < log(1 / 0.001)
    both = sum(mine == theirs for mine, theirs in zip(one, other, strict=True)) / len(units)
    assert both == pytest.approx(0.2**2 + 0.3**2 + 0.5**2, abs=0.015)


def test_growing_share_moves_units_one_way_only():
    for number in range(500):
        unit = str(number)
        if assign("k", unit, [("a", 0.5), ("b", 0.5)]) == "a":
            assert assign("k", unit, [("a", 0.7), ("b", 0.3)]) == "a"


def test_mismatch_is_found_where_units_get_lost():
    assert mismatch([5_000, 5_000], [0.5, 0.5]) < 0
    assert mismatch([5_000, 4_500], [0.5, 0.5]) > log(1 / 0.001)


def test_weighted_differences_are_right_on_average_whatever_the_shares():
    rng = np.random.default_rng(5)
    units = 200_000
    outcomes = rng.normal([1.0, 1.5], [1.0, 2.0], (units, 2))
    for to_challenger in (0.5, 0.1):
        served = (rng.random(units) < to_challenger).astype(np.int64)
        propensity = np.tile([1 - to_challenger, to_challenger], (units, 1))
        found = differences(outcomes[np.arange(units), served], served, propensity, 1)
        assert found.mean() == pytest.approx(0.5, abs=4 * found.std() / np.sqrt(units))


def test_shares_are_even_first_then_follow_the_better_and_keep_the_floor():
    poor, good = Arm(), Arm()
    rng = np.random.default_rng(2)
    assert shares([poor, good]) == (0.5, 0.5)
    for _ in range(400):
        poor, good = poor.aged().seen(rng.normal(0, 1)), good.aged().seen(rng.normal(2, 1))
    worst, best = shares([poor, good])
    assert worst == pytest.approx(FLOOR, abs=1e-6)
    assert worst + best == pytest.approx(1.0)
    three = shares([poor, good, poor])
    assert sum(three) == pytest.approx(1.0)
    assert min(three) >= FLOOR
    assert three[1] > 0.85


def test_chances_by_quadrature_agree_with_drawing():
    arms = [Arm(50, 50.0, 5.0, 60.0), Arm(60, 60.0, 9.0, 60.0), Arm(40, 40.0, 6.0, 80.0)]
    rng = np.random.default_rng(1)
    drawn = rng.normal([arm.mean for arm in arms], [arm.error for arm in arms], (200_000, 3)).argmax(axis=1)
    seen = np.bincount(drawn, minlength=3) / len(drawn)
    assert chances(arms) == pytest.approx(seen, abs=0.005)


def test_compiled_traffic_is_that_of_the_arms():
    rng = np.random.default_rng(4)
    values, places = rng.normal([0.0, 0.2], 1.0, (600, 2)), rng.random(600)
    served, propensity = serve(values, places, True, 50, WARM, FLOOR, DISCOUNT)
    arms = [Arm(), Arm()]
    for unit in range(600):
        if unit % 50 == 0:
            now = shares(arms)
        assert propensity[unit] == pytest.approx(now[1], abs=1e-9)
        arms = [arm.aged() for arm in arms]
        arms[served[unit]] = arms[served[unit]].seen(values[unit, served[unit]])


def test_chance_of_higher_rate_has_the_published_value():
    # A ~ Beta(11, 91), B ~ Beta(16, 86): 100 trials each, 10 and 15 won, uniform priors.
    assert chance_of_higher_rate(10, 90, 15, 85) == pytest.approx(0.85328379, abs=5e-9)
    assert chance_of_higher_rate(3, 4, 3, 4) == pytest.approx(0.5)
