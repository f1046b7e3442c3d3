"""Owned tasks: where services touch the outside world without holding up the bus.

Every task has an owner that learns of its failure. `settle` waits for the work in flight; listeners that
run as long as the engine (`background`) are not work in flight.
"""

import asyncio
import logging
import sys
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
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

    def start_now(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """`start`, but the work runs up to its first wait before this returns: an order leaves without a turn
        of the event loop in between. Work that never waits is done on return.
        """
        loop = asyncio.get_running_loop()
        _own_eagerly(self._working, self._guarded(work, name), loop, name)

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
        _keep(tasks, task)

    async def _guarded(self, work: Coroutine[Any, Any, None], name: str) -> None:
        try:
            await work
        except Exception as error:
            self.failed += 1
            log.exception("task %s failed", name)
            if self._on_failure is not None:
                await self._on_failure(name, error)


def _keep(tasks: set[asyncio.Task[None]], task: asyncio.Task[None]) -> None:
    tasks.add(task)
    task.add_done_callback(tasks.discard)


if sys.version_info >= (3, 12):

    def _own_eagerly(
        tasks: set[asyncio.Task[None]],
        work: Coroutine[Any, Any, None],
        loop: asyncio.AbstractEventLoop,
        name: str,
    ) -> None:
        task = asyncio.Task(work, loop=loop, name=name, eager_start=True)
        if not task.done():
            _keep(tasks, task)

else:

    def _own_eagerly(
        tasks: set[asyncio.Task[None]],
        work: Coroutine[Any, Any, None],
        loop: asyncio.AbstractEventLoop,
        name: str,
    ) -> None:
        """CPython 3.11 cannot start a task eagerly: take the first step by hand, as its current task.

        The names are those that asyncio documents for other implementations of tasks.
        """
        begun: list[Any] = []
        task = asyncio.Task(_go_on(work, begun), loop=loop, name=name)
        running = asyncio.current_task(loop)
        if running is not None:
            asyncio.tasks._leave_task(loop, running)  # noqa: SLF001 - documented under "Extending asyncio"
        asyncio.tasks._enter_task(loop, task)  # noqa: SLF001 - as above
        try:
            begun.append(work.send(None))
        except StopIteration:
            pass  # done: the task has nothing left but to end
        else:
            _keep(tasks, task)
        finally:
            asyncio.tasks._leave_task(loop, task)  # noqa: SLF001 - as above
            if running is not None:
                asyncio.tasks._enter_task(loop, running)  # noqa: SLF001 - as above

    @types.coroutine
    def _go_on(work: Coroutine[Any, Any, None], begun: list[Any]) -> Generator[Any, Any, None]:
        """Wait for what the first step waits for, then drive the rest as `await` would."""
        if not begun:
            return
        waited_for = begun[0]
        while True:
            try:
                sent = yield waited_for
            except GeneratorExit:  # nobody drives it any more, and the work may have been closed before it
                work.close()
                raise
            except BaseException as error:  # noqa: BLE001 - handed to the work, as `await` does
                step = partial(work.throw, error)
            else:
                step = partial(work.send, sent)
            try:
                waited_for = step()
            except StopIteration:
                return
