"""Block draws count rows as they say, and their intervals cover what they promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gal_friday_core.resampling import UNKNOWN, Blocks, interval, ratio


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 80), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_sums_and_counts_are_those_of_the_rows_drawn(rows, length, seed):
    blocks = Blocks.draw(rows, length, 5, np.random.default_rng(seed))
    values = np.random.default_rng(seed).normal(size=rows)
    for draw in range(5):
        drawn = [(start + i) % rows for start in blocks.starts[draw] for i in range(blocks.length)]
        assert blocks.counts(draw).tolist() == np.bincount(drawn, minlength=rows).tolist()
        assert blocks.sums(values)[draw] == pytest.approx(values[drawn].sum())


def coverage(length):
    """How often a 90 % interval holds the true mean 0 of a strongly autocorrelated series."""
    held = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        noise = np.convolve(rng.normal(size=1_019), np.ones(20), "valid")
        found = ratio(Blocks.draw(1_000, length, 200, rng), noise, np.ones(1_000), 0.9)
        held += found.low <= 0 <= found.high
    return held / 200


def test_long_blocks_cover_dependent_data_where_single_rows_do_not():
    assert coverage(1) < 0.5
    assert coverage(80) > 0.8


def test_the_same_seed_draws_the_same():
    first, second = (Blocks.draw(100, 7, 3, np.random.default_rng(5)) for _ in range(2))
    assert first.starts.tolist() == second.starts.tolist()


def test_nothing_to_divide_by_is_unknown():
    blocks = Blocks.draw(10, 1, 5, np.random.default_rng(0))
    assert ratio(blocks, np.zeros(10), np.zeros(10), 0.95) == UNKNOWN
    assert interval(float("nan"), np.ones(3), 0.95) == UNKNOWN
    assert str(UNKNOWN) == "unknown"
