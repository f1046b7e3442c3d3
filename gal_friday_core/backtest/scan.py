"""The bars between two events, in machine code: what is held is marked at every close, exactly, until something can happen.

Money is counted in units of `money.CENT`, prices in whole numbers of the tape's decimals, so that a mark is the very
number that `money.value_of` gives. Where a limit is near, the scan stops early and leaves the verdict to the real
modules: a stop too many costs time, one too few would cost truth.
"""

from typing import Any

import numpy as np

from gal_friday_core.compiled import compiled, inlined
from gal_friday_core.features.kernel import acceptable
from gal_friday_core.times import DAY_NS

ENTER, LEAVE = 1, 2
"""Flags of a bar: the strategy may enter, or leave, at its close."""
DAY, WEEK, TOTAL = 0, 1, 2
"""Rows of peaks and limits."""
_DAY_NS = DAY_NS
_TO_MONDAY_NS = 3 * DAY_NS
_NEAR = 1e-9
"""Limits are judged in floats here, so much too early."""


@inlined
def worth(quantity: int, price: int, one: int) -> int:
    """`quantity` (in 1e-8) times `price` (in 1/`one`), rounded half to even to 1e-8; `one` is at most 10**9.

    No intermediate product is larger than the worth itself, or 1e18.
    """
    whole, part = price // one, price % one
    many, few = quantity // one, quantity % one
    rest = few * part
    rounded, left = rest // one, rest % one
    twice = 2 * left
    if twice > one or (twice == one and (rounded + many * part + quantity * whole) % 2 == 1):
        rounded += 1
    return quantity * whole + many * part + rounded


@inlined
def _period(which: int, ts: int) -> int:
    if which == DAY:
        return ts // _DAY_NS
    if which == WEEK:
        return (ts + _TO_MONDAY_NS) // (7 * _DAY_NS)
    return 0


@inlined
def _is_near(  # noqa: PLR0917 - compiled kernels take positions
    before: int, equity: int, ts: int, peaks: Any, periods: Any, limits: Any
) -> bool:
    """Whether a drawdown may be beyond its limit once equity went from `before` to `equity`."""
    for which in range(3):
        peak = peaks[which]
        if _period(which, ts) > periods[which]:
            peak = before
        if equity < peak and (peak - equity) >= limits[which] * peak * (1.0 - _NEAR):
            return True
    return False


@inlined
def _observe(before: int, equity: int, ts: int, peaks: Any, periods: Any) -> None:
    """As `drawdown.Peaks.observe`."""
    for which in range(3):
        period = _period(which, ts)
        if period > periods[which]:
            periods[which] = period
            peaks[which] = max(before, equity)
        elif equity > peaks[which]:
            peaks[which] = equity


@compiled
def run_on(bars: Any, pairs: Any, books: Any, curve: Any, first: int) -> int:
    """The first bar from `first` on at which something can happen, or the number of bars; those before it are marked.

    `bars` is (close_ns, which, low, high, close in whole numbers, flags), `pairs` (wanted flags, low trigger, high
    trigger, first bar that must be seen, quantity held, its worth, one in whole numbers), `books` (equity[1],
    peaks[3], their periods[3], limits[3]). The last two entries of `pairs` but one, and `books`, are kept up to date.
    """
    close_ns, which, low, high, close, flags = bars
    wanted, low_trigger, high_trigger, due, held, values, ones = pairs
    equity, peaks, periods, limits = books
    total = equity[0]
    end = len(close_ns)
    for bar in range(first, end):
        pair = which[bar]
        if (
            bar >= due[pair]
            or low[bar] <= low_trigger[pair]
            or high[bar] >= high_trigger[pair]
            or flags[bar] & wanted[pair]
        ):
            equity[0] = total
            return bar
        quantity = held[pair]
        if quantity != 0:
            value = worth(quantity, close[bar], ones[pair])
            now = total - values[pair] + value
            if now != total:
                if _is_near(total, now, close_ns[bar], peaks, periods, limits):
                    equity[0] = total
                    return bar
                _observe(total, now, close_ns[bar], peaks, periods)
                values[pair] = value
                total = now
        curve[bar] = total
    equity[0] = total
    return end


@compiled
def flawed(ts: Any, prices: Any, volume: Any, interval_ns: int, latest: int) -> int:
    """The first bar that the features' kernel would refuse behind one that opened at `latest` (below zero: behind
    none), or -1. `prices` are open, high, low and close.
    """
    opened, high, low, close = prices
    slot, count = latest // interval_ns, 0 if latest < 0 else 1
    for row in range(len(ts)):
        now = ts[row] // interval_ns
        bar = (opened[row], high[row], low[row], close[row])
        if not acceptable(count, now - slot, bar, volume[row]):
            return row
        slot, count = now, 1
    return -1


@compiled
def whole_prices(prices: Any, most: int, out: Any) -> int:
    """The fewest decimals, up to `most`, that write every price as `repr` does; -1 where that takes more.

    `out` holds the prices as whole numbers of the last decimal. A price of at most fifteen digits has one
    shortest form, and dividing by a power of ten is exact to the last bit.
    """
    one = 1.0
    for decimals in range(most + 1):
        fits = True
        for row in range(len(prices)):
            whole = np.rint(prices[row] * one)
            if not (0.0 < whole < 1e15 and whole / one == prices[row]):
                fits = False
                break
            out[row] = np.int64(whole)
        if fits:
            return decimals
        one *= 10.0
    return -1
