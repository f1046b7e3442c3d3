import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_core.evidence.uniqueness import average_uniqueness, next_draw

SPANS = np.array([0, 2, 4]), np.array([2, 3, 5])


def test_the_book_example():
    """López de Prado 2018, 4.5.3: uniqueness, and the sequential bootstrap after drawing the second label."""
    assert average_uniqueness(*SPANS, 6) == pytest.approx([5 / 6, 3 / 4, 1])
    assert next_draw(*SPANS, 6, np.array([1])) == pytest.approx([5 / 14, 3 / 14, 6 / 14])


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12)), min_size=1, max_size=40))
def test_it_is_the_mean_share_of_each_bar(spans):
    first = np.array([start for start, _ in spans])
    last = first + np.array([length for _, length in spans])
    together = np.array([((first <= bar) & (bar <= last)).sum() for bar in range(44)])
    expected = [(1 / together[start : end + 1]).mean() for start, end in zip(first, last, strict=True)]
    assert average_uniqueness(first, last, 44) == pytest.approx(expected)
