"""Owned tasks: where services touch the outside world without holding up the bus.

Every task has an owner that learns of its failure. `settle` waits for the work in flight; listeners that
run as long as the engine (`background`) are not work in flight.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

TaskFailureHandler = Callable[[str, Exception], Awaitable[None]]

log = logging.getLogger(__name__)


class TaskSupervisor:
    """Starts, awaits and ends the tasks of one engine."""

    def __init__(self, on_failure: TaskFailureHandler | None = None) -> None:
        self._on_failure = on_failure
        self._working: set[asyncio.Task[None]] = set()
        self._listening: set[asyncio.Task[None]] = set()
        self.failed = 0

    def on_failure(self, handler: TaskFailureHandler) -> None:
        self._on_failure = handler

    @property
    def working(self) -> bool:
        """Whether `settle` would wait."""
        return bool(self._working)

    def start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run work that `settle` waits for."""
        self._own(work, name, self._working)

    def background(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run a listener until `stop`."""
        self._own(work, name, self._listening)

    async def settle(self) -> None:
        """Return when no work is in flight, work that the work started included."""
        while self._working:
            await asyncio.wait(tuple(self._working))

    async def stop(self) -> None:
        """Finish the work in flight, end the listeners."""
        await self.settle()
        listening = tuple(self._listening)
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
        await self.settle()

    def _own(self, work: Coroutine[Any, Any, None], name: str, tasks: set[asyncio.Task[None]]) -> None:
        task = asyncio.get_running_loop().create_task(self._guarded(work, name), name=name)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None], name: str) -> None:
        try:
            await work
        except Exception as error:
            self.failed += 1
            log.exception("task %s failed", name)
            if self._on_failure is not None:
                await self._on_failure(name, error)
