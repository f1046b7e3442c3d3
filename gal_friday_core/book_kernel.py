"""The compiled order book: a message's bytes in, a book out whose checksum has been verified, or none.

Entry points: `apply_text` for bytes, `apply_levels` for levels that were put into the message's room. Both
apply every level in order, cut both sides to the depth, and compare Kraken's checksum over the best ten
levels of each side. A book that a fault may have touched is emptied at once and takes no update until the
next snapshot: nobody can read levels that did not verify.

What lies where in the state is said by `book_layout`.
"""

from typing import Any

import numpy as np

from gal_friday_core.book_layout import (
    APPLIED,
    ASK_COUNT,
    ASK_START,
    BID_COUNT,
    BID_START,
    CHECKED_LEVELS,
    CHECKSUM,
    COMPUTED,
    DEPTH,
    HEADER,
    KIND,
    MALFORMED,
    MESSAGE_ROOM,
    NO_PIECE,
    NO_SNAPSHOT,
    ROOM,
    SENT,
    SENT_BIDS,
    SENT_TIMESTAMP,
    SIDES,
    SNAPSHOT,
    SNAPSHOT_KIND,
    TIMESTAMP,
    UNKNOWN_TIME,
    VERIFIED,
)
from gal_friday_core.compiled import compiled, inlined, pointer
from gal_friday_core.kraken.book_checksum import BEGIN, joined, piece
from gal_friday_core.kraken.book_text import READ, read

PADDING = 64
"""Bytes of room that a text needs behind its end."""


@compiled
def clear(state: Any) -> None:
    """An empty, unverified book."""
    state[BID_START] = state[ASK_START] = state[ROOM] // 2
    state[BID_COUNT] = state[ASK_COUNT] = 0
    state[VERIFIED], state[TIMESTAMP] = 0, UNKNOWN_TIME


@inlined
def _rank(prices: Any, count: int, price: int, sign: int) -> int:
    """How many levels are better than the price; `sign` is 1 for asks and -1 for bids."""
    low, high = 0, count
    while low < high:
        middle = (low + high) >> 1
        if sign * prices[middle] < sign * price:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def _recentre(state: Any, start_at: int, column: int, count: int) -> None:
    """Move a side to the middle of its columns; happens once in as many changes as the columns have room."""
    room, start = state[ROOM], state[start_at]
    new = (room - count) // 2
    for part in range(3):
        old_side, new_side = (
            pointer(state, column + part * room + start),
            pointer(state, column + part * room + new),
        )
        for place in range(count):
            new_side[place] = old_side[place]
    state[start_at] = new


@inlined
def _open_gap(state: Any, start_at: int, column: int, rank: int) -> None:
    """Make room for a level at the rank, by moving whichever end of the side is nearer."""
    room, count = state[ROOM], state[start_at + 1]
    if state[start_at] == 0 or state[start_at] + count == room:
        _recentre(state, start_at, column, count)
    start = state[start_at]
    for part in range(3):
        side = pointer(state, column + part * room + start)
        if 2 * rank < count:
            for place in range(rank):
                side[place - 1] = side[place]
        else:
            for place in range(count, rank, -1):
                side[place] = side[place - 1]
    if 2 * rank < count:
        state[start_at] = start - 1
    state[start_at + 1] = count + 1


@inlined
def _close_gap(state: Any, start_at: int, column: int, rank: int) -> None:
    """Take the level at the rank out, by moving whichever end of the side is nearer."""
    room, start, count = state[ROOM], state[start_at], state[start_at + 1]
    for part in range(3):
        side = pointer(state, column + part * room + start)
        if 2 * rank < count:
            for place in range(rank, 0, -1):
                side[place] = side[place - 1]
        else:
            for place in range(rank, count - 1):
                side[place] = side[place + 1]
    if 2 * rank < count:
        state[start_at] = start + 1
    state[start_at + 1] = count - 1


@inlined
def _set_level(state: Any, start_at: int, column: int, price: int, quantity: int) -> None:
    """Set one level, or delete it where the quantity is zero; deleting what is not there changes nothing."""
    room, count = state[ROOM], state[start_at + 1]
    sign = 1 if start_at == ASK_START else -1
    prices = pointer(state, column + state[start_at])
    rank = _rank(prices, count, price, sign)
    known = rank < count and prices[rank] == price
    if quantity == 0:
        if known:
            _close_gap(state, start_at, column, rank)
        return
    if not known:
        _open_gap(state, start_at, column, rank)
    level = column + state[start_at] + rank
    state[level], state[level + room], state[level + 2 * room] = price, quantity, NO_PIECE


@inlined
def _set_side(state: Any, side: int) -> None:
    """All levels of one side in order, then cut to the depth: what drops out of it gets no delete."""
    room, most, start_at = state[ROOM], state[MESSAGE_ROOM], BID_START + 2 * side
    column, message = HEADER + 3 * room * side, HEADER + 6 * room + 2 * most * side
    for level in range(message, message + state[SENT_BIDS + side]):
        _set_level(state, start_at, column, state[level], state[level + most])
    state[start_at + 1] = min(state[start_at + 1], state[DEPTH])


@inlined
def _sum_side(state: Any, side: int, crc: np.uint32) -> np.uint32:
    """The checksum register after the best levels of a side; pieces that are missing are made."""
    room, start_at = state[ROOM], BID_START + 2 * side
    first = HEADER + 3 * room * side + state[start_at]
    for level in range(first, first + min(state[start_at + 1], CHECKED_LEVELS)):
        known = state[level + 2 * room]
        if known == NO_PIECE:
            known = piece(state[level], state[level + room])
            state[level + 2 * room] = known
        crc = joined(crc, known)
    return crc


@compiled
def checksum(state: Any) -> int:
    """CRC32 over the best ten asks, then the best ten bids."""
    crc = BEGIN
    for before in range(SIDES):
        crc = _sum_side(state, SIDES - 1 - before, crc)
    return np.int64(crc ^ BEGIN)  # type: ignore[return-value]


@compiled
def apply_levels(state: Any) -> int:
    """Apply the message that the header and the message's room hold: APPLIED, SNAPSHOT, CHECKSUM or NO_SNAPSHOT."""
    fresh = state[KIND] == SNAPSHOT_KIND
    if fresh:
        clear(state)
    elif state[VERIFIED] == 0:
        return NO_SNAPSHOT
    for side in range(SIDES):
        _set_side(state, side)
    state[COMPUTED] = checksum(state)
    if state[COMPUTED] != state[SENT]:
        clear(state)
        return CHECKSUM
    state[VERIFIED], state[TIMESTAMP] = 1, state[SENT_TIMESTAMP]
    return SNAPSHOT if fresh else APPLIED


@compiled
def apply_text(state: Any, text: Any, length: int) -> int:
    """Apply `length` bytes of one message. A malformed one empties the book: what it said is lost."""
    raw = pointer(text, 0)
    for place in range(length, length + PADDING):
        raw[place] = 0
    found = read(raw, length, pointer(state, 0), HEADER + 6 * state[ROOM])
    if found == READ:
        return apply_levels(state)
    if found == MALFORMED:
        clear(state)
    return found
