"""The multiples of a step: the same numbers as with a division, written the same."""

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gal_friday_core.grid import Grid
from gal_friday_core.money import ceil_to, floor_to, is_multiple

STEPS = st.sampled_from(
    [Decimal(text) for text in ("1E-8", "0.1", "0.10", "0.25", "1", "10", "1E+2", "0.05")]
)
AMOUNTS = st.decimals(-(10**12), 10**12, allow_nan=False, allow_infinity=False, places=None) | st.decimals(
    -(10**6), 10**6, places=8
)


@given(STEPS, AMOUNTS)
@example(Decimal("0.1"), Decimal("1E+3"))
@example(Decimal("1E-8"), Decimal("0.07855910"))
@example(Decimal("0.10"), Decimal("0.3"))
@example(Decimal("1E+2"), Decimal("0E+5"))
def test_it_rounds_to_the_same_digits_as_a_division(step, amount):
    grid = Grid(step)
    for found, expected in (
        (grid.down(amount), floor_to(amount, step)),
        (grid.up(amount), ceil_to(amount, step)),
    ):
        assert str(found) == str(expected)
    assert grid.holds(amount) == is_multiple(amount, step)


@pytest.mark.parametrize("step", [Decimal("0.1"), Decimal("0.25")])
def test_what_it_rounds_to_it_holds(step):
    grid = Grid(step)
    assert grid.holds(grid.up(Decimal("963.37")))
    assert grid.holds(grid.down(Decimal("963.37")))
    assert not grid.holds(Decimal("963.37"))
