"""The compiled feature kernel: one bar in, one row of features out. Batch and live are this same function.

Entry points: `update` takes one bar, `run` does so for arrays. Which number stands where in a row is said by
`candle_set`.

Invariants:
- **Bounded memory.** A row depends on the last `REACH` bars at most, so a stream begun anywhere `REACH` bars
  earlier gives the same bits as one begun years ago. Recursive averages (EMA, Wilder) are computed anew from
  the ring of the last `MEMORY` bars at the first bar of every absolute block of `BLOCK` intervals; window
  sums are folded anew there too.
- **No subtraction.** A window's sum (or extreme) is the fold over the older bars that are still inside plus
  the running fold over the newer ones (van Herk 1992, Gil & Werman 1993): nothing is ever taken out of a
  sum, so nothing drifts and a window of zeros sums to exactly zero.
- **Strict arithmetic.** No fast-math: the compiler may not reorder, so every driver gets the same bits.

What lies where in the state is said by `layout`.
"""

import math

import numpy as np

from gal_friday_core.compiled import compiled, inlined, pointer
from gal_friday_core.features.folds import fold, inside, renew, ring, seed, smooth
from gal_friday_core.features.layout import (
    BLOCK,
    COLUMNS,
    COUNT,
    DAY_COS,
    DAY_SIN,
    FAST,
    FOLD_LONG,
    FOLD_MIDDLE,
    FOLD_SHORT,
    FOLD_SHORTEST,
    GAIN,
    HORIZONS,
    INTERVAL,
    LEAST,
    LONG,
    LONGEST_GAP,
    LOSS,
    MIDDLE,
    MINUTE_NS,
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
    R_FLOW,
    R_HIGH,
    R_LOG,
    R_LOW,
    R_RANGE,
    R_RETURN,
    R_RETURN_SQUARED,
    R_VALUE,
    R_VOLUME,
    R_VOLUME_SQUARED,
    RATE_OF_CHANGE,
    REFERENCE,
    RING_WIDTH,
    ROUNDING,
    SHORT,
    SHORTEST,
    SIGNAL,
    SLOT,
    SLOW,
    SLOWEST,
    SUMS_LONG,
    SUMS_MIDDLE,
    SUMS_SHORT,
    TRUE_RANGE,
    WARMUPS,
    WEEK_COS,
    WEEK_SIN,
    Bar,
    Clock,
    State,
)


@inlined
def _begin_bar(state: State, clock: Clock, slot: int) -> None:
    """Forget after a long gap; renew at a block's first bar; fold what is used up."""
    if slot - clock[SLOT] > LONGEST_GAP:
        clock[COUNT] = 0
    renewed = clock[COUNT] == 0 or slot // BLOCK != clock[SLOT] // BLOCK
    if renewed and clock[COUNT] > 0:
        renew(state, clock[COUNT])
    fold(state, clock, renewed)


@inlined
def _remember(state: State, count: int, bar: Bar, volume: float) -> None:
    """Put the bar into the ring and move every accumulator by it."""
    _, high, low, close = bar
    log, true_range, change, bar_return = math.log(close), high - low, 0.0, 0.0
    if count > 0:
        before = ring(count - 1)
        previous = state[before + R_CLOSE]
        change = close - previous
        bar_return = log - state[before + R_LOG]
        true_range = max(high, previous) - min(low, previous)
        smooth(state, close, change, true_range)
    else:
        seed(state, close, true_range)
        state[REFERENCE] = close
    at = ring(count)
    state[at + R_CLOSE] = close
    state[at + R_LOG] = log
    state[at + R_RANGE] = true_range
    state[at + R_LOW] = low
    state[at + R_HIGH] = high
    state[at + R_VALUE] = (high + low + close) * (volume * (1.0 / 3.0))
    state[at + R_FLOW] = volume if change > 0.0 else (-volume if change < 0.0 else 0.0)
    state[at + R_VOLUME_SQUARED] = volume * volume
    state[at + R_VOLUME] = volume
    state[at + R_RETURN] = bar_return
    state[at + R_RETURN_SQUARED] = bar_return * bar_return
    _accumulate(state, at, high, low, close)


@inlined
def _accumulate(state: State, at: int, high: float, low: float, close: float) -> None:
    """Add the newest bar, remembered at `at`, to the running fold of each window."""
    deviation = close - state[REFERENCE]
    state[NEW_DEVIATIONS] += deviation
    state[NEW_DEVIATIONS + 1] += deviation * deviation
    for new in (NEW_SHORTEST, NEW_MIDDLE_EXTREMES):
        state[new] = min(state[new], low)
        state[new + 1] = max(state[new + 1], high)
    sums = at + RING_WIDTH
    for field in range(SUMS_MIDDLE):
        state[NEW_MIDDLE + field] += state[sums - SUMS_MIDDLE + field]
    for field in range(SUMS_SHORT):
        state[NEW_SHORT + field] += state[sums - SUMS_SHORT + field]
    for field in range(SUMS_LONG):
        state[NEW_LONG + field] += state[sums - SUMS_LONG + field]


