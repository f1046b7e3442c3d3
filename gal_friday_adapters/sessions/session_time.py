"""The time of a replay: one clock for the client under replay and all its waiting, moved by the player alone."""

import asyncio
import heapq
from itertools import count
from typing import Protocol

from gal_friday_core.ports import Clock
from gal_friday_core.times import SECOND_NS

_LONGEST_S = 1e9
TURNS = 5
"""Turns of the event loop that a woken task is given before time moves on."""


class MovedClock(Clock, Protocol):
    """A clock that stands still until it is told; it never goes back."""

    def advance_to(self, now_ns: int) -> None: ...


class StillClock:
    """The simplest moved clock."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        return self._now_ns

    def advance_to(self, now_ns: int) -> None:
        self._now_ns = max(now_ns, self._now_ns)


class SessionTime:
    """`sleep` and `timer` for a client, in the clock's time; whoever sleeps wakes when the clock passes."""

    def __init__(self, clock: MovedClock) -> None:
        self.clock = clock
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = count()

    def now_ns(self) -> int:
        return self.clock.now_ns()

    def timer(self) -> float:
        """Seconds, for durations."""
        return self.clock.now_ns() / SECOND_NS

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        due_ns = self.clock.now_ns() + round(min(seconds, _LONGEST_S) * SECOND_NS)
        heapq.heappush(self._sleepers, (due_ns, next(self._numbers), woken))
        await woken

    def next_due_ns(self) -> int | None:
        """When the first sleeper wakes; None where nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    async def wake_next(self) -> None:
        """Move the clock to the first sleeper, wake it, and let it act."""
        if (due_ns := self.next_due_ns()) is not None:
            self.clock.advance_to(due_ns)
            heapq.heappop(self._sleepers)[2].set_result(None)
            await self.settle()

    async def settle(self) -> None:
        """Let every task that is ready act."""
        for _ in range(TURNS):
            await asyncio.sleep(0)
