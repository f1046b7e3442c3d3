"""The compiled feature kernel: one bar in, one row of features out. Batch and live are this same function.

Entry points: `new_state` makes the memory of one stream, `update` takes one bar, `run` loops `update` over
arrays. Which number stands where in a row is said by `candle_set.py`.

Invariants:
- **Bounded memory.** A row depends on the last `REACH` bars at most, so a stream begun anywhere `REACH` bars
  earlier gives the same bits as one begun years ago. Recursive averages (EMA, Wilder) are computed anew from
  the ring of the last `MEMORY` bars at the first bar of every absolute block of `BLOCK` intervals; window
  sums are folded anew there too.
- **No subtraction.** A window's sum (or extreme) is the fold over the older bars that are still inside plus
  the running fold over the newer ones (van Herk 1992, Gil & Werman 1993): nothing is ever taken out of a
  sum, so nothing drifts and a window of zeros sums to exactly zero.
- **Strict arithmetic.** No fast-math: the compiler may not reorder, so every driver gets the same bits.

All of it stands in one file because numba's cache looks at the age of the file that defines a function.
"""

import math
from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

State = NDArray[np.float64]
Clock = NDArray[np.int64]
_P = ParamSpec("_P")
_R = TypeVar("_R")

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

_MASK = MEMORY - 1
_ROUNDING = 1e-14  # relative variance below which float64 cannot tell a constant from noise

# The clock, int64:
INTERVAL, SLOT, COUNT, AGE_SHORTEST, AGE_SHORT, AGE_MIDDLE, AGE_LONG = range(7)
CLOCK_SIZE = 7

# The state, float64. First the recursive averages,
FAST, SLOW, SLOWEST, SIGNAL, GAIN, LOSS, TRUE_RANGE = range(7)
REFERENCE = 7  # the close that deviations of the short window are measured from
# then the running folds of the bars since each window was last folded,
NEW_SHORTEST, NEW_SHORT, NEW_MIDDLE, NEW_LONG = 8, 10, 16, 24
# the folds of the newest 0, 1, 2 ... bars before that,
OLD_SHORTEST = 32
OLD_SHORT = OLD_SHORTEST + 2 * SHORTEST
OLD_MIDDLE = OLD_SHORT + 5 * SHORT
OLD_LONG = OLD_MIDDLE + 8 * MIDDLE
WARMUPS = OLD_LONG + 2 * LONG  # bars after which each column is known
# and the ring: what is remembered of each bar.
RING = (WARMUPS + COLUMNS + 7) // 8 * 8
R_CLOSE, R_LOG, R_RANGE, R_VOLUME, R_VALUE, R_FLOW, R_LOW, R_HIGH = range(8)
RING_WIDTH = 8
STATE_SIZE = RING + RING_WIDTH * MEMORY

_DAY_ANGLE = 2.0 * np.pi * np.arange(1440) / 1440.0
_DAY_SIN, _DAY_COS = np.sin(_DAY_ANGLE), np.cos(_DAY_ANGLE)
_WEEK_ANGLE = 2.0 * np.pi * np.arange(7) / 7.0
_WEEK_SIN, _WEEK_COS = np.sin(_WEEK_ANGLE), np.cos(_WEEK_ANGLE)


def compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Machine code on the first call, kept on disk; IEEE arithmetic as written, division by zero gives inf."""
    return cast("Callable[_P, _R]", njit(cache=True, fastmath=False, error_model="numpy")(function))


def new_state(interval_ns: int, warmups: NDArray[np.int64]) -> tuple[State, Clock]:
    """The memory of a stream that has seen nothing; `warmups` has one entry a column."""
    state, clock = np.zeros(STATE_SIZE), np.zeros(CLOCK_SIZE, dtype=np.int64)
    state[WARMUPS : WARMUPS + COLUMNS] = warmups
    clock[INTERVAL] = interval_ns
    return state, clock


@compiled
def _ring(number: int) -> int:
    """Where in the state the ring keeps the bar with this number."""
    return RING + (number & _MASK) * RING_WIDTH


@compiled
def _smooth(state: State, close: float, change: float, true_range: float) -> None:
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


@compiled
def _seed(state: State, close: float, true_range: float) -> None:
    """Begin the recursive averages at one bar. Equal zeros for gain and loss leave RSI unbiased."""
    state[FAST] = state[SLOW] = state[SLOWEST] = close
    state[SIGNAL] = state[GAIN] = state[LOSS] = 0.0
    state[TRUE_RANGE] = true_range


@compiled
def _renew(state: State, count: int) -> None:
    """Compute the recursive averages anew from the ring: what lies before it no longer counts."""
    first = count - min(count, MEMORY)
    at = _ring(first)
    previous = state[at + R_CLOSE]
    _seed(state, previous, state[at + R_HIGH] - state[at + R_LOW])
    for number in range(first + 1, count):
        at = _ring(number)
        close = state[at + R_CLOSE]
        _smooth(state, close, close - previous, state[at + R_RANGE])
        previous = close


@compiled
def _fold_shortest(state: State, clock: Clock) -> None:
    """Extremes of the newest 0 .. 13 bars."""
    low, high, old = np.inf, -np.inf, OLD_SHORTEST
    for bars in range(SHORTEST):
        if bars > 0:
            at = _ring(clock[COUNT] - bars)
            low = min(low, state[at + R_LOW])
            high = max(high, state[at + R_HIGH])
        state[old] = low
        state[old + 1] = high
        old += 2
    state[NEW_SHORTEST] = np.inf
    state[NEW_SHORTEST + 1] = -np.inf
    clock[AGE_SHORTEST] = 0


@compiled
def _fold_short(state: State, clock: Clock) -> None:
    """Sums over the newest 0 .. 19 bars: return, its square, deviation of the close, its square, volume."""
    newest = _ring(clock[COUNT] - 1)
    reference, log = state[newest + R_CLOSE], state[newest + R_LOG]
    returns = squares = deviations = deviations_squared = volume = 0.0
    old = OLD_SHORT
    for bars in range(SHORT):
        if bars > 0:
            at = _ring(clock[COUNT] - bars)
            older = state[_ring(clock[COUNT] - bars - 1) + R_LOG]
            change = log - older
            log = older
            deviation = state[at + R_CLOSE] - reference
            returns += change
            squares += change * change
            deviations += deviation
            deviations_squared += deviation * deviation
            volume += state[at + R_VOLUME]
        state[old] = returns
        state[old + 1] = squares
        state[old + 2] = deviations
        state[old + 3] = deviations_squared
        state[old + 4] = volume
        old += 5
    state[REFERENCE] = reference
    state[NEW_SHORT : NEW_SHORT + 5] = 0.0
    clock[AGE_SHORT] = 0


@compiled
def _fold_middle(state: State, clock: Clock) -> None:
    """Over the newest 0 .. 59 bars: sums of return, volume (and squares), value, flow; the extremes."""
    log = state[_ring(clock[COUNT] - 1) + R_LOG]
    returns = squares = volume = volume_squared = value = flow = 0.0
    low, high, old = np.inf, -np.inf, OLD_MIDDLE
    for bars in range(MIDDLE):
        if bars > 0:
            at = _ring(clock[COUNT] - bars)
            older = state[_ring(clock[COUNT] - bars - 1) + R_LOG]
            change = log - older
            log = older
            returns += change
            squares += change * change
            volume += state[at + R_VOLUME]
            volume_squared += state[at + R_VOLUME] * state[at + R_VOLUME]
            value += state[at + R_VALUE]
            flow += state[at + R_FLOW]
            low = min(low, state[at + R_LOW])
            high = max(high, state[at + R_HIGH])
        state[old] = returns
        state[old + 1] = squares
        state[old + 2] = volume
        state[old + 3] = volume_squared
        state[old + 4] = value
        state[old + 5] = flow
        state[old + 6] = low
        state[old + 7] = high
        old += 8
    state[NEW_MIDDLE : NEW_MIDDLE + 6] = 0.0
    state[NEW_MIDDLE + 6] = np.inf
    state[NEW_MIDDLE + 7] = -np.inf
    clock[AGE_MIDDLE] = 0


@compiled
def _fold_long(state: State, clock: Clock) -> None:
    """Sums over the newest 0 .. 239 bars: return and its square."""
    log = state[_ring(clock[COUNT] - 1) + R_LOG]
    returns, squares, old = 0.0, 0.0, OLD_LONG
    for bars in range(LONG):
        if bars > 0:
            older = state[_ring(clock[COUNT] - bars - 1) + R_LOG]
            change = log - older
            log = older
            returns += change
            squares += change * change
        state[old] = returns
        state[old + 1] = squares
        old += 2
    state[NEW_LONG : NEW_LONG + 2] = 0.0
    clock[AGE_LONG] = 0


@compiled
def _begin_bar(state: State, clock: Clock, slot: int) -> None:
    """Forget after a long gap; renew at a block's first bar; fold each window that is used up."""
    if slot - clock[SLOT] > LONGEST_GAP:
        clock[COUNT] = 0
    count = clock[COUNT]
    renewed = count == 0 or slot // BLOCK != clock[SLOT] // BLOCK
    if renewed and count > 0:
        _renew(state, count)
    if renewed or clock[AGE_SHORTEST] == SHORTEST:
        _fold_shortest(state, clock)
    if renewed or clock[AGE_SHORT] == SHORT:
        _fold_short(state, clock)
    if renewed or clock[AGE_MIDDLE] == MIDDLE:
        _fold_middle(state, clock)
    if renewed or clock[AGE_LONG] == LONG:
        _fold_long(state, clock)


