"""Kraken's book message, read from its bytes by compiled code: no objects, one pass, every byte looked at.

Entry point: `read`. Keys may come in any order and with any spacing; unknown keys are skipped; a key twice,
a value that `text_values` refuses, and anything after the end is an error.
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
from gal_friday_core.kraken.text_values import (
    BEGIN,
    CLOSE,
    COLON,
    COMMA,
    FAIL,
    FINISH,
    OPEN,
    QUOTE,
    amount,
    checksum,
    skip_space,
    skip_string,
    skip_value,
    time,
)

READ = 0
_END, _CHANNEL, _TYPE, _DATA, _SYMBOL, _BIDS, _ASKS, _CHECKSUM, _TIMESTAMP, _PRICE, _QTY, _OTHER = range(12)
_OF_MESSAGE = 1 << _CHANNEL | 1 << _TYPE | 1 << _DATA
_OF_ENTRY = 1 << _SYMBOL | 1 << _BIDS | 1 << _ASKS | 1 << _CHECKSUM | 1 << _TIMESTAMP
_NEEDED = (_OF_MESSAGE | _OF_ENTRY) & ~(1 << _TIMESTAMP)
"""Sets of keys, a bit for each."""


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
    if word == _IS_CHANNEL and text[at + 8] == QUOTE:
        return _CHANNEL, at + 9
    rest = _word(text, at + 8) & _THREE
    if word == _IS_CHECKSUM and text[at + 8] == 109 and text[at + 9] == QUOTE:
        return _CHECKSUM, at + 10
    if word == _IS_TIMESTAMP and rest == _REST_OF_TIMESTAMP:
        return _TIMESTAMP, at + 11
    return _OTHER, skip_string(text, at + 1)


@inlined
def _member(text: Any, at: int, first: bool) -> tuple[int, int]:
    """The next key of an object: which one, and where its value begins.

    `at` behind the opening brace, or behind the value before. _END behind the closing brace; FAIL.
    """
    at = skip_space(text, at)
    if text[at] == FINISH:
        return _END, at + 1
    if not first:
        if text[at] != COMMA:
            return FAIL, FAIL
        at = skip_space(text, at + 1)
    if text[at] != QUOTE:
        return FAIL, FAIL
    key, at = _key(text, at)
    if at < 0:
        return FAIL, FAIL
    at = skip_space(text, at)
    if text[at] != COLON:
        return FAIL, FAIL
    return key, skip_space(text, at + 1)


@inlined
def _level(text: Any, at: int, state: Any, price_at: int, quantity_at: int) -> int:
    """One {"price": …, "qty": …} into the message's room; the place behind it or FAIL."""
    if text[at] != BEGIN:
        return FAIL
    at, first, price, quantity = at + 1, True, -1, -1
    while True:
        key, at = _member(text, at, first)
        first = False
        if key == _PRICE and price < 0:
            price, at = amount(text, at, state[PRICE_DECIMALS])
        elif key == _QTY and quantity < 0:
            quantity, at = amount(text, at, state[QTY_DECIMALS])
        elif key == _END:
            state[price_at], state[quantity_at] = price, quantity
            return at if price > 0 and quantity >= 0 else FAIL
        else:
            at = skip_value(text, at) if key not in (FAIL, _PRICE, _QTY) else FAIL
        if at < 0:
            return FAIL


@compiled
def _levels(text: Any, at: int, state: Any, prices: int) -> tuple[int, int]:
    """A list of levels into the message's room from `prices` on; how many, and the place behind or FAIL."""
    most, count = state[MESSAGE_ROOM], 0
    if text[at] != OPEN:
        return 0, FAIL
    at = skip_space(text, at + 1)
    if text[at] == CLOSE:
        return 0, at + 1
    while count < most:
        at = _level(text, at, state, prices + count, prices + most + count)
        if at < 0:
            return 0, FAIL
        count += 1
        at = skip_space(text, at)
        if text[at] == CLOSE:
            return count, at + 1
        if text[at] != COMMA:
            return 0, FAIL
        at = skip_space(text, at + 1)
    return 0, FAIL


