"""What a kernel computes changes only with its schema's revision: by that hash a model knows whose features it is given.

A change that is wanted raises `revision` and writes the new digest here; then every model of before is refused by name.
"""

import hashlib

import numpy as np
import pytest

from gal_friday_core.features.book_drivers import compute_book
from gal_friday_core.features.book_set import BOOK_V1
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.drivers import compute
from gal_friday_core.times import MINUTE_NS

from .book_markets import book_market
from .markets import market

KNOWN = {
    ("candles-v1", 1): "99b3de5b1077cc7b",
    ("book-v1", 1): "c6195095775ec928",
}
DIGITS = 1e9
"""Beyond these, machines' logarithms may differ."""


def digest(values):
    """Of all columns, each in billionths of its own scale."""
    most = np.nanmax(np.abs(values), axis=0)
    scale = 10.0 ** np.ceil(np.log10(np.where(most > 0, most, 1.0)))
    steps = np.where(np.isnan(values), np.iinfo(np.int64).min, np.rint(values / scale * DIGITS))
    return hashlib.sha256(steps.astype(np.int64).tobytes()).hexdigest()[:16]


def books():
    events = book_market(7, 20_000)
    moments = np.arange(int(events.ts[0]), int(events.ts[-1]), MINUTE_NS)
    return compute_book(events, moments, MINUTE_NS)


@pytest.mark.parametrize(
    ("schema", "table"),
    [
        (CANDLES_V1, lambda: compute(market(7, 1_500))),
        (BOOK_V1, books),
    ],
    ids=lambda given: getattr(given, "name", ""),
)
def test_features_are_those_of_their_revision(schema, table):
    assert digest(table().values) == KNOWN[schema.name, schema.revision]


def test_a_value_that_is_another_is_seen():
    values = compute(market(7, 1_500)).values
    changed = values.copy()
    changed[-1, 0] *= 1 + 1e-6
    assert digest(changed) != digest(values)