@compiled
def _remember(
    state: State, clock: Clock, open_high_low_close: tuple[float, float, float, float], volume: float
) -> None:
    """Put the bar into the ring and move every accumulator by it."""
    _, high, low, close = open_high_low_close
    count = clock[COUNT]
    at = _ring(count)
    log, true_range, change, bar_return = math.log(close), high - low, 0.0, 0.0
    if count > 0:
        before = _ring(count - 1)
        previous = state[before + R_CLOSE]
        change = close - previous
        bar_return = log - state[before + R_LOG]
        true_range = max(high, previous) - min(low, previous)
        _smooth(state, close, change, true_range)
    else:
        _seed(state, close, true_range)
        state[REFERENCE] = close
    value = (high + low + close) / 3.0 * volume
    flow = volume if change > 0.0 else (-volume if change < 0.0 else 0.0)
    state[at + R_CLOSE] = close
    state[at + R_LOG] = log
    state[at + R_RANGE] = true_range
    state[at + R_VOLUME] = volume
    state[at + R_VALUE] = value
    state[at + R_FLOW] = flow
    state[at + R_LOW] = low
    state[at + R_HIGH] = high
    _accumulate(state, at, bar_return)
    clock[COUNT] = count + 1
    for age in range(AGE_SHORTEST, AGE_LONG + 1):
        clock[age] += 1


@compiled
def _accumulate(state: State, at: int, bar_return: float) -> None:
    """Add the ring's newest bar to the running fold of each window."""
    square = bar_return * bar_return
    low, high, volume = state[at + R_LOW], state[at + R_HIGH], state[at + R_VOLUME]
    state[NEW_SHORTEST] = min(state[NEW_SHORTEST], low)
    state[NEW_SHORTEST + 1] = max(state[NEW_SHORTEST + 1], high)
    deviation = state[at + R_CLOSE] - state[REFERENCE]
    state[NEW_SHORT] += bar_return
    state[NEW_SHORT + 1] += square
    state[NEW_SHORT + 2] += deviation
    state[NEW_SHORT + 3] += deviation * deviation
    state[NEW_SHORT + 4] += volume
    state[NEW_MIDDLE] += bar_return
    state[NEW_MIDDLE + 1] += square
    state[NEW_MIDDLE + 2] += volume
    state[NEW_MIDDLE + 3] += volume * volume
    state[NEW_MIDDLE + 4] += state[at + R_VALUE]
    state[NEW_MIDDLE + 5] += state[at + R_FLOW]
    state[NEW_MIDDLE + 6] = min(state[NEW_MIDDLE + 6], low)
    state[NEW_MIDDLE + 7] = max(state[NEW_MIDDLE + 7], high)
    state[NEW_LONG] += bar_return
    state[NEW_LONG + 1] += square


@compiled
def _deviation(total: float, squares: float, bars: int) -> float:
    """Population standard deviation from a sum and a sum of squares; exactly 0 for a constant."""
    mean = total / bars
    second = squares / bars
    variance = second - mean * mean
    return math.sqrt(variance) if variance > _ROUNDING * second else 0.0


@compiled
def _ratio(numerator: float, denominator: float, otherwise: float) -> float:
    return numerator / denominator if denominator > 0.0 else otherwise


@compiled
def _trend_columns(state: State, number: int, close: float, out: State) -> None:
    """Returns, rate of change, EMA distances, MACD, RSI: columns 0 to 12."""
    log = state[_ring(number) + R_LOG]
    for column in range(len(HORIZONS)):
        out[column] = log - state[_ring(number - HORIZONS[column]) + R_LOG]
    out[5] = close / state[_ring(number - RATE_OF_CHANGE) + R_CLOSE] - 1.0
    out[6] = close / state[FAST] - 1.0
    out[7] = close / state[SLOW] - 1.0
    out[8] = close / state[SLOWEST] - 1.0
    line = (state[FAST] - state[SLOW]) / close
    signal = state[SIGNAL] / close
    out[9] = line
    out[10] = signal
    out[11] = line - signal
    out[12] = 100.0 * _ratio(state[GAIN], state[GAIN] + state[LOSS], 0.5)


