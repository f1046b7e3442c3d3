"""A whole `live` engine beside a test, in its process, on an exchange simulated at a port."""

import asyncio
from contextlib import asynccontextmanager

from gal_friday_live.control_socket import ask, control_path
from gal_friday_live.live_engine import run_live
from gal_friday_live.simulated_venue import CASH, Simulation, simulated_server
from tests.live.seeded import candle_file

SPEED = 60
PATIENCE_S = 90


class Running:
    """An engine that runs beside the test."""

    def __init__(self, manager, request, database_url):
        self.path = control_path(manager.config.storage.data_dir)
        self.stop, self.reload, self.ready, self.told = (*(asyncio.Event() for _ in range(3)), {})
        self.task = asyncio.create_task(
            run_live(
                manager, request, database_url=database_url, stop=self.stop, reload=self.reload,
                announce=self._hear,
            )
        )  # fmt: skip

    def _hear(self, told):
        self.told = told
        self.ready.set()

    async def up(self):
        waiting = asyncio.create_task(self.ready.wait())
        await asyncio.wait({waiting, self.task}, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self.task.done():
            self.task.result()
        assert self.ready.is_set()

    async def ask(self, command, **details):
        return await ask(self.path, command, **details)

    async def until(self, holds):
        async with asyncio.timeout(PATIENCE_S):
            while not holds(status := await self.ask("status")):  # noqa: ASYNC110 - asked through the door
                await asyncio.sleep(0.05)
        return status

    async def end(self):
        self.stop.set()
        return await self.task


@asynccontextmanager
async def running(manager, request, database_url):
    engine = Running(manager, request, database_url)
    try:
        await engine.up()
        yield engine
    finally:
        if not engine.task.done():
            engine.stop.set()
            await asyncio.wait({engine.task}, timeout=PATIENCE_S)


@asynccontextmanager
async def serving(tmp_path):
    """A simulated exchange at a port, which outlives engines."""
    simulation = Simulation(candles=candle_file(tmp_path), speed=SPEED, funds=CASH)
    async with simulated_server(simulation).server as server:
        yield server
