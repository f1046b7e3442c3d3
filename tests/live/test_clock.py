"""The engine's time does not jump when the wall clock does, and never goes back."""

import time

from hypothesis import given
from hypothesis import strategies as st

from gal_friday_core.times import SECOND_NS
from gal_friday_live.clock import SLEW, SystemClock

HOUR_NS = 3_600 * SECOND_NS


class World:
    """A wall clock that somebody sets, and a steady one."""

    def __init__(self):
        self.passed = 0
        self.set_by = 0

    def wall(self):
        return 1_700_000_000 * SECOND_NS + self.passed + self.set_by

    def steady(self):
        return 77 * SECOND_NS + self.passed

    def clock(self):
        return SystemClock(wall=self.wall, steady=self.steady)


@given(
    st.lists(
        st.tuples(st.integers(0, 100 * SECOND_NS), st.integers(-HOUR_NS, HOUR_NS)), min_size=1, max_size=30
    )
)
def test_between_two_readings_passes_what_passed_whatever_the_wall_clock_does(steps):
    world = World()
    clock = world.clock()
    before = clock.now_ns()
    for passed, jump in steps:
        world.passed += passed
        world.set_by += jump
        now = clock.now_ns()
        assert abs(now - before - passed) <= (passed + SECOND_NS) * SLEW
        assert now >= before
        before = now


def test_a_clock_that_was_set_right_is_followed_slowly_until_both_agree():
    world = World()
    clock = world.clock()
    world.set_by = 2 * SECOND_NS
    behind = []
    for _ in range(10):
        world.passed += 50 * SECOND_NS
        behind.append(world.wall() - clock.now_ns())
    assert behind == [max(0, int(2 * SECOND_NS - n * 50 * SECOND_NS * SLEW)) for n in range(1, 11)]
    assert behind[-1] == 0


def test_the_systems_own_clocks_agree_with_it():
    clock = SystemClock()
    earliest = time.time_ns()
    told = clock.now_ns()
    assert earliest - SECOND_NS < told < time.time_ns() + SECOND_NS
