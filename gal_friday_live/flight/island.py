"""An event loop inside another: it runs only when something is let in, and until nothing is left to do.

It has no sockets, no threads and no time of its own. So what runs on it follows from what was let in, and when.
"""

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Coroutine
from heapq import heappop
from typing import Any, Protocol, TypeVar

from gal_friday_live.simulation.loop import SimTask

T = TypeVar("T")
RESOLUTION_S = 1e-9
"""Of the times at which timers are due."""
ROUNDS = 100
"""Of cancelling what is left."""


class Shore(Protocol):
    """Who does elsewhere what the island cannot do itself."""

    def in_thread(self, func: Callable[..., Any], args: tuple[Any, ...]) -> Coroutine[Any, Any, Any]: ...

    def from_thread(self, callback: Callable[[], Any]) -> None: ...


class Island(asyncio.BaseEventLoop):
    """`step` lets something in. Tasks have their place in a set by the order in which they were made."""

    # What `BaseEventLoop` calls its queues, in every version from 3.11 to 3.13.
    _ready: deque[Any]
    _scheduled: list[Any]

    def __init__(self, shore: Shore) -> None:
        super().__init__()
        self._shore = shore
        self._now = 0.0
        self._made = 0
        self.set_task_factory(self._task)  # type: ignore[arg-type]

    def time(self) -> float:
        """Seconds; it stands still during a step."""
        return self._now

    def step(self, now_s: float, begin: Callable[[], Any]) -> None:
        """Do `begin` at that time, what is due by then, and everything that follows from both."""
        outer, hooks = asyncio._get_running_loop(), sys.get_asyncgen_hooks()  # noqa: SLF001 - documented for loops
        asyncio._set_running_loop(self)  # noqa: SLF001 - as above
        sys.set_asyncgen_hooks(None, None)
        try:
            self._now = max(now_s, self._now)
            self.call_soon(begin)
            self._until_idle()
        finally:
            sys.set_asyncgen_hooks(*hooks)
            asyncio._set_running_loop(outer)  # noqa: SLF001 - as above

    def next_due(self) -> float | None:
        """When the next timer is due, by this loop's time."""
        timers = self._scheduled
        while timers and timers[0].cancelled():
            heappop(timers)
        return timers[0].when() if timers else None

    def bury(self) -> None:
        """Cancel whatever still runs, and let it end; then nothing can be let in any more."""
        for _ in range(ROUNDS):
            left = [task for task in asyncio.all_tasks(self) if not task.done()]
            if not left:
                break
            for task in left:
                self.step(self._now, task.cancel)
        self.close()

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> "asyncio.Future[T]":
        """In a thread of the loop outside, whichever executor was meant."""
        del executor
        return self.create_task(self._shore.in_thread(func, args))

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.Handle:
        if asyncio._get_running_loop() is self:  # noqa: SLF001 - as above
            return self.call_soon(callback, *args, context=context)
        handle = asyncio.Handle(callback, args, self, context)
        self._shore.from_thread(handle._run)  # noqa: SLF001 - as a loop does
        return handle

    def _until_idle(self) -> None:
        ready = self._ready
        while True:
            due = self.next_due()
            while due is not None and due <= self._now + RESOLUTION_S:
                ready.append(heappop(self._scheduled))
                due = self.next_due()
            if not ready:
                return
            for _ in range(len(ready)):
                handle = ready.popleft()
                if not handle.cancelled():
                    handle._run()  # noqa: SLF001 - as the loop this replaces

    def _task(
        self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T], **options: Any
    ) -> asyncio.Task[T]:
        self._made += 1
        return SimTask(work, self._made, loop=loop, **options)