@inlined
def _deviation(total: float, squares: float, share: float) -> float:
    """Population standard deviation of 1/share numbers from their sums; exactly 0 for a constant."""
    mean = total * share
    second = squares * share
    variance = second - mean * mean
    return math.sqrt(variance if variance > ROUNDING * second else 0.0)


@inlined
def _inverse(value: float) -> float:
    """1 / value, or 0 where there is nothing to divide by."""
    return 1.0 / value if value > LEAST else 0.0


@inlined
def _trend_columns(state: State, number: int, close: float, per_close: float, out: State) -> None:
    """Returns, rate of change, EMA distances, MACD, RSI: columns 0 to 12."""
    log = state[ring(number) + R_LOG]
    fast, slow, slowest, signal = state[FAST], state[SLOW], state[SLOWEST], state[SIGNAL]
    moved = state[GAIN] + state[LOSS]
    strength = state[GAIN] / moved if moved > 0.0 else 0.5
    out[0] = log - state[ring(number - HORIZONS[0]) + R_LOG]
    out[1] = log - state[ring(number - HORIZONS[1]) + R_LOG]
    out[2] = log - state[ring(number - HORIZONS[2]) + R_LOG]
    out[3] = log - state[ring(number - HORIZONS[3]) + R_LOG]
    out[4] = log - state[ring(number - HORIZONS[4]) + R_LOG]
    out[5] = close / state[ring(number - RATE_OF_CHANGE) + R_CLOSE] - 1.0
    out[6] = close / fast - 1.0
    out[7] = close / slow - 1.0
    out[8] = close / slowest - 1.0
    out[9] = (fast - slow) * per_close
    out[10] = signal * per_close
    out[11] = (fast - slow - signal) * per_close
    out[12] = 100.0 * strength


@inlined
def _short_columns(
    state: State, bars: tuple[int, int], close: float, per_close: float, out: State
) -> tuple[float, float]:
    """Stochastic, Bollinger, ATR, volatility 20: columns 13 to 17. Returns volatility and volume.

    `bars` says how many of each window's bars lie before its last fold.
    """
    old = OLD_SHORTEST + 2 * bars[0]
    low = min(state[NEW_SHORTEST], state[old])
    high = max(state[NEW_SHORTEST + 1], state[old + 1])
    old = OLD_DEVIATIONS + 2 * bars[1]
    total, total_squared = state[NEW_DEVIATIONS] + state[old], state[NEW_DEVIATIONS + 1] + state[old + 1]
    old = OLD_SHORT + SUMS_SHORT * bars[1]
    volume = state[NEW_SHORT] + state[old]
    returns, squares = state[NEW_SHORT + 1] + state[old + 1], state[NEW_SHORT + 2] + state[old + 2]
    reference, mean = state[REFERENCE], total * (1.0 / SHORT)
    deviation = _deviation(total, total_squared, 1.0 / SHORT)
    volatility = _deviation(returns, squares, 1.0 / SHORT)
    out[13] = (close - low) / (high - low) if high > low else 0.5
    out[14] = (close - reference - mean) * _inverse(2.0 * deviation)
    out[15] = 4.0 * deviation / (reference + mean)
    out[16] = state[TRUE_RANGE] * per_close
    out[17] = volatility
    return volatility, volume


@inlined
def _window_columns(
    state: State,
    bars: tuple[int, int],
    bar: tuple[float, float, float],
    short: tuple[float, float],
    out: State,
) -> None:
    """Volatilities and their ratio, volume, VWAP, range of 60 bars: columns 18 to 26.

    `bar` is close, 1 / close and volume; `short` what `_short_columns` returned.
    """
    close, per_close, volume = bar
    old = OLD_MIDDLE_EXTREMES + 2 * bars[0]
    low, high = (
        min(state[NEW_MIDDLE_EXTREMES], state[old]),
        max(state[NEW_MIDDLE_EXTREMES + 1], state[old + 1]),
    )
    old, older = OLD_MIDDLE + SUMS_MIDDLE * bars[0], OLD_LONG + SUMS_LONG * bars[1]
    value, flow = state[NEW_MIDDLE] + state[old], state[NEW_MIDDLE + 1] + state[old + 1]
    volumes_squared, volumes = state[NEW_MIDDLE + 2] + state[old + 2], state[NEW_MIDDLE + 3] + state[old + 3]
    returns, squares = state[NEW_MIDDLE + 4] + state[old + 4], state[NEW_MIDDLE + 5] + state[old + 5]
    long_returns, long_squares = state[NEW_LONG] + state[older], state[NEW_LONG + 1] + state[older + 1]
    volatility = _deviation(returns, squares, 1.0 / MIDDLE)
    per_volume = _inverse(volumes)
    out[18] = volatility
    out[19] = _deviation(long_returns, long_squares, 1.0 / LONG)
    out[20] = short[0] / volatility if volatility > 0.0 else 1.0
    out[21] = (volume - volumes * (1.0 / MIDDLE)) * _inverse(
        _deviation(volumes, volumes_squared, 1.0 / MIDDLE)
    )
    out[22] = short[1] * (MIDDLE / SHORT) * per_volume if per_volume > 0.0 else 1.0
    out[23] = flow * per_volume
    out[24] = close * volumes / value - 1.0 if value > LEAST else 0.0
    out[25] = (close - low) / (high - low) if high > low else 0.5
    out[26] = (high - low) * per_close


