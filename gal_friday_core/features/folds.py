"""What the kernel makes anew at the start of every block: recursive averages and folded windows, from the ring.

Part of the machine code of `kernel`; see its invariants.
"""

import numpy as np

from gal_friday_core.compiled import compiled, inlined
from gal_friday_core.features.layout import (
    COUNT,
    EMA_SPANS,
    FAST,
    FOLD_LONG,
    FOLD_MIDDLE,
    FOLD_SHORT,
    FOLD_SHORTEST,
    GAIN,
    LONG,
    LOSS,
    MASK,
    MEMORY,
    MIDDLE,
    NEW_DEVIATIONS,
    NEW_LONG,
    NEW_MIDDLE,
    NEW_MIDDLE_EXTREMES,
    NEW_SHORT,
    NEW_SHORTEST,
    OLD_DEVIATIONS,
    OLD_LONG,
    OLD_MIDDLE,
    OLD_MIDDLE_EXTREMES,
    OLD_SHORT,
    OLD_SHORTEST,
    R_CLOSE,
    R_HIGH,
    R_LOW,
    R_RANGE,
    REFERENCE,
    RING,
    RING_WIDTH,
    SHORT,
    SHORTEST,
    SIGNAL,
    SIGNAL_SPAN,
    SLOW,
    SLOWEST,
    SUMS_LONG,
    SUMS_MIDDLE,
    SUMS_SHORT,
    TRUE_RANGE,
    WILDER_PERIOD,
    Clock,
    State,
)


@inlined
def inside(window: int, newer: int) -> int:
    """Bars of a window that lie before its last fold; the mask tells the compiler it is not negative."""
    return (window - newer) & 255


@inlined
def ring(number: int) -> int:
    """Where in the state the ring keeps the bar with this number."""
    return RING + (number & MASK) * RING_WIDTH


@inlined
def smooth(state: State, close: float, change: float, true_range: float) -> None:
    """One step of the recursive averages. Sources: TA-Lib EMA, MACD; Wilder 1978 for RSI and ATR."""
    fast = state[FAST] + (2.0 / (EMA_SPANS[0] + 1)) * (close - state[FAST])
    slow = state[SLOW] + (2.0 / (EMA_SPANS[1] + 1)) * (close - state[SLOW])
    state[FAST] = fast
    state[SLOW] = slow
    state[SLOWEST] += (2.0 / (EMA_SPANS[2] + 1)) * (close - state[SLOWEST])
    state[SIGNAL] += (2.0 / (SIGNAL_SPAN + 1)) * (fast - slow - state[SIGNAL])
    state[GAIN] += (1.0 / WILDER_PERIOD) * (max(change, 0.0) - state[GAIN])
    state[LOSS] += (1.0 / WILDER_PERIOD) * (max(-change, 0.0) - state[LOSS])
    state[TRUE_RANGE] += (1.0 / WILDER_PERIOD) * (true_range - state[TRUE_RANGE])


@inlined
def seed(state: State, close: float, true_range: float) -> None:
    """Begin the recursive averages at one bar. Equal zeros for gain and loss leave RSI unbiased."""
    state[FAST] = state[SLOW] = state[SLOWEST] = close
    state[SIGNAL] = state[GAIN] = state[LOSS] = 0.0
    state[TRUE_RANGE] = true_range


@compiled
def renew(state: State, count: int) -> None:
    """Compute the recursive averages anew from the ring: what lies before it no longer counts."""
    first = count - min(count, MEMORY)
    at = ring(first)
    previous = state[at + R_CLOSE]
    seed(state, previous, state[at + R_HIGH] - state[at + R_LOW])
    for number in range(first + 1, count):
        at = ring(number)
        close = state[at + R_CLOSE]
        smooth(state, close, close - previous, state[at + R_RANGE])
        previous = close


@compiled
def fold_sums(state: State, count: int, window: tuple[int, int], old: int, new: int) -> None:
    """Sums over the newest 0, 1, 2 ... bars. `window` is its bars and how many of the ring's last fields."""
    bars, sums = window
    for field in range(sums):
        total = state[old + field] = state[new + field] = 0.0
        for age in range(1, bars):
            total += state[ring(count - age) + RING_WIDTH - sums + field]
            state[old + age * sums + field] = total


@compiled
def fold_extremes(state: State, count: int, bars: int, old: int, new: int) -> None:
    """Lowest low and highest high of the newest 0, 1, 2 ... bars."""
    low = state[old] = state[new] = np.inf
    high = state[old + 1] = state[new + 1] = -np.inf
    for age in range(1, bars):
        at = ring(count - age)
        low = min(low, state[at + R_LOW])
        high = max(high, state[at + R_HIGH])
        state[old + 2 * age] = low
        state[old + 2 * age + 1] = high


@compiled
def fold_deviations(state: State, count: int) -> None:
    """Sums of (close - newest close) and of its square over the newest 0, 1, 2 ... bars."""
    reference = state[REFERENCE] = state[ring(count - 1) + R_CLOSE]
    total = state[OLD_DEVIATIONS] = state[NEW_DEVIATIONS] = 0.0
    squares = state[OLD_DEVIATIONS + 1] = state[NEW_DEVIATIONS + 1] = 0.0
    for age in range(1, SHORT):
        deviation = state[ring(count - age) + R_CLOSE] - reference
        total += deviation
        squares += deviation * deviation
        state[OLD_DEVIATIONS + 2 * age] = total
        state[OLD_DEVIATIONS + 2 * age + 1] = squares


@inlined
def fold(state: State, clock: Clock, renewed: bool) -> None:
    """Fold each window that is used up, or all of them."""
    count = clock[COUNT]
    if renewed or count - clock[FOLD_SHORTEST] == SHORTEST:
        clock[FOLD_SHORTEST] = count
        fold_extremes(state, count, SHORTEST, OLD_SHORTEST, NEW_SHORTEST)
    if renewed or count - clock[FOLD_SHORT] == SHORT:
        clock[FOLD_SHORT] = count
        fold_sums(state, count, (SHORT, SUMS_SHORT), OLD_SHORT, NEW_SHORT)
        fold_deviations(state, count)
    if renewed or count - clock[FOLD_MIDDLE] == MIDDLE:
        clock[FOLD_MIDDLE] = count
        fold_sums(state, count, (MIDDLE, SUMS_MIDDLE), OLD_MIDDLE, NEW_MIDDLE)
        fold_extremes(state, count, MIDDLE, OLD_MIDDLE_EXTREMES, NEW_MIDDLE_EXTREMES)
    if renewed or count - clock[FOLD_LONG] == LONG:
        clock[FOLD_LONG] = count
        fold_sums(state, count, (LONG, SUMS_LONG), OLD_LONG, NEW_LONG)
