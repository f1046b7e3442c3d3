"""Time that runs faster than the machine's, the same for every process that knows its anchors.

A machine that cannot keep the speed gives the exchange new anchors (`go_on`), which its clients take over (`adopt`). It counts the machine's monotonic clock, which all processes share and nobody can set, so a jump of the wall
clock changes nothing.
"""

import time
from collections.abc import Callable
from typing import Self

import msgspec

from gal_friday_core.times import SECOND_NS


class Anchors(msgspec.Struct, frozen=True, kw_only=True):
    """At `monotonic_ns` of the machine it was `now_ns` (UTC); since then `speed` seconds pass in one."""

    now_ns: int
    monotonic_ns: int
    speed: float


class ScaledTime:
    """A `Clock`, and a timer in its seconds. `speed` 1 is the pace of the machine.

    >>> machine = iter((0, 2_000_000_000))
    >>> scaled = ScaledTime.begin(start_ns=0, speed=60, monotonic=lambda: next(machine))
    >>> scaled.now_ns() // 10**9
    120
    """

    def __init__(self, anchors: Anchors, *, monotonic: Callable[[], int] = time.monotonic_ns) -> None:
        self.anchors = anchors
        self._monotonic = monotonic
        self._reached_ns = 0

    @classmethod
    def begin(cls, *, start_ns: int, speed: float, monotonic: Callable[[], int] = time.monotonic_ns) -> Self:
        """It is `start_ns` now."""
        return cls(Anchors(now_ns=start_ns, monotonic_ns=monotonic(), speed=speed), monotonic=monotonic)

    @property
    def speed(self) -> float:
        return self.anchors.speed

    def now_ns(self) -> int:
        anchors = self.anchors
        told = anchors.now_ns + round((self._monotonic() - anchors.monotonic_ns) * anchors.speed)
        return max(told, self._reached_ns)

    def go_on(self, now_ns: int, speed: float) -> None:
        """It is `now_ns`, whatever it was, and goes on at another speed."""
        self.anchors = Anchors(now_ns=now_ns, monotonic_ns=self._monotonic(), speed=speed)

    def adopt(self, anchors: Anchors) -> None:
        """Somebody else's time from now on. Where that is earlier than what was told, ours stands until then."""
        self._reached_ns = self.now_ns()
        self.anchors = anchors

    def timer(self) -> float:
        """Seconds of this time, for durations."""
        return self.now_ns() / SECOND_NS
