"""Time for the engine: the system's, steadied, or one that a feed moves."""

import sys
import time
from collections.abc import Callable

SLEW = 0.005
"""How fast the clock follows the wall clock after that jumped: five milliseconds in a second."""

FOLLOW_EVERY_NS = 1_000_000_000

Reading = Callable[[], int]
"""Nanoseconds of some clock."""


def _steady_ns() -> int:
    """Monotonic, and where the system offers it, counting on while the machine sleeps."""
    if sys.platform == "linux":
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return time.monotonic_ns()


class SystemClock:
    """The wall clock as it was at the start, carried on by one that never jumps.

    Whoever sets the wall clock must not make a signal old, a book fresh or a day's losses forgotten. A jump is
    followed slowly, in either direction, and the time told never goes back. A clock that is far off the
    exchange's is found by monitoring.
    """

    def __init__(self, *, wall: Reading = time.time_ns, steady: Reading = _steady_ns) -> None:
        self._wall = wall
        self._steady = steady
        self._base = wall() - steady()
        self._followed = steady()

    def now_ns(self) -> int:
        steady = self._steady()
        if steady - self._followed >= FOLLOW_EVERY_NS:
            self._follow(steady)
        return self._base + steady

    def _follow(self, steady: int) -> None:
        drift = self._wall() - steady - self._base
        most = int((steady - self._followed) * SLEW)
        self._base += max(-most, min(most, drift))
        self._followed = steady


class SimulatedClock:
    """Stands still until it is told; it never goes back."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        return self._now_ns

    def advance_to(self, now_ns: int) -> None:
        self._now_ns = max(now_ns, self._now_ns)
