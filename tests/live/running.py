"""A whole `live` engine, or the roles of a split one, beside a test, in its process, on an exchange simulated at a port."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

from gal_friday_live.control_socket import ask, control_path
from gal_friday_live.live_engine import run_live
from gal_friday_live.live_request import LiveRequest
from gal_friday_live.roles.run import run_role
from gal_friday_live.simulated_venue import CASH, Simulation, simulated_server
from tests.live.seeded import candle_file, seed_model
from tests.live.world import CALM, manager

SPEED = 60
PATIENCE_S = 90


class Running:
    """An engine that runs beside the test."""

    def __init__(self, manager, request, database_url):
        self.path = control_path(manager.config.storage.data_dir)
        self.stop, self.reload, self.ready, self.told = (*(asyncio.Event() for _ in range(3)), {})
        run = run_live if request.role is None else run_role
        self.task = asyncio.create_task(
            run(
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
async def split(tmp_path, database_url, **sections):
    """Trader, decision maker and alpha by their names, each with a folder of its own, on one simulated exchange."""
    storage = {"database_url": database_url}
    managers = {
        role: manager(storage={**storage, "data_dir": tmp_path / role}, risk=CALM, **sections)
        for role in ("trader", "decision", "alpha")
    }
    await seed_model(database_url, tmp_path / "alpha")
    async with serving(tmp_path) as server, AsyncExitStack() as stack:
        roles = {}
        for role, own in managers.items():
            request = LiveRequest(venue=server.url, role=role)
            roles[role] = await stack.enter_async_context(running(own, request, database_url))
        yield roles


@asynccontextmanager
async def serving(tmp_path):
    """A simulated exchange at a port, which outlives engines."""
    simulation = Simulation(candles=candle_file(tmp_path), speed=SPEED, funds=CASH)
    async with simulated_server(simulation).server as server:
        yield server
