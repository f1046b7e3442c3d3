"""Where each number of a compiled order book lies in its one int64 array.

Header, then per side three columns (price, quantity, checksum piece), then the levels of the message that is
being read. A side's levels lie best first from its START on, with room at both ends, so that a change near
the best price moves the few levels before it and not the many behind.
"""

import numpy as np
from numpy.typing import NDArray

Columns = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""Prices and quantities of bids, then of asks."""

# Header.
BID_START, BID_COUNT, ASK_START, ASK_COUNT = 0, 1, 2, 3
DEPTH, ROOM, MESSAGE_ROOM = 4, 5, 6
PRICE_DECIMALS, QTY_DECIMALS = 7, 8
VERIFIED, TIMESTAMP, COMPUTED = 9, 10, 11
# What the message says.
KIND, SENT, SENT_TIMESTAMP, SENT_BIDS, SENT_ASKS = 12, 13, 14, 15, 16
SYMBOL_LENGTH, SYMBOL = 20, 21
SYMBOL_ROOM = 40
HEADER = SYMBOL + SYMBOL_ROOM + 3

SIDES = 2
"""Bids are side 0, asks side 1: START, COUNT and SENT follow one another, and so do the columns."""

# What kind of book message it is.
SNAPSHOT_KIND, UPDATE_KIND = 1, 2

# What became of a message; `book.BookResult` spells these for everybody else.
APPLIED, SNAPSHOT, CHECKSUM, MALFORMED, NOT_A_BOOK, OTHER_PAIR, NO_SNAPSHOT = 1, 2, 3, 4, 5, 6, 7

UNKNOWN_TIME = -1
NO_PIECE = -1
CHECKED_LEVELS = 10
"""Kraken's checksum covers the best ten levels of each side, whatever the depth."""


def message_room(depth: int) -> int:
    """Levels that one side of one message may have."""
    return 2 * depth + 64


def room(depth: int) -> int:
    """Levels that a column has room for: three times a full side with a full message, so that a side which
    has come to an end of its column moves to the middle without overlapping where it was.
    """
    return 3 * (depth + message_room(depth))


def size(depth: int) -> int:
    """Numbers in the whole array."""
    return HEADER + 6 * room(depth) + 4 * message_room(depth)
