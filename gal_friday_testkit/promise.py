"""What every check shares: how a broken promise is told, and the markets that are played."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.candles import Candles, Series, concatenate
from gal_friday_core.lookahead import Check
from gal_friday_core.market_simulator import VENUE, simulate
from gal_friday_core.times import from_iso

START_NS = from_iso("2024-03-01T00:00:00Z")
SERIES = Series(VENUE, "BTC/USD", "1m")


class BrokenPromiseError(AssertionError):
    """A promise of the contract does not hold; the text says which, and where."""


def require(holds: object, promise: str, found: str = "") -> None:
    """Raise `BrokenPromiseError` where it does not hold."""
    if not holds:
        raise BrokenPromiseError(f"{promise}{': ' + found if found else ''}")


def require_check(check: Check, promise: str) -> None:
    """The same of a lookahead check."""
    where = f" in {', '.join(check.columns)}" if check.columns else ""
    require(check.passed, promise, f"{check.differing} of {check.checked} bars differ{where} ({check.about})")


def market(bars: int, seed: int = 7) -> Candles:
    """One-minute bars that jump, rest and change their mood; some minutes have none."""
    return simulate(SERIES, START_NS, bars, seed)


def still_market(bars: int) -> Candles:
    """Bars in which nothing moves and nothing is traded."""
    flat = np.full(bars, 100.0)
    ts = START_NS + np.arange(bars, dtype=np.int64) * SERIES.interval_ns
    return Candles(SERIES, ts, flat, flat, flat, flat, np.zeros(bars), np.zeros(bars, np.int64))


def broken_off(bars: Candles, hours: int = 30) -> Candles:
    """The same bars with nothing for so long in their middle."""
    half, later = len(bars) // 2, hours * 3_600 * 10**9
    second = bars[half:]
    moved = Candles(bars.series, second.ts + later, *second.columns()[1:])
    return concatenate([bars[:half], moved])


def same_bits(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Equal bit for bit; NaN is itself."""
    return (
        one.dtype == other.dtype
        and one.shape == other.shape
        and (np.ascontiguousarray(one).tobytes() == np.ascontiguousarray(other).tobytes())
    )
