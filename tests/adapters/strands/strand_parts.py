"""What tests of strands share: strands to write, handlers that remember, a listener that runs for a while."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from gal_friday_adapters.postgres.connect import connect
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.strands.listener import ModuleListener
from gal_friday_core.strands.settings import (
    ModuleCommunicationConfig,
    StrandsInboxConfig,
    StrandsNotificationsConfig,
)
from gal_friday_core.strands.strands import AdStrand
from gal_friday_core.strands.tags import hears
from tests.bounded import PATIENCE_S, finished

QUICK = ModuleCommunicationConfig(
    inbox=StrandsInboxConfig(batch=20, lease_s=5.0, attempts=3, retry_s=0.01),
    notifications=StrandsNotificationsConfig(poll_s=0.2, heartbeat_s=0.1),
)


def with_database(url: str, body: Callable[[Database], Awaitable[None]]) -> None:
    async def conversation() -> None:
        async with Database(url) as database:
            await body(database)

    asyncio.run(finished(conversation()))


def plan(number: int, *tags: str, kind: str = "signal") -> AdStrand:
    return AdStrand(
        kind=kind,
        symbol="BTC/USD",
        trading_plan={"signal_id": f"signal-{number}", "number": number},
        tags=("dm:evaluate_plan", *tags),
    )


class Heard:
    """Handlers that remember what they were given, in order."""

    def __init__(self) -> None:
        self.strands: list[object] = []
        self._changed = asyncio.Event()

    async def take(self, strand, transaction) -> None:
        self.strands.append(strand)
        self._changed.set()

    async def reached(self, count: int) -> None:
        """Once so many strands were handed over."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.strands) < count:
                self._changed.clear()
                await self._changed.wait()

    def handlers(self, module="dm", **others):
        return {tag: others.get(tag.replace(":", "_"), self.take) for tag in hears(module)}

    @property
    def numbers(self) -> list[int]:
        return [strand.trading_plan["number"] for strand in self.strands]


@asynccontextmanager
async def running(listener: ModuleListener) -> AsyncIterator[asyncio.Task[None]]:
    """The listener, running and drained once."""
    task = asyncio.create_task(listener.run())
    ready = asyncio.create_task(listener.ready.wait())
    try:
        await asyncio.wait({task, ready}, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        assert listener.ready.is_set() or task.done()
        yield task
    finally:
        task.cancel()
        ready.cancel()
        await asyncio.wait({task, ready}, timeout=PATIENCE_S)


async def until(condition: Callable[[], bool]) -> None:
    """What happens in a database, or between tasks, tells no event of ours."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.02)


def rows(url: str, statement: str, values=()) -> list[tuple]:
    with connect(url) as connection:
        return connection.execute(statement, values).fetchall()
