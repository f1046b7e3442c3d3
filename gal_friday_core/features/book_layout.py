"""What the book kernel remembers: the newest book, window sums, and a ring of one-second slices.

Entry point: `new_book_state`. All numbers here are constants of the machine code.
"""

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.market_events import LEVELS

State = NDArray[np.float64]
Clock = NDArray[np.int64]

SLICE_NS = 1_000_000_000
"""Length of a slice of the absolute time grid, over which events are summed."""
WINDOWS = (10, 60, 300)
"""Whole slices in the three windows; the slice that is still running is added to each."""
LONGEST_WINDOW = WINDOWS[-1]
REACH_S = LONGEST_WINDOW + 1
"""Seconds of observation before a row equals, to the bit, that of a stream begun earlier."""
COLUMNS = 24
SET_BACK_NS = 5 * SLICE_NS
"""An event this much older than the last one means that the clock was set back: the stream starts anew."""
LATE_NS = 10 * SLICE_NS
"""A trade heard this long after it was made means that trades were missed: their observation starts anew."""
NEVER = -1

# The clock, int64: the newest time, its slice, the slices in which observation began, levels held.
TIME, SLOT, BOOK_SINCE, TRADES_SINCE, BIDS, ASKS = range(6)
CLOCK_SIZE = 6

# The state, float64. First the newest book, in the venue's integer units, best first,
BID_PRICES, BID_QUANTITIES = 0, LEVELS
ASK_PRICES, ASK_QUANTITIES = 2 * LEVELS, 3 * LEVELS
LAST_PRICE = 4 * LEVELS  # of a trade; 0 before the first
# then of each window the sums over its whole slices,
SUMS = LAST_PRICE + 1
S_FLOW, S_DEPTH, S_UPDATES, S_SIGNED, S_VOLUME, S_TRADES, S_VARIANCE = range(7)
SUMS_WIDTH = 7
# and the ring of slices. R_WITHIN sums squared log returns between trades of the slice, R_ACROSS is the
# squared return of its first trade against the trade before it; R_MID the log of the last mid price.
RING = SUMS + SUMS_WIDTH * len(WINDOWS)
R_FLOW, R_DEPTH, R_UPDATES, R_SIGNED, R_VOLUME, R_TRADES, R_WITHIN, R_ACROSS, R_MID = range(9)
RING_WIDTH = 9
SLICES = 512
MASK = SLICES - 1
STATE_SIZE = RING + RING_WIDTH * SLICES


def new_book_state() -> tuple[State, Clock]:
    """The memory of a stream that has seen nothing."""
    clock = np.zeros(CLOCK_SIZE, dtype=np.int64)
    clock[BOOK_SINCE] = clock[TRADES_SINCE] = NEVER
    return np.zeros(STATE_SIZE), clock
