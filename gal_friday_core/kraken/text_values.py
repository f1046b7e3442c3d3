"""Values of a JSON text, read from its bytes by compiled code: numbers, times, and whatever is to be skipped.

Every function takes the place where its value begins and gives the place behind it, or FAIL. The text ends
with zero bytes, which no rule accepts, so nothing reads past its end. An amount that is negative, not
finite, finer than the decimals asked for, or of more than 18 digits is not read.
"""

from typing import Any

import numpy as np

from gal_friday_core.compiled import compiled, inlined

FAIL = -1
TAB, LINE, RETURN, SPACE, QUOTE, PLUS, COMMA, MINUS, POINT = 9, 10, 13, 32, 34, 43, 44, 45, 46
ZERO, NINE, COLON, OPEN, BACKSLASH, CLOSE, BEGIN, FINISH = 48, 57, 58, 91, 92, 93, 123, 125
_MOST_DIGITS = 18
_POWERS = np.array([10**power for power in range(_MOST_DIGITS + 1)], np.int64)
_PLAIN = np.isin(np.arange(256), list(b"0123456789+-.eEtrufalsn"))
"""What numbers and the words true, false and null are made of."""


@inlined
def _digit(text: Any, at: int) -> int:
    """The value of a digit; below 0 or above 9 for anything else."""
    return np.int64(text[at]) - ZERO  # type: ignore[return-value]  # machine code knows one kind of integer


@inlined
def skip_space(text: Any, at: int) -> int:
    """To the next byte that is no white space."""
    while text[at] == SPACE or text[at] == LINE or text[at] == TAB or text[at] == RETURN:
        at += 1
    return at


@inlined
def skip_string(text: Any, at: int) -> int:
    """`at` behind the opening quote; the place behind the closing one, or FAIL."""
    while text[at] != QUOTE:
        if text[at] < SPACE:
            return FAIL
        at += 1 + (text[at] == BACKSLASH and text[at + 1] >= SPACE)
    return at + 1


@inlined
def _skip_plain(text: Any, at: int) -> int:
    """Past a number or a word such as null."""
    begin = at
    while _PLAIN[text[at]]:
        at += 1
    return at if at > begin else FAIL


@compiled
def skip_value(text: Any, at: int) -> int:
    """Past one value that nobody asked for; brackets are counted, not matched by kind."""
    depth = 0
    while True:
        at = skip_space(text, at)
        sign = text[at]
        if sign == QUOTE:
            at = skip_string(text, at + 1)
        elif sign in (OPEN, BEGIN):
            depth, at = depth + 1, at + 1
        elif sign in (CLOSE, FINISH):
            depth, at = depth - 1, at + 1
        elif depth > 0 and sign in (COMMA, COLON):
            at += 1
        else:
            at = _skip_plain(text, at)
        if at < 0 or depth < 0:
            return FAIL
        if depth == 0:
            return at


@inlined
def _exponent(text: Any, at: int) -> tuple[int, int]:
    """The exponent behind an e, at most two digits, and the place behind it or FAIL."""
    negative = text[at] == MINUS
    if negative or text[at] == PLUS:
        at += 1
    begin, value = at, 0
    while ZERO <= text[at] <= NINE and at - begin < 3:
        value = value * 10 + _digit(text, at)
        at += 1
    if at == begin or at - begin > 2:
        return 0, FAIL
    return (-value if negative else value), at


@inlined
def _scaled(value: int, shift: int) -> Any:
    """A value × 10**shift, where that is a whole number of at most 18 digits; else FAIL."""
    if shift == 0 or value == 0:
        return value
    if shift > 0:
        if shift > _MOST_DIGITS or value >= _POWERS[max(_MOST_DIGITS - shift, 0)]:
            return FAIL
        return value * _POWERS[shift]
    if shift < -_MOST_DIGITS:
        return FAIL
    power = _POWERS[-shift]
    return value // power if value % power == 0 else FAIL


@inlined
def amount(text: Any, at: int, decimals: int) -> tuple[int, int]:
    """A JSON number that is not negative, in units of 10**-decimals, and the place behind it or FAIL."""
    begin, value, places = at, 0, 0
    while ZERO <= text[at] <= NINE:
        value = value * 10 + _digit(text, at)
        at += 1
    digits = at - begin
    if digits == 0 or (digits > 1 and text[begin] == ZERO):
        return 0, FAIL
    if text[at] == POINT:
        point = at
        at += 1
        while ZERO <= text[at] <= NINE:
            value = value * 10 + _digit(text, at)
            at += 1
        places = at - point - 1
        if places == 0:
            return 0, FAIL
    if digits + places > _MOST_DIGITS:
        return 0, FAIL
    shift = decimals - places
    if text[at] | 32 == 101:
        exponent, at = _exponent(text, at + 1)
        shift += exponent
    value = _scaled(value, shift)
    return (value, at) if value >= 0 else (0, FAIL)


@inlined
def _two_digits(text: Any, at: int) -> int:
    """The number that two digits make, or at least a thousand where they are not digits."""
    tens, ones = _digit(text, at), _digit(text, at + 1)
    return 10 * tens + ones if 0 <= tens <= 9 and 0 <= ones <= 9 else 1000


@inlined
def _days(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 in the Gregorian calendar (H. Hinnant, days_from_civil)."""
    year -= month <= 2
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


@inlined
def _month_length(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


@inlined
def _fraction(text: Any, at: int) -> tuple[int, int]:
    """Nanoseconds behind a point, one to nine digits, and the place behind them or FAIL."""
    begin, value = at, 0
    while ZERO <= text[at] <= NINE and at - begin < 10:
        value = value * 10 + _digit(text, at)
        at += 1
    places = at - begin
    return (value * _POWERS[9 - places], at) if 1 <= places <= 9 else (0, FAIL)


@compiled
def time(text: Any, at: int) -> tuple[int, int]:
    """An RFC 3339 time in UTC, in quotes, as nanoseconds, and the place behind it or FAIL."""
    for place, sign in ((0, 34), (5, 45), (8, 45), (11, 84), (14, 58), (17, 58)):
        if text[at + place] != sign:
            return 0, FAIL
    year = 100 * _two_digits(text, at + 1) + _two_digits(text, at + 3)
    month, day = _two_digits(text, at + 6), _two_digits(text, at + 9)
    hour, minute = _two_digits(text, at + 12), _two_digits(text, at + 15)
    second, fraction = _two_digits(text, at + 18), 0
    if not (1970 <= year < 2200 and 1 <= month <= 12 and 1 <= day <= _month_length(year, month)):
        return 0, FAIL
    if hour > 23 or minute > 59 or second > 59:
        return 0, FAIL
    at += 20
    if text[at] == POINT:
        fraction, at = _fraction(text, at + 1)
        if at < 0:
            return 0, FAIL
    if text[at] != 90 or text[at + 1] != QUOTE:
        return 0, FAIL
    seconds = ((_days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second
    return seconds * 1_000_000_000 + fraction, at + 2


@compiled
def checksum(text: Any, at: int) -> tuple[int, int]:
    """An unsigned 32 bit number, and the place behind it or FAIL."""
    begin, value = at, 0
    while ZERO <= text[at] <= NINE and at - begin < 11:
        value = value * 10 + _digit(text, at)
        at += 1
    plain = 1 <= at - begin <= 10 and not (text[begin] == ZERO and at - begin > 1)
    return (value, at) if plain and value < 2**32 else (-1, FAIL)
