"""Times from outside fit the 64 bits that columns, kernels and the database have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_core.errors import DataError
from gal_friday_core.times import MAX_NS, SECOND_NS, from_iso, to_iso


@given(ns=st.integers(-(MAX_NS // SECOND_NS) * SECOND_NS, MAX_NS))
def test_every_time_that_fits_comes_back_to_the_nanosecond(ns):
    assert from_iso(to_iso(ns)) == ns


@pytest.mark.parametrize(
    "text", ["6392-10-06T17:35:55.440295Z", "2262-12-01", "1677-01-01", "0001-01-01T00:00:00+23:59"]
)
def test_a_time_that_does_not_fit_is_refused(text):
    with pytest.raises(DataError, match="not a time that nanoseconds can tell"):
        from_iso(text)