@compiled
def _short_columns(state: State, clock: Clock, close: float, out: State) -> tuple[float, float]:
    """Stochastic, Bollinger, ATR, volatility 20: columns 13 to 17. Returns volatility and volume."""
    old = OLD_SHORTEST + 2 * (SHORTEST - clock[AGE_SHORTEST])
    low = min(state[NEW_SHORTEST], state[old])
    high = max(state[NEW_SHORTEST + 1], state[old + 1])
    out[13] = _ratio(close - low, high - low, 0.5)
    old = OLD_SHORT + 5 * (SHORT - clock[AGE_SHORT])
    total = state[NEW_SHORT + 2] + state[old + 2]
    middle = state[REFERENCE] + total / SHORT
    deviation = _deviation(total, state[NEW_SHORT + 3] + state[old + 3], SHORT)
    out[14] = _ratio(close - middle, 2.0 * deviation, 0.0)
    out[15] = 4.0 * deviation / middle
    out[16] = state[TRUE_RANGE] / close
    volatility = _deviation(state[NEW_SHORT] + state[old], state[NEW_SHORT + 1] + state[old + 1], SHORT)
    out[17] = volatility
    return volatility, state[NEW_SHORT + 4] + state[old + 4]


@compiled
def _window_columns(  # noqa: PLR0917 - compiled calls are positional
    state: State, clock: Clock, close: float, volume: float, short: tuple[float, float], out: State
) -> None:
    """Volatilities and their ratio, volume, VWAP, range of 60 bars: columns 18 to 26."""
    old = OLD_MIDDLE + 8 * (MIDDLE - clock[AGE_MIDDLE])
    volatility = _deviation(state[NEW_MIDDLE] + state[old], state[NEW_MIDDLE + 1] + state[old + 1], MIDDLE)
    volumes = state[NEW_MIDDLE + 2] + state[old + 2]
    volume_deviation = _deviation(volumes, state[NEW_MIDDLE + 3] + state[old + 3], MIDDLE)
    value = state[NEW_MIDDLE + 4] + state[old + 4]
    low = min(state[NEW_MIDDLE + 6], state[old + 6])
    high = max(state[NEW_MIDDLE + 7], state[old + 7])
    older = OLD_LONG + 2 * (LONG - clock[AGE_LONG])
    out[18] = volatility
    out[19] = _deviation(state[NEW_LONG] + state[older], state[NEW_LONG + 1] + state[older + 1], LONG)
    out[20] = _ratio(short[0], volatility, 1.0)
    out[21] = _ratio(volume - volumes / MIDDLE, volume_deviation, 0.0)
    out[22] = _ratio(short[1] * (MIDDLE / SHORT), volumes, 1.0)
    out[23] = _ratio(state[NEW_MIDDLE + 5] + state[old + 5], volumes, 0.0)
    out[24] = _ratio(close * volumes, value, 1.0) - 1.0
    out[25] = _ratio(close - low, high - low, 0.5)
    out[26] = (high - low) / close


@compiled
def _candle_columns(bar: tuple[float, float, float, float], out: State) -> None:
    """The shape of the newest bar: columns 27 to 30."""
    open_, high, low, close = bar
    spread = high - low
    out[27] = spread / close
    out[28] = _ratio(close - open_, spread, 0.0)
    out[29] = _ratio(high - max(open_, close), spread, 0.0)
    out[30] = _ratio(min(open_, close) - low, spread, 0.0)


@compiled
def _calendar_columns(ts: int, out: State) -> None:
    """UTC minute of the day and day of the week (Monday 0) as angles: columns 31 to 34."""
    minutes = ts // MINUTE_NS
    days = minutes // 1440
    out[31] = _DAY_SIN[minutes - days * 1440]
    out[32] = _DAY_COS[minutes - days * 1440]
    out[33] = _WEEK_SIN[(days + 3) % 7]  # 1970-01-01 was a Thursday
    out[34] = _WEEK_COS[(days + 3) % 7]


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
    slot = ts // clock[INTERVAL]
    in_order = clock[COUNT] == 0 or slot > clock[SLOT]
    positive = 0.0 < low <= high < np.inf and 0.0 < open_ < np.inf and 0.0 < close < np.inf
    if not (in_order and positive and 0.0 <= volume < np.inf):
        return False
    _begin_bar(state, clock, slot)
    number = clock[COUNT]
    bar = (open_, high, low, close)
    _remember(state, clock, bar, volume)
    _trend_columns(state, number, close, out)
    short = _short_columns(state, clock, close, out)
    _window_columns(state, clock, close, volume, short, out)
    _candle_columns(bar, out)
    _calendar_columns(ts, out)
    out[35] = slot - clock[SLOT] - 1
    clock[SLOT] = slot
    if number <= LONG:
        for column in range(COLUMNS):
            if number < state[WARMUPS + column]:
                out[column] = np.nan
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
    for i in range(len(ts)):
        if not update(state, clock, ts[i], open_[i], high[i], low[i], close[i], volume[i], out[i]):
            return i
    return len(ts)
