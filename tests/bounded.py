"""Waits that end: a process that says nothing, or a task that never comes back, fails its test and says where it stood."""

import asyncio
import sys
import threading
from collections.abc import Awaitable
from typing import IO, AnyStr

PATIENCE_S = 90.0
"""For machines that are slow: it bounds how long a broken test takes, and is never the time a sound one needs."""
TEST_S = 200.0
"""The longest coroutine of a test takes a quarter of it on two idle cores; pytest's own limit is above it."""


def line_of(stream: IO[AnyStr], within_s: float = PATIENCE_S) -> AnyStr:
    """The next line that a process says, empty once it has closed its mouth. Raises AssertionError after that time."""
    said: list[AnyStr] = []
    reader = threading.Thread(target=lambda: said.append(stream.readline()), daemon=True)
    reader.start()
    reader.join(within_s)
    assert said, f"a process said nothing for {within_s:g} s"
    return said[0]


def joined(*threads: threading.Thread, within_s: float = PATIENCE_S) -> None:
    """All of them have ended. Raises AssertionError where one goes on."""
    for thread in threads:
        thread.join(within_s)
        assert not thread.is_alive(), f"{thread.name} goes on after {within_s:g} s"


async def finished(test: Awaitable[None], within_s: float = TEST_S) -> None:
    """The test's coroutine, ended after that time with where each task waits.

    pytest's own limit shows threads only: of an event loop that waits it says nothing.
    """
    loop = asyncio.get_running_loop()
    told = loop.call_later(within_s, _tell_tasks, loop)
    try:
        async with asyncio.timeout(within_s + 0.1):
            await test
    finally:
        told.cancel()


def _tell_tasks(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        sys.stderr.write(f"{task.get_name()} waits at\n{waits_at(task)}\n")


def waits_at(task: "asyncio.Task[object]") -> str:
    """The places in its coroutines, outermost first."""
    places, coroutine = [], task.get_coro()
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        places.append(f"  {frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname}")
        coroutine = coroutine.cr_await  # type: ignore[union-attr]
    return "\n".join(places) or "  no coroutine"
