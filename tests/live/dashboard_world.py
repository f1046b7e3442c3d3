"""An account that traded, for pages to show: a replay of the seeded market through the whole engine."""

import asyncio
from contextlib import asynccontextmanager

from gal_friday_adapters.postgres.database import Database
from gal_friday_core.config import Config
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.dashboard.view import Reading, View
from gal_friday_live.live_engine import run_live
from gal_friday_live.live_request import LiveRequest
from tests.live.seeded import candle_file, seed_model

NOW_NS = 1_772_000_000_000_000_000
BARS = 2_400
"""Of the seeded market: the features warm up in the first thousand of them."""


def manager_of(folder, **sections):
    """A configuration that writes below the folder only."""
    return ConfigurationManager.from_config(
        Config.model_validate({"storage": {"data_dir": folder / "data"}, **sections})
    )


async def traded(folder, database_url, **sections):
    """The configuration of an account that played the seeded market, and the run's summary."""
    manager, played = manager_of(folder, **sections), candle_file(folder)
    played.write_text("".join(played.read_text().splitlines(keepends=True)[:BARS]))
    await seed_model(database_url, manager.config.storage.data_dir)
    summary = await run_live(
        manager,
        LiveRequest(mode="replay", candles=played),
        database_url=database_url,
        stop=asyncio.Event(),
    )
    return manager, summary


@asynccontextmanager
async def looking(manager, database_url, reading=None, **query):
    """What a browser that asks for a page is shown by; without a reading nobody answers."""
    async with Database(database_url) as database:
        yield View(
            manager=manager,
            database=database,
            reading=reading or Reading("gone", NOW_NS),
            now_ns=NOW_NS,
            query=query,
        )