@inlined
def _bar_columns(ts: int, bar: Bar, per_close: float, out: State) -> None:
    """The bar's shape, UTC minute of the day and day of the week (Monday 0) as angles: columns 27 to 34."""
    open_, high, low, close = bar
    per_spread = _inverse(high - low)
    minutes = ts // MINUTE_NS
    days = minutes // 1440
    minute, weekday = minutes - days * 1440, (days + 3) % 7  # 1970-01-01 was a Thursday
    out[27] = (high - low) * per_close
    out[28] = (close - open_) * per_spread
    out[29] = (high - max(open_, close)) * per_spread
    out[30] = (min(open_, close) - low) * per_spread
    out[31] = DAY_SIN[minute]
    out[32] = DAY_COS[minute]
    out[33] = WEEK_SIN[weekday]
    out[34] = WEEK_COS[weekday]


@inlined
def acceptable(count: int, slots: int, bar: Bar, volume: float) -> bool:
    """Whether a bar that opens `slots` intervals after the last one is later and plausible."""
    open_, high, low, close = bar
    positive = 0.0 < low <= high < np.inf and 0.0 < open_ < np.inf and 0.0 < close < np.inf
    return (count == 0 or slots > 0) and positive and 0.0 <= volume < np.inf


@inlined
def _take(  # noqa: PLR0917 - compiled calls are positional
    state: State, clock: Clock, when: tuple[int, int], bar: Bar, volume: float, out: State
) -> None:
    """Take an acceptable bar: move the state, write the row. `when` is the bar's open in ns, in intervals."""
    ts, slot = when
    close = bar[3]
    _begin_bar(state, clock, slot)
    number, per_close = clock[COUNT], 1.0 / close
    clock[COUNT] = count = number + 1
    _remember(state, number, bar, volume)
    _trend_columns(state, number, close, per_close, out)
    bars = (inside(SHORTEST, count - clock[FOLD_SHORTEST]), inside(SHORT, count - clock[FOLD_SHORT]))
    short = _short_columns(state, bars, close, per_close, out)
    bars = (inside(MIDDLE, count - clock[FOLD_MIDDLE]), inside(LONG, count - clock[FOLD_LONG]))
    _window_columns(state, bars, (close, per_close, volume), short, out)
    _bar_columns(ts, bar, per_close, out)
    out[35] = slot - clock[SLOT] - 1
    clock[SLOT] = slot
    if number < LONG:
        for column in range(COLUMNS):
            if number < state[WARMUPS + column]:
                out[column] = np.nan


@compiled
def update(  # noqa: PLR0917 - compiled calls are positional
    state: State,
    clock: Clock,
    ts: int,
    open_: float,
    high: float,
    low: float,
    close: float,
    volume: float,
    out: State,
) -> bool:
    """Take one closed bar, write its row into `out` (float64, `COLUMNS` long).

    `ts` is the bar's open in ns UTC. A column is NaN until it is warm. Returns False, and changes nothing,
    for a bar that is not later than the last, or whose numbers are not positive, finite and in order.
    """
    bar, slot = (open_, high, low, close), ts // clock[INTERVAL]
    if not acceptable(clock[COUNT], slot - clock[SLOT], bar, volume):
        return False
    _take(pointer(state, 0), pointer(clock, 0), (ts, slot), bar, volume, pointer(out, 0))
    return True


@compiled
def run(  # noqa: PLR0917 - compiled calls are positional
    state: State,
    clock: Clock,
    ts: Clock,
    prices: tuple[State, State, State, State],
    volume: State,
    out: State,
) -> int:
    """`update` for every bar, open/high/low/close in `prices`; row i of `out` belongs to bar i.

    Returns the number of bars taken: fewer than given when one was refused.
    """
    open_, high, low, close = prices
    memory, time = pointer(state, 0), pointer(clock, 0)
    for i in range(len(ts)):
        bar, slot = (open_[i], high[i], low[i], close[i]), ts[i] // clock[INTERVAL]
        if not acceptable(clock[COUNT], slot - clock[SLOT], bar, volume[i]):
            return i
        _take(memory, time, (ts[i], slot), bar, volume[i], pointer(out, i * COLUMNS))
    return len(ts)
