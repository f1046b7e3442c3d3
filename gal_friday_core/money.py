"""Exact money: every amount of quote currency is a multiple of `CENT`, and rounding happens here or nowhere.

Products of quantity and price are formed exactly and rounded once, half to even, so that an exchange,
a portfolio and a report that read the same fill always book the same amount.
"""

from collections.abc import Callable
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
)

ZERO = Decimal(0)
CENT = Decimal("1e-8")
"""The smallest amount of quote currency that is booked."""
CENTS_IN_ONE = Decimal(10**8)

_TRAPS = [InvalidOperation, DivisionByZero, Overflow]
EXACT = Context(prec=96, rounding=ROUND_HALF_EVEN, traps=_TRAPS)
"""Wide enough that no product or sum of real amounts is ever rounded by accident."""
_multiply, _divide, _quantize = EXACT.multiply, EXACT.divide, EXACT.quantize
DOWN, UP = (Context(prec=96, rounding=way, traps=_TRAPS) for way in (ROUND_FLOOR, ROUND_CEILING))


UNITS = tuple(Decimal(1).scaleb(-places) for places in range(20))
"""What one is worth of what is counted in whole numbers with so many decimal places."""


def from_float(number: float) -> Decimal:
    """The shortest decimal that reads back as this float64, plain notation aside.

    >>> from_float(0.1), from_float(963.37)
    (Decimal('0.1'), Decimal('963.37'))
    """
    return Decimal(repr(float(number)))


RATIO = Context(prec=28, rounding=ROUND_HALF_EVEN, traps=_TRAPS)
"""For quotients: prices, fractions, percentages, which no cash is booked from."""


ratio: Callable[[Decimal, Decimal], Decimal] = RATIO.divide
"""A quotient to 28 digits, whatever the caller's own decimal context."""

product: Callable[[Decimal, Decimal], Decimal] = EXACT.multiply
"""The exact product."""


def round_cash(amount: Decimal) -> Decimal:
    """Half to even, to the smallest amount that is booked.

    >>> round_cash(Decimal("0.000000005")), round_cash(Decimal("0.000000015"))
    (Decimal('0E-8'), Decimal('2E-8'))
    """
    return _quantize(amount, CENT)


def value_of(quantity: Decimal, price: Decimal) -> Decimal:
    """What a quantity is worth at a price, in quote currency, as it is booked.

    >>> value_of(Decimal("0.5"), Decimal("20000.1"))
    Decimal('10000.05000000')
    """
    return _quantize(_multiply(quantity, price), CENT)


def is_booked_alike(one: Decimal, other: Decimal) -> bool:
    """Whether two amounts differ by nothing that could be booked: exchanges count some currencies more finely.

    >>> is_booked_alike(Decimal("7126.12234061"), Decimal("7126.1223406120"))
    True
    >>> is_booked_alike(Decimal("0.00000001"), Decimal(0))
    False
    """
    return not _quantize(EXACT.subtract(one, other), CENT)


def fee_of(value: Decimal, rate: Decimal) -> Decimal:
    """The fee on a traded value, as it is booked.

    >>> fee_of(Decimal("10000.05"), Decimal("0.0026"))
    Decimal('26.00013000')
    """
    return _quantize(_multiply(abs(value), rate), CENT)


def share_of(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """The part of a booked amount that belongs to `part` out of `whole`; all of it where they are equal.

    >>> share_of(Decimal("10"), Decimal("1"), Decimal("3"))
    Decimal('3.33333333')
    """
    if part == whole:
        return amount
    return _quantize(_divide(_multiply(amount, part), whole), CENT)


def floor_to(amount: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` that is not above `amount`.

    >>> floor_to(Decimal("0.123456789"), Decimal("0.00000001"))
    Decimal('0.12345678')
    """
    return _multiply(DOWN.to_integral_value(_divide(amount, step)), step)


def ceil_to(amount: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of `step` that is not below `amount`.

    >>> ceil_to(Decimal("963.371"), Decimal("0.01"))
    Decimal('963.38')
    """
    return _multiply(UP.to_integral_value(_divide(amount, step)), step)


def is_multiple(amount: Decimal, step: Decimal) -> bool:
    """Whether `amount` lies on the grid of `step`.

    >>> is_multiple(Decimal("0.30"), Decimal("0.1")), is_multiple(Decimal("0.35"), Decimal("0.1"))
    (True, False)
    """
    return not EXACT.remainder(amount, step)
