"""Derived ids: what a UUID of version 5 is, for any parts."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from gal_friday_live.ids import derived

NAMESPACE = uuid.UUID("6f9c1c2e-6b0e-5d51-9a0d-3f1a7f0c6a11")


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"])), max_size=5))
def test_a_derived_id_is_the_uuid_of_its_parts(parts):
    assert derived(*parts) == str(uuid.uuid5(NAMESPACE, "\x1f".join(parts)))
