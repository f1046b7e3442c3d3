"""No training label overlaps a tested one, however irregular the times."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gal_friday_core.errors import DataError
from gal_friday_core.splits import purged, rolling, walk_forward


@st.composite
def spans(draw, min_size=0):
    """Label spans [t0, t1] in order of t0, with gaps, ties and long holds."""
    steps = draw(st.lists(st.sampled_from([0, 1, 1, 2, 5, 40]), min_size=min_size, max_size=120))
    holds = draw(st.lists(st.integers(0, 30), min_size=len(steps), max_size=len(steps)))
    t0 = np.cumsum(steps, dtype=np.int64)
    return t0, t0 + np.array(holds, np.int64)


def overlaps(t0, t1, train, tested, embargo):
    """Brute force: pairs of a train and a test label that share a moment, the test label widened."""
    return [(a, b) for a in train for b in tested if t0[a] <= t1[b] + embargo and t1[a] >= t0[b] - embargo]


@settings(max_examples=200, deadline=None)
@given(spans(min_size=20), st.integers(2, 5), st.integers(0, 10))
def test_no_training_label_overlaps_a_later_part_widened_by_the_embargo(span, folds, embargo):
    t0, t1 = span
    try:
        splits = walk_forward(t0, t1, folds=folds, calibration_fraction=0.2, embargo_ns=embargo)
    except DataError:
        assume(False)
    assert len(splits) == folds
    for split in splits:
        assert not overlaps(t0, t1, split.fit, split.test, embargo)
        assert not overlaps(t0, t1, split.calibration, split.test, embargo)
        assert not overlaps(t0, t1, split.fit, split.calibration, embargo)
    tested = np.concatenate([split.test for split in splits])
    assert tested.tolist() == list(range(tested[0], len(t0)))


@settings(max_examples=200, deadline=None)
@given(spans(min_size=1), st.integers(-5, 200), st.integers(0, 60), st.integers(0, 10))
def test_purging_keeps_exactly_the_labels_that_stay_clear(span, start, length, embargo):
    t0, t1 = span
    rows = np.arange(len(t0))
    kept = purged(t0, t1, rows, start_ns=start, end_ns=start + length, embargo_ns=embargo)
    clear = [r for r in rows if not (t1[r] >= start - embargo and t0[r] <= start + length + embargo)]
    assert kept.tolist() == clear


def test_ends_are_inclusive():
    t0, t1 = np.array([0, 10]), np.array([5, 15])
    rows = np.arange(2)
    assert purged(t0, t1, rows, start_ns=5, end_ns=5, embargo_ns=0).tolist() == [1]
    assert purged(t0, t1, rows, start_ns=6, end_ns=10, embargo_ns=0).tolist() == [0]
    assert purged(t0, t1, rows, start_ns=6, end_ns=9, embargo_ns=0).tolist() == [0, 1]
    assert purged(t0, t1, rows, start_ns=6, end_ns=9, embargo_ns=1).tolist() == []


def test_nothing_of_a_split_comes_after_what_it_tests():
    t0 = np.arange(1_000, dtype=np.int64)
    for split in walk_forward(t0, t0 + 3, folds=4, calibration_fraction=0.25, embargo_ns=2):
        assert split.fit.max() < split.calibration.min() <= split.calibration.max() < split.test.min()


def test_too_little_history_says_what_to_do():
    few = np.arange(3, dtype=np.int64)
    with pytest.raises(DataError, match="3 labelled events are too few for 5 folds"):
        walk_forward(few, few, folds=5, calibration_fraction=0.2, embargo_ns=0)
    long_holds = np.arange(20, dtype=np.int64)
    with pytest.raises(DataError, match="leave nothing to train on"):
        walk_forward(long_holds, long_holds + 100, folds=3, calibration_fraction=0.2, embargo_ns=0)


@settings(max_examples=200, deadline=None)
@given(spans(min_size=20), st.integers(20, 400), st.integers(1, 200), st.integers(0, 10))
def test_rolling_windows_learn_from_the_recent_past_only_and_test_each_label_once(
    span, train, every, embargo
):
    t0, t1 = span
    first = int(t0[len(t0) // 2])
    try:
        splits = rolling(
            t0,
            t1,
            first_ns=first,
            train_ns=train,
            test_ns=every,
            calibration_fraction=0.2,
            embargo_ns=embargo,
        )
    except DataError:
        assume(False)
    assert np.concatenate([split.test for split in splits]).tolist() == np.flatnonzero(t0 >= first).tolist()
    for split in splits:
        start = first + (int(t0[split.test[0]]) - first) // every * every
        assert t0[split.fit].min() >= start - train
        assert t0[split.test].max() < start + every
        assert not overlaps(t0, t1, split.fit, split.test, embargo)
        assert not overlaps(t0, t1, split.calibration, split.test, embargo)
        assert not overlaps(t0, t1, split.fit, split.calibration, embargo)


def test_a_window_without_a_past_says_what_to_do():
    t0 = np.arange(100, dtype=np.int64)
    with pytest.raises(DataError, match="leave nothing to train on"):
        rolling(t0, t0 + 5, first_ns=3, train_ns=50, test_ns=10, calibration_fraction=0.2, embargo_ns=0)