@inlined
def _own_symbol(text: Any, at: int, state: Any) -> int:
    """Behind the symbol where it is this book's; OTHER_PAIR as a negative where not; FAIL."""
    if text[at] != QUOTE:
        return FAIL
    length = state[SYMBOL_LENGTH]
    for place in range(length):
        if text[at + 1 + place] != state[SYMBOL + place]:
            return FAIL if skip_string(text, at + 1) < 0 else -OTHER_PAIR
    at += 1 + length
    if text[at] != QUOTE:
        return FAIL if skip_string(text, at) < 0 else -OTHER_PAIR
    return at + 1


@inlined
def _kind(text: Any, at: int, state: Any) -> int:
    """Whether it is a snapshot or an update; the place behind the word or FAIL."""
    word = _word(text, at)
    if word == _IS_UPDATE:
        state[KIND] = UPDATE_KIND
        return at + 8
    if word == _IS_SNAPSHOT and text[at + 8] == 116 and text[at + 9] == QUOTE:
        state[KIND] = SNAPSHOT_KIND
        return at + 10
    return FAIL


@inlined
def _channel(text: Any, at: int) -> int:
    """Behind the word "book"; NOT_A_BOOK as a negative for another channel; FAIL."""
    if _word(text, at) & _SIX == _IS_BOOK:
        return at + 6
    return -NOT_A_BOOK if text[at] == QUOTE and skip_string(text, at + 1) > 0 else FAIL


@inlined
def _enter(text: Any, at: int) -> int:
    """Into the one entry of the data: behind its opening brace, or FAIL."""
    if text[at] != OPEN:
        return FAIL
    at = skip_space(text, at + 1)
    return at + 1 if text[at] == BEGIN else FAIL


@inlined
def _leave(text: Any, at: int) -> int:
    """Behind the bracket that ends the data after its one entry, or FAIL."""
    at = skip_space(text, at)
    return at + 1 if text[at] == CLOSE else FAIL


@inlined
def _value(text: Any, at: int, state: Any, key: int, message: int) -> int:
    """The value of a key that counts; the place behind it, or negative."""
    if key in (_BIDS, _ASKS):
        asks = key == _ASKS
        count, at = _levels(text, at, state, message + asks * 2 * state[MESSAGE_ROOM])
        state[SENT_ASKS if asks else SENT_BIDS] = count
    elif key == _SYMBOL:
        at = _own_symbol(text, at, state)
    elif key == _CHECKSUM:
        state[SENT], at = checksum(text, at)
    elif key == _TIMESTAMP:
        state[SENT_TIMESTAMP], at = time(text, at)
    elif key == _CHANNEL:
        at = _channel(text, at)
    else:
        at = _kind(text, at, state)
    return at


@inlined
def _members(text: Any, at: int, state: Any, message: int) -> tuple[int, int]:
    """All members of the message, its entry's among them: which keys there were, and the place behind."""
    first, inside, seen = True, False, 0
    while at >= 0:
        key, at = _member(text, at, first)
        first = False
        if key <= _END:
            if key == FAIL or not inside:
                break
            inside, at = False, _leave(text, at)
        elif not (_OF_ENTRY if inside else _OF_MESSAGE) >> key & 1:
            at = skip_value(text, at)
        elif seen >> key & 1:
            at = FAIL
        else:
            seen |= 1 << key
            if key == _DATA:
                first, inside, at = True, True, _enter(text, at)
            else:
                at = _value(text, at, state, key, message)
    return seen, at


@compiled
def read(text: Any, length: int, state: Any, message: int) -> int:
    """Read one message into the state's header and, from `message` on, its levels. Touches no level of the book.

    READ, MALFORMED, NOT_A_BOOK or OTHER_PAIR; of the latter two nothing is looked at behind the word that
    decides. A message without a channel, such as an acknowledgement, is NOT_A_BOOK.
    """
    state[SENT_TIMESTAMP] = UNKNOWN_TIME
    at = skip_space(text, 0)
    if text[at] != BEGIN:
        return MALFORMED
    seen, at = _members(text, at + 1, state, message)
    if at < 0:
        return MALFORMED if at == FAIL else -at
    if skip_space(text, at) != length:
        return MALFORMED
    if not seen >> _CHANNEL & 1:
        return NOT_A_BOOK
    return READ if seen & _NEEDED == _NEEDED else MALFORMED
