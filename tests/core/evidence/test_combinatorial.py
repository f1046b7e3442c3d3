import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gal_friday_core.errors import DataError
from gal_friday_core.evidence.combinatorial import combinatorial, path_count


def test_six_groups_of_which_two_are_tested_make_fifteen_splits_and_five_paths():
    t0 = np.arange(600)
    splits = combinatorial(t0, t0, groups=6, tested=2, embargo_ns=0)
    assert len(splits) == 15
    assert path_count(6, 2) == 5
    tests = [(path, group) for split in splits for group, path in split.paths.items()]
    assert sorted(tests) == [(path, group) for path in range(5) for group in range(6)]


@settings(max_examples=40)
@given(
    st.integers(3, 7),
    st.integers(1, 2),
    st.integers(0, 20),
    st.lists(st.integers(0, 15), min_size=80, max_size=80),
)
def test_no_training_label_ever_touches_a_tested_moment(groups, tested, embargo, lengths):
    t0 = np.arange(80) * 3
    t1 = t0 + np.array(lengths)
    for split in combinatorial(t0, t1, groups=groups, tested=tested, embargo_ns=embargo):
        for rows in split.tests.values():
            start, end = t0[rows[0]] - embargo, t1[rows].max() + embargo
            assert ((t1[split.train] < start) | (t0[split.train] > end)).all()


@pytest.mark.parametrize(
    ("groups", "tested", "said"), [(5, 5, "not all"), (90, 1, "too few"), (2, 1, "nothing to train")]
)
def test_what_cannot_be_split_is_refused_in_words(groups, tested, said):
    t0 = np.arange(40)
    with pytest.raises(DataError, match=said):
        combinatorial(t0, t0 + 50, groups=groups, tested=tested, embargo_ns=0)
