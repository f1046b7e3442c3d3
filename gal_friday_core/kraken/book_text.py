"""Kraken's book message, read from its bytes by compiled code: no objects, one pass, every byte looked at.

Entry point: `read`. The text lies in an array that ends with zero bytes, which no rule accepts, so nothing
reads past the end. Keys may come in any order and with any spacing; unknown keys are skipped; a key twice, a
number that is negative, not finite or finer than the pair's decimals, and anything after the end is an error.
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numba import types
from numba.extending import intrinsic

from gal_friday_core.book_layout import (
    KIND,
    MALFORMED,
    MESSAGE_ROOM,
    NO_KIND,
    NOT_A_BOOK,
    OTHER_PAIR,
    PRICE_DECIMALS,
    QTY_DECIMALS,
    SENT,
    SENT_ASKS,
    SENT_BIDS,
    SENT_TIMESTAMP,
    SNAPSHOT_KIND,
    SYMBOL,
    SYMBOL_LENGTH,
    UNKNOWN_TIME,
    UPDATE_KIND,
)
from gal_friday_core.compiled import compiled, inlined

READ = 0
FAIL = -1
_END, _CHANNEL, _TYPE, _DATA, _SYMBOL, _BIDS, _ASKS, _CHECKSUM, _TIMESTAMP, _PRICE, _QTY, _OTHER = range(12)
_TAB, _LINE, _RETURN, _SPACE, _QUOTE, _COMMA, _MINUS, _POINT = 9, 10, 13, 32, 34, 44, 45, 46
_ZERO, _NINE, _COLON, _OPEN, _BACKSLASH, _CLOSE, _BEGIN, _FINISH = 48, 57, 58, 91, 92, 93, 123, 125
_MOST_DIGITS = 18
_POWERS = np.array([10**power for power in range(_MOST_DIGITS + 1)], np.int64)
_PLAIN = np.isin(np.arange(256), list(b"0123456789+-.eEtrufalsn"))


@intrinsic
def _load_word(_typing: Any, text: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        word = context.get_value_type(types.uint64)
        address = builder.gep(arguments[0], [arguments[1]])
        return builder.load(builder.bitcast(address, word.as_pointer()), align=1)

    return types.uint64(text, at), generate


_word = cast("Callable[[Any, int], np.uint64]", _load_word)
"""In compiled code: eight bytes of the text as one number, the first lowest, wherever they lie."""


def _spelled(text: bytes) -> np.uint64:
    return np.uint64(int.from_bytes(text[:8], "little"))


_FIVE, _SIX, _SEVEN = (np.uint64(2 ** (8 * count) - 1) for count in (5, 6, 7))
_IS_PRICE, _IS_QTY, _IS_BIDS, _IS_ASKS = map(_spelled, (b'"price"', b'"qty"', b'"bids"', b'"asks"'))
_IS_TYPE, _IS_DATA, _IS_SYMBOL = map(_spelled, (b'"type"', b'"data"', b'"symbol"'))
_IS_CHANNEL, _IS_CHECKSUM, _IS_TIMESTAMP = map(_spelled, (b'"channel"', b'"checksum"', b'"timestamp"'))
_IS_BOOK, _IS_UPDATE, _IS_SNAPSHOT = map(_spelled, (b'"book"', b'"update"', b'"snapshot"'))
_REST_OF_TIMESTAMP = np.uint64(int.from_bytes(b'mp"', "little"))
_THREE = np.uint64(2**24 - 1)


@inlined
def _digit(text: Any, at: int) -> int:
    """The value of a digit; below 0 or above 9 for anything else."""
    return np.int64(text[at]) - _ZERO  # type: ignore[return-value]  # machine code knows one kind of integer


@inlined
def _skip_space(text: Any, at: int) -> int:
    while text[at] == _SPACE or text[at] == _LINE or text[at] == _TAB or text[at] == _RETURN:
        at += 1
    return at


@inlined
def _skip_string(text: Any, at: int) -> int:
    """`at` behind the opening quote; the place behind the closing one, or FAIL."""
    while text[at] != _QUOTE:
        if text[at] < _SPACE:
            return FAIL
        at += 1 + (text[at] == _BACKSLASH and text[at + 1] >= _SPACE)
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
        at = _skip_space(text, at)
        sign = text[at]
        if sign == _QUOTE:
            at = _skip_string(text, at + 1)
        elif sign in (_OPEN, _BEGIN):
            depth, at = depth + 1, at + 1
        elif sign in (_CLOSE, _FINISH):
            depth, at = depth - 1, at + 1
        elif depth > 0 and sign in (_COMMA, _COLON):
            at += 1
        else:
            at = _skip_plain(text, at)
        if at < 0 or depth < 0:
            return FAIL
        if depth == 0:
            return at


@inlined
def _key(text: Any, at: int) -> tuple[int, int]:
    """Which key begins with the quote at `at`, and the place behind its closing quote."""
    word = _word(text, at)
    if word & _SEVEN == _IS_PRICE:
        return _PRICE, at + 7
    if word & _FIVE == _IS_QTY:
        return _QTY, at + 5
    return _rare_key(text, at, word)


@inlined
def _rare_key(text: Any, at: int, word: np.uint64) -> tuple[int, int]:
    six = word & _SIX
    if six == _IS_BIDS:
        return _BIDS, at + 6
    if six == _IS_ASKS:
        return _ASKS, at + 6
    if six == _IS_TYPE:
        return _TYPE, at + 6
    if six == _IS_DATA:
        return _DATA, at + 6
    if word == _IS_SYMBOL:
        return _SYMBOL, at + 8
    return _long_key(text, at, word)


@inlined
def _long_key(text: Any, at: int, word: np.uint64) -> tuple[int, int]:
    if word == _IS_CHANNEL and text[at + 8] == _QUOTE:
        return _CHANNEL, at + 9
    rest = _word(text, at + 8) & _THREE
    if word == _IS_CHECKSUM and text[at + 8] == 109 and text[at + 9] == _QUOTE:
        return _CHECKSUM, at + 10
    if word == _IS_TIMESTAMP and rest == _REST_OF_TIMESTAMP:
        return _TIMESTAMP, at + 11
    return _OTHER, _skip_string(text, at + 1)


@inlined
def _member(text: Any, at: int, first: bool) -> tuple[int, int]:
    """The next key of an object: which one, and where its value begins.

    `at` behind the opening brace, or behind the value before. _END behind the closing brace; FAIL.
    """
    at = _skip_space(text, at)
    if text[at] == _FINISH:
        return _END, at + 1
    if not first:
        if text[at] != _COMMA:
            return FAIL, at
        at = _skip_space(text, at + 1)
    if text[at] != _QUOTE:
        return FAIL, at
    key, at = _key(text, at)
    if at < 0:
        return FAIL, at
    at = _skip_space(text, at)
    if text[at] != _COLON:
        return FAIL, at
    return key, _skip_space(text, at + 1)


@inlined
def _exponent(text: Any, at: int) -> tuple[int, int]:
    """The exponent behind an e, at most two digits, and the place behind it or FAIL."""
    negative = text[at] == _MINUS
    if negative or text[at] == 43:
        at += 1
    begin, value = at, 0
    while _ZERO <= text[at] <= _NINE and at - begin < 3:
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
def _amount(text: Any, at: int, decimals: int) -> tuple[int, int]:
    """A JSON number that is not negative, in units of 10**-decimals, and the place behind it or FAIL."""
    begin, value, places = at, 0, 0
    while _ZERO <= text[at] <= _NINE:
        value = value * 10 + _digit(text, at)
        at += 1
    digits = at - begin
    if digits == 0 or (digits > 1 and text[begin] == _ZERO):
        return 0, FAIL
    if text[at] == _POINT:
        point = at
        at += 1
        while _ZERO <= text[at] <= _NINE:
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
def _level(text: Any, at: int, state: Any, price_at: int, quantity_at: int) -> int:
    """One {"price": …, "qty": …} into the message's room; the place behind it or FAIL."""
    if text[at] != _BEGIN:
        return FAIL
    at, first, price, quantity = at + 1, True, -1, -1
    while True:
        key, at = _member(text, at, first)
        first = False
        if key == _PRICE and price < 0:
            price, at = _amount(text, at, state[PRICE_DECIMALS])
        elif key == _QTY and quantity < 0:
            quantity, at = _amount(text, at, state[QTY_DECIMALS])
        elif key == _END:
            state[price_at], state[quantity_at] = price, quantity
            return at if price > 0 and quantity >= 0 else FAIL
        else:
            at = skip_value(text, at) if key == _OTHER else FAIL
        if at < 0:
            return FAIL


