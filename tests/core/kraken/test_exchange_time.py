"""What answers' stamps prove about two clocks, and that nothing else is believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_core.kraken.exchange_time import DRIFT, WAITING, ExchangeTime
from gal_friday_core.times import SECOND_NS

MS = SECOND_NS // 1_000
OFFSETS = st.integers(-(10**14), 10**14)
WAYS = st.tuples(st.integers(0, 2 * SECOND_NS), st.integers(0, 2 * SECOND_NS), st.integers(0, 60 * SECOND_NS))


class Wire:
    """A venue whose clock is `ahead`, behind a network that takes its time both ways."""

    def __init__(self, ahead):
        self.ahead, self.now, self.number = ahead, 10**15, 0
        self.time = ExchangeTime(lambda: self.now)

    def exchange(self, there, back, then=0):
        self.number += 1
        self.time.asked(self.number)
        self.now += there
        stamp = self.now + self.ahead
        self.now += back
        self.time.answered(self.number, stamp, stamp)
        self.now += then


@given(OFFSETS, st.lists(WAYS, min_size=1, max_size=8))
def test_what_is_certain_is_never_more_than_what_is_true_and_on_the_same_side(ahead, exchanges):
    wire = Wire(ahead)
    for there, back, then in exchanges:
        wire.exchange(there, back, then)
        certain = wire.time.ahead_ns()
        assert abs(certain) <= abs(ahead)
        assert certain * ahead >= 0


@pytest.mark.parametrize("ahead_s", [-86_400, -3_600, -1, 1, 3_600, 86_400])
def test_after_one_answer_it_is_known_to_the_time_that_the_answer_took(ahead_s):
    wire = Wire(ahead_s * SECOND_NS)
    wire.exchange(20 * MS, 30 * MS)
    assert abs(wire.time.ahead_ns() - ahead_s * SECOND_NS) <= 30 * MS


def test_clocks_that_may_be_equal_are_taken_to_be():
    wire = Wire(15 * MS)
    wire.exchange(20 * MS, 30 * MS)
    assert wire.time.ahead_ns() == 0


def test_a_slow_answer_does_not_make_less_certain_what_a_quick_one_proved():
    wire = Wire(3 * SECOND_NS)
    wire.exchange(10 * MS, 10 * MS)
    wire.exchange(2 * SECOND_NS, 2 * SECOND_NS)
    assert wire.time.ahead_ns() == 3 * SECOND_NS - 10 * MS - 4 * SECOND_NS // DRIFT


def test_what_was_proved_fades_so_that_a_clock_which_is_set_right_is_believed_again():
    wire = Wire(SECOND_NS)
    wire.exchange(0, 0)
    wire.now += DRIFT * SECOND_NS
    assert wire.time.ahead_ns() == 0


def test_an_answer_without_stamps_or_to_nothing_that_was_asked_proves_nothing_of_its_way():
    wire = Wire(0)
    wire.time.answered(None, None, None)
    wire.time.answered(7, wire.now - 10**12, None)
    assert wire.time.ahead_ns() == 0


def test_requests_that_are_never_answered_do_not_pile_up():
    wire = Wire(0)
    for number in range(10 * WAITING):
        wire.time.asked(number)
    assert len(wire.time._asked) <= WAITING
