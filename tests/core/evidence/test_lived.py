"""Features as live engines had them, against the table that a model was learnt from."""

from dataclasses import replace

import numpy as np
import pytest

from gal_friday_core.errors import SchemaMismatchError
from gal_friday_core.evidence.parity import Parity, lived, together
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.drivers import FeatureTable
from gal_friday_core.gate_checks import replayed


def table(ts, values=None):
    ts = np.array(ts, np.int64)
    found = np.outer(ts, np.ones(len(CANDLES_V1))) if values is None else values
    return FeatureTable(ts, found.astype(np.float64), CANDLES_V1)


def test_the_same_bits_are_parity():
    assert lived(table(range(10)), table([3, 4, 7]), "live") == Parity(3, 0, "live")


def test_one_changed_bit_is_a_difference():
    heard = table([3, 4, 7])
    heard.values[1, 5] = np.nextafter(heard.values[1, 5], np.inf)
    assert lived(table(range(10)), heard, "live").differing == 1


def test_a_bar_that_the_table_lacks_in_its_midst_is_a_difference_and_one_outside_it_is_not():
    assert lived(table([2, 3, 5, 6]), table([0, 1, 3, 4, 9]), "live") == Parity(2, 1, "live")


def test_nothing_heard_and_an_empty_table_say_nothing():
    assert lived(table(range(10)), table([]), "live").rows == 0
    assert lived(table([]), table([1, 2]), "live").rows == 0


def test_features_of_another_set_are_refused():
    newer = replace(CANDLES_V1, revision=CANDLES_V1.revision + 1)
    other = FeatureTable(np.array([1]), np.ones((1, len(newer))), newer)
    with pytest.raises(SchemaMismatchError, match="live"):
        lived(table(range(3)), other, "live")


def test_the_gate_counts_stored_and_lived_bars():
    both = together(Parity(500, 0, "stored candles"), Parity(40, 2, "recorded live engines"))
    gate = replayed(both)
    assert (gate.value, gate.passed) == (2.0, False)
    assert gate.about.startswith("stored candles and recorded live engines: 2 of 540")
