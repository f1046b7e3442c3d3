"""What the feature kernel remembers: its windows, and where everything lies in the flat state of one stream.

Entry point: `new_state`. All numbers here are constants of the machine code.
"""

import numpy as np
from numpy.typing import NDArray

State = NDArray[np.float64]
Clock = NDArray[np.int64]
Bar = tuple[float, float, float, float]
"""Open, high, low, close."""

BLOCK = 512
"""Intervals in a block of the time grid, whose first bar renews every accumulator."""
MEMORY = 512
"""Bars in the ring. A seed that old weighs (1 - 2/51)**512 = 1.3e-9 in the slowest average."""
REACH = MEMORY + BLOCK
"""Bars, its own included, that a row can depend on."""
LONGEST_GAP = 60
"""Intervals between two bars; after more the past says nothing, and the stream starts anew."""
EMA_SPANS = (12, 26, 50)
SIGNAL_SPAN = 9
WILDER_PERIOD = 14
HORIZONS = (1, 5, 15, 60, 240)
RATE_OF_CHANGE = 30
SHORTEST, SHORT, MIDDLE, LONG = 14, 20, 60, 240
"""Bars in the four windows."""
COLUMNS = 36
MINUTE_NS = 60_000_000_000

MASK = MEMORY - 1
LEAST = 1e-300  # what is smaller has no finite inverse and counts as nothing
ROUNDING = 1e-14  # relative variance below which float64 cannot tell a constant from noise

# The clock, int64:
INTERVAL, SLOT, COUNT = range(3)
FOLD_SHORTEST, FOLD_SHORT, FOLD_MIDDLE, FOLD_LONG = range(3, 7)  # the count when each window was last folded
CLOCK_SIZE = 7

# The state, float64. First the recursive averages,
FAST, SLOW, SLOWEST, SIGNAL, GAIN, LOSS, TRUE_RANGE = range(7)
REFERENCE = 7  # the close that deviations of the short window are measured from
# then of each window the fold of the bars that came since its last fold: SUMS or extremes,
NEW_SHORTEST, NEW_MIDDLE_EXTREMES, NEW_SHORT, NEW_DEVIATIONS, NEW_MIDDLE, NEW_LONG = 8, 10, 12, 15, 17, 23
# the folds of the newest 0, 1, 2 ... bars before that,
OLD_SHORTEST = 32
OLD_MIDDLE_EXTREMES = OLD_SHORTEST + 2 * SHORTEST
OLD_SHORT = OLD_MIDDLE_EXTREMES + 2 * MIDDLE
OLD_DEVIATIONS = OLD_SHORT + 3 * SHORT
OLD_MIDDLE = OLD_DEVIATIONS + 2 * SHORT
OLD_LONG = OLD_MIDDLE + 6 * MIDDLE
WARMUPS = OLD_LONG + 2 * LONG  # bars after which each column is known
# and the ring: what is remembered of each bar. A window sums the last 6, 3 or 2 of these.
RING = (WARMUPS + COLUMNS + 15) // 16 * 16
R_CLOSE, R_LOG, R_RANGE, R_LOW, R_HIGH = range(5)
R_VALUE, R_FLOW, R_VOLUME_SQUARED, R_VOLUME, R_RETURN, R_RETURN_SQUARED = range(5, 11)
RING_WIDTH = 11
SUMS_MIDDLE, SUMS_SHORT, SUMS_LONG = 6, 3, 2
STATE_SIZE = RING + RING_WIDTH * MEMORY

_DAY_ANGLE = 2.0 * np.pi * np.arange(1440) / 1440.0
DAY_SIN, DAY_COS = np.sin(_DAY_ANGLE), np.cos(_DAY_ANGLE)
_WEEK_ANGLE = 2.0 * np.pi * np.arange(7) / 7.0
WEEK_SIN, WEEK_COS = np.sin(_WEEK_ANGLE), np.cos(_WEEK_ANGLE)


def new_state(interval_ns: int, warmups: NDArray[np.int64]) -> tuple[State, Clock]:
    """The memory of a stream that has seen nothing; `warmups` has one entry a column."""
    state, clock = np.zeros(STATE_SIZE), np.zeros(CLOCK_SIZE, dtype=np.int64)
    state[WARMUPS : WARMUPS + COLUMNS] = warmups
    clock[INTERVAL] = interval_ns
    return state, clock
