"""The multiples of one step, such as a pair's tick or lot: rounding onto them, and whether an amount is one.

The same numbers, to the last written zero, as `money.floor_to`, `ceil_to` and `is_multiple` give. A step that is
a power of ten, as nearly all are, needs no division: moving the point is exact, and a third of the cost.
"""

from decimal import Decimal

from gal_friday_core.money import DOWN, EXACT, UP, ceil_to, floor_to, is_multiple, product

_move_point, _to_floor, _to_ceiling = EXACT.scaleb, DOWN.to_integral_value, UP.to_integral_value


class Grid:
    """`step` is positive.

    >>> Grid(Decimal("0.1")).up(Decimal("963.37")), Grid(Decimal("0.25")).down(Decimal("963.37"))
    (Decimal('963.4'), Decimal('963.25'))
    """

    __slots__ = ("_places", "step")

    def __init__(self, step: Decimal) -> None:
        _, digits, exponent = step.as_tuple()
        self.step = step
        self._places = Decimal(-int(exponent)) if digits == (1,) else None

    def down(self, amount: Decimal) -> Decimal:
        """The largest multiple that is not above `amount`."""
        places = self._places
        if places is None:
            return floor_to(amount, self.step)
        return product(_to_floor(_move_point(amount, places)), self.step)

    def up(self, amount: Decimal) -> Decimal:
        """The smallest multiple that is not below `amount`."""
        places = self._places
        if places is None:
            return ceil_to(amount, self.step)
        return product(_to_ceiling(_move_point(amount, places)), self.step)

    def holds(self, amount: Decimal) -> bool:
        """Whether `amount` is a multiple."""
        # Written with as many decimals as a power of ten, an amount is one of its multiples.
        return (self._places is not None and amount.same_quantum(self.step)) or is_multiple(amount, self.step)
