"""The bars between two events, in machine code: what is held is marked at every close, exactly, until something can happen.

Money is counted in units of `money.CENT`, prices in whole numbers of the tape's decimals, so that a mark is the very
number that `money.value_of` gives. Where a limit is near, the scan stops early and leaves the verdict to the real
modules: a stop too many costs time, one too few would cost truth.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from gal_friday_core.compiled import compiled, inlined
from gal_friday_core.features.kernel import acceptable
from gal_friday_core.times import DAY_NS

ENTER, LEAVE = 1, 2
"""Flags of a bar: the strategy may enter, or leave, at its close."""
DAY, WEEK, TOTAL = 0, 1, 2
"""Rows of peaks and limits."""
WANTED, DUE, HELD, WORTH, UNIT, LATEST = range(6)
"""Columns of a pair's numbers: flags that matter, the first bar that must be seen whatever it is like, what is held and
its worth in 1e-8, one in whole prices, and the bar at whose close it was marked last.
"""
PAIR = 6
EQUITY, PEAKS, PERIODS, MOVED = 0, 1, 4, 7
"""Where in the books equity stands, the three peaks, and their periods; then whether the scan moved a peak."""
BOOKS = 8
_DAY_NS = DAY_NS
_TO_MONDAY_NS = 3 * DAY_NS
_NEAR = 1e-9
"""Limits are judged in floats here, so much too early."""
_EXACT = 2.0**53
"""Whole numbers below it are floats too, which divide in a tenth of the time."""


@inlined
def worth(quantity: int, price: int, one: int) -> int:
    """`quantity` (in 1e-8) times `price` (in 1/`one`), rounded half to even to 1e-8; `one` is at most 10**9.

    A product that is no float is made in parts, none of them larger than the worth itself, or 1e18.
    """
    exact = float(quantity) * float(price)
    if 0.0 <= exact < _EXACT:
        product = quantity * price
        rounded = int(exact / one)
        left = product - rounded * one
        if left < 0:  # the quotient was rounded up to a whole number
            rounded, left = rounded - 1, left + one
        # Without a branch: which way a price rounds cannot be foreseen.
        return rounded + ((2 * left > one) | ((2 * left == one) & (rounded & 1)))
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


@inlined
def _calm(peaks: Any, periods: Any, limits: Any) -> tuple[int, int, int]:
    """Until when, down to and up to which equity no period turns, no drawdown can be beyond its limit and no peak is new."""
    until = min((periods[DAY] + 1) * _DAY_NS, (periods[WEEK] + 1) * 7 * _DAY_NS - _TO_MONDAY_NS)
    least, most = 0.0, peaks[DAY]
    for which in range(3):
        peak = float(peaks[which])
        least = max(least, peak * (1.0 - limits[which] + _NEAR))
        most = min(most, peaks[which])
    return until, int(least) + 1, most


@compiled
def run_on(  # noqa: PLR0917 - compiled kernels take positions
    bars: Any, pairs: Any, triggers: Any, books: Any, limits: Any, curve: Any, first: int
) -> int:
    """The first bar from `first` on at which something can happen, or the number of bars; those before it are marked.

    `bars` is (close_ns, which, low, high, close in whole numbers, flags). `pairs` (pairs, `PAIR`) and `books` (`BOOKS`,)
    are kept up to date, `curve` is filled. `triggers` (pairs, 2) are the prices down and up to which no order can
    fill, `limits` (3,) the drawdowns allowed.
    """
    close_ns, which, low, high, close, flags = bars
    peaks, periods = books[PEAKS:PERIODS], books[PERIODS:MOVED]
    total = books[EQUITY]
    end = len(close_ns)
    until, least, most = _calm(peaks, periods, limits)
    for bar in range(first, end):
        pair = which[bar]
        if (
            bar >= pairs[pair, DUE]
            or low[bar] <= triggers[pair, 0]
            or high[bar] >= triggers[pair, 1]
            or flags[bar] & pairs[pair, WANTED]
        ):
            books[EQUITY] = total
            return bar
        quantity = pairs[pair, HELD]
        if quantity != 0:
            value = worth(quantity, close[bar], pairs[pair, UNIT])
            now = total - pairs[pair, WORTH] + value
            if least <= now <= most and close_ns[bar] < until:
                pairs[pair, WORTH] = value
                total = now
            elif now != total:
                if _is_near(total, now, close_ns[bar], peaks, periods, limits):
                    books[EQUITY] = total
                    return bar
                _observe(total, now, close_ns[bar], peaks, periods)
                pairs[pair, WORTH] = value
                total = now
                until, least, most = _calm(peaks, periods, limits)
                books[MOVED] = 1
            pairs[pair, LATEST] = bar
        curve[bar] = total
    books[EQUITY] = total
    return end


@compiled
def stops(  # noqa: PLR0917 - compiled kernels take positions
    bars: Any, pairs: Any, triggers: Any, books: Any, limits: Any, curve: Any
) -> Iterator[int]:
    """Each bar at which `run_on` stops, then the number of bars; between two of them the arrays may be changed.

    Handing eleven arrays to machine code costs as much as scanning two thousand bars: here it is done once.
    """
    bar = 0
    while bar <= len(curve):
        bar = run_on(bars, pairs, triggers, books, limits, curve, bar)
        yield bar
        bar += 1


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
