"""Every engine that is asked, each by a caller of its own, and what they say as one."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from gal_friday_live.dashboard.doors import Door
from gal_friday_live.dashboard.one_account import one_account
from gal_friday_live.dashboard.poller import Poller
from gal_friday_live.dashboard.view import Reading


class Pollers:
    """`run` asks until it is cancelled; `reading` is what is known now; `on_reading` hears every new one."""

    def __init__(
        self,
        doors: Sequence[Door],
        *,
        every_s: float,
        watched: Callable[[], bool],
        arrived: asyncio.Event,
        on_reading: Callable[[Reading], None],
    ) -> None:
        self.doors = tuple(doors)
        self._changed = asyncio.Event()
        self._on_reading = on_reading
        self._gather_s = every_s / 2 if len(doors) > 1 else 0.0
        self._pollers = {
            door.name: Poller(
                door.path, every_s=every_s, watched=watched, arrived=arrived, on_reading=self._hear
            )
            for door in doors
        }
        self.reading = self._together()

    def of(self, name: str) -> Reading:
        """What one of them said last."""
        return self._pollers[name].reading

    async def run(self) -> None:
        async with AsyncExitStack() as stack:
            working = [asyncio.create_task(poller.run()) for poller in self._pollers.values()]
            working.append(asyncio.create_task(self._tell()))
            for task in working:
                stack.callback(task.cancel)
            ended, _ = await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()  # none ends by itself: what went wrong is told

    def _hear(self, _: Reading) -> None:
        self._changed.set()

    async def _tell(self) -> None:
        """Of several that speak at about the same time once."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            self.reading = self._together()
            self._on_reading(self.reading)
            await asyncio.sleep(self._gather_s)

    def _together(self) -> Reading:
        return one_account({name: poller.reading for name, poller in self._pollers.items()})