@compiled
def _levels(text: Any, at: int, state: Any, prices: int) -> tuple[int, int]:
    """A list of levels into the message's room from `prices` on; how many, and the place behind or FAIL."""
    most, count = state[MESSAGE_ROOM], 0
    if text[at] != _OPEN:
        return 0, FAIL
    at = _skip_space(text, at + 1)
    if text[at] == _CLOSE:
        return 0, at + 1
    while count < most:
        at = _level(text, at, state, prices + count, prices + most + count)
        if at < 0:
            return 0, FAIL
        count += 1
        at = _skip_space(text, at)
        if text[at] == _CLOSE:
            return count, at + 1
        if text[at] != _COMMA:
            return 0, FAIL
        at = _skip_space(text, at + 1)
    return 0, FAIL


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
    while _ZERO <= text[at] <= _NINE and at - begin < 10:
        value = value * 10 + _digit(text, at)
        at += 1
    places = at - begin
    return (value * _POWERS[9 - places], at) if 1 <= places <= 9 else (0, FAIL)


@compiled
def _time(text: Any, at: int) -> tuple[int, int]:
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
    if text[at] == _POINT:
        fraction, at = _fraction(text, at + 1)
        if at < 0:
            return 0, FAIL
    if text[at] != 90 or text[at + 1] != _QUOTE:
        return 0, FAIL
    seconds = ((_days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second
    return seconds * 1_000_000_000 + fraction, at + 2


@compiled
def _checksum(text: Any, at: int) -> tuple[int, int]:
    """An unsigned 32 bit number, and the place behind it or FAIL."""
    begin, value = at, 0
    while _ZERO <= text[at] <= _NINE and at - begin < 11:
        value = value * 10 + _digit(text, at)
        at += 1
    plain = 1 <= at - begin <= 10 and not (text[begin] == _ZERO and at - begin > 1)
    return (value, at) if plain and value < 2**32 else (-1, FAIL)


@inlined
def _own_symbol(text: Any, at: int, state: Any) -> int:
    """Behind the symbol where it is this book's; OTHER_PAIR as a negative where not; FAIL."""
    if text[at] != _QUOTE:
        return FAIL
    length = state[SYMBOL_LENGTH]
    for place in range(length):
        if text[at + 1 + place] != state[SYMBOL + place]:
            return FAIL if _skip_string(text, at + 1) < 0 else -OTHER_PAIR
    at += 1 + length
    if text[at] != _QUOTE:
        return FAIL if _skip_string(text, at) < 0 else -OTHER_PAIR
    return at + 1


@inlined
def _side(text: Any, at: int, state: Any, counts: int, prices: int) -> int:
    """One side's levels into the message's room, once; the place behind them or FAIL."""
    if state[counts] >= 0:
        return FAIL
    state[counts], at = _levels(text, at, state, prices)
    return at


@inlined
def _entry_value(text: Any, at: int, state: Any, key: int, message: int) -> int:
    """The value of one key of the book entry; the place behind it, or negative."""
    if key == _BIDS:
        return _side(text, at, state, SENT_BIDS, message)
    if key == _ASKS:
        return _side(text, at, state, SENT_ASKS, message + 2 * state[MESSAGE_ROOM])
    if key == _SYMBOL:
        return _own_symbol(text, at, state)
    if key == _CHECKSUM and state[SENT] < 0:
        state[SENT], at = _checksum(text, at)
        return at
    if key == _TIMESTAMP and state[SENT_TIMESTAMP] == UNKNOWN_TIME:
        state[SENT_TIMESTAMP], at = _time(text, at)
        return at
    return skip_value(text, at) if key == _OTHER else FAIL


@inlined
def _entry(text: Any, at: int, state: Any, message: int) -> int:
    """The list with the one book entry; the place behind it, or negative."""
    if text[at] != _OPEN:
        return FAIL
    at = _skip_space(text, at + 1)
    if text[at] != _BEGIN:
        return FAIL
    at, first, named = at + 1, True, False
    while True:
        key, at = _member(text, at, first)
        first = False
        if key == _END:
            break
        at = _entry_value(text, at, state, key, message) if key > 0 else FAIL
        if at < 0:
            return at
        if key == _SYMBOL:
            if named:
                return FAIL
            named = True
    at = _skip_space(text, at)
    complete = named and state[SENT] >= 0 and state[SENT_BIDS] >= 0 and state[SENT_ASKS] >= 0
    return at + 1 if complete and text[at] == _CLOSE else FAIL


@inlined
def _kind(text: Any, at: int, state: Any) -> int:
    """Whether it is a snapshot or an update, once; the place behind the word or FAIL."""
    if state[KIND] != NO_KIND:
        return FAIL
    word = _word(text, at)
    if word == _IS_UPDATE:
        state[KIND] = UPDATE_KIND
        return at + 8
    if word == _IS_SNAPSHOT and text[at + 8] == 116 and text[at + 9] == _QUOTE:
        state[KIND] = SNAPSHOT_KIND
        return at + 10
    return FAIL


@inlined
def _channel(text: Any, at: int) -> int:
    """Behind the word "book"; NOT_A_BOOK as a negative for another channel; FAIL."""
    if _word(text, at) & _SIX == _IS_BOOK:
        return at + 6
    return -NOT_A_BOOK if text[at] == _QUOTE and _skip_string(text, at + 1) > 0 else FAIL


@inlined
def _value(text: Any, at: int, state: Any, key: int, message: int) -> int:
    """The value of one key of the message; the place behind it, or negative."""
    if key == _CHANNEL:
        return _channel(text, at)
    if key == _TYPE:
        return _kind(text, at, state)
    if key == _DATA:
        return _entry(text, at, state, message) if state[SENT_BIDS] < 0 else FAIL
    return FAIL if key <= _END else skip_value(text, at)


@compiled
def read(text: Any, length: int, state: Any, message: int) -> int:
    """Read one message into the state's header and, from `message` on, its levels. Touches no level of the book.

    READ, MALFORMED, NOT_A_BOOK or OTHER_PAIR; of the latter two nothing is looked at behind the word that
    decides. A message without a channel, such as an acknowledgement, is NOT_A_BOOK.
    """
    state[KIND], state[SENT], state[SENT_TIMESTAMP] = NO_KIND, -1, UNKNOWN_TIME
    state[SENT_BIDS], state[SENT_ASKS] = -1, -1
    at = _skip_space(text, 0)
    if text[at] != _BEGIN:
        return MALFORMED
    at, first, channels = at + 1, True, 0
    while True:
        key, at = _member(text, at, first)
        first = False
        if key == _END:
            break
        at = _value(text, at, state, key, message)
        if at < 0:
            return MALFORMED if at == FAIL else -at
        channels += key == _CHANNEL
    if _skip_space(text, at) != length or channels > 1:
        return MALFORMED
    if channels == 0:
        return NOT_A_BOOK
    return READ if state[KIND] != NO_KIND and state[SENT] >= 0 else MALFORMED
