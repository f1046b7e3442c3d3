"""Conversations with a registry on a real database, each in an event loop of its own."""

import asyncio

from gal_friday_adapters.artifact_store import ArtifactStore
from gal_friday_adapters.postgres.database import Database
from gal_friday_core.config import Config
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.model_registry import ModelRegistry


def talks(database_url, folder, before=None):
    """Runs a coroutine function with a registry; `before` is another, run with it first."""

    def run(body, **ports):
        async def conversation():
            async with Database(database_url) as database:
                config = ConfigurationManager.from_config(Config())
                store = ArtifactStore(folder / "artifacts")
                registry = ModelRegistry(config, database, artifacts=store, **ports)
                if before is not None:
                    await before(registry)
                return await body(registry)

        return asyncio.run(conversation())

    return run
