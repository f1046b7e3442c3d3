from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_core.errors import DataError
from gal_friday_core.sweeps.walk import LEAST_DAYS, windows
from gal_friday_core.times import DAY_NS, from_iso

START = from_iso("2024-01-01")


@given(
    st.integers(12, 400), st.integers(5, 90), st.integers(5, 60), st.booleans(), st.integers(0, DAY_NS - 1)
)
def test_no_bar_is_chosen_on_and_traded_in_the_same_window(days, train, test, anchored, late):
    start, end = START + late, START + late + days * DAY_NS
    try:
        found = windows(start, end, train_days=train, test_days=test, anchored=anchored)
    except DataError:
        assert days - 1 < train + LEAST_DAYS
        return
    for one in found:
        assert start <= one.train_ns < one.test_ns < one.end_ns <= end
        assert one.test_ns % DAY_NS == 0
        assert one.end_ns - one.test_ns >= LEAST_DAYS * DAY_NS
        assert (
            one.test_ns - one.train_ns >= train * DAY_NS
            if anchored
            else one.test_ns - one.train_ns == train * DAY_NS
        )
    assert all(after.test_ns == before.end_ns for before, after in pairwise(found))


def test_an_anchored_walk_always_looks_back_to_the_start():
    found = windows(START, START + 100 * DAY_NS, train_days=30, test_days=20, anchored=True)
    assert {one.train_ns for one in found} == {START}
    assert [one.end_ns for one in found][-1] == START + 100 * DAY_NS


def test_too_little_history_and_too_short_windows_are_refused():
    with pytest.raises(DataError, match="too short to choose on 30 days"):
        windows(START, START + 30 * DAY_NS, train_days=30, test_days=10)
    with pytest.raises(DataError, match="windows of 2 days"):
        windows(START, START + 90 * DAY_NS, train_days=30, test_days=2)
