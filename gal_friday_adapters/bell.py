"""Waiting for a while, unless somebody rings."""

import asyncio
from collections.abc import Awaitable, Callable


class Bell:
    """For one who waits. What is rung while nobody does ends the next wait at once, until `hush`.

    `sleep` is time: the loop's own needs no task for each wait.
    """

    def __init__(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self.rung = False
        self._sleep = sleep
        self._waiting: asyncio.Future[None] | None = None

    def ring(self) -> None:
        self.rung = True
        if self._waiting is not None:
            _end(self._waiting)

    def hush(self) -> None:
        """What was rung is no news any more."""
        self.rung = False

    async def wait(self, seconds: float) -> None:
        """Until the time is over, or it rings."""
        if self.rung or seconds <= 0:
            return
        loop = asyncio.get_running_loop()
        waiting = self._waiting = loop.create_future()
        over: asyncio.TimerHandle | asyncio.Future[None]
        if self._sleep is asyncio.sleep:
            over = loop.call_later(seconds, _end, waiting)
        else:
            over = asyncio.ensure_future(self._sleep(seconds))
            over.add_done_callback(lambda _: _end(waiting))
        try:
            await waiting
        finally:
            over.cancel()


def _end(waiting: "asyncio.Future[None]") -> None:
    if not waiting.done():
        waiting.set_result(None)
