"""The database for one command: the configured server, else the embedded one, with the present schema."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from gal_friday_adapters.paths import postgres_dir
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.migrate import upgrade
from gal_friday_adapters.postgres.server import EmbeddedPostgres
from gal_friday_core.config import Config


def is_at_hand(config: Config) -> bool:
    """Whether there is a database to ask; an embedded one that was never started holds nothing."""
    return config.storage.database_url is not None or EmbeddedPostgres(postgres_dir(config)).exists


@contextmanager
def running(config: Config) -> Iterator[str]:
    """`running_url` for a command that has no event loop: there, Ctrl-C would wait for what is going on."""
    configured = config.storage.database_url
    if configured is not None:
        url = configured.get_secret_value()
        upgrade(url)
        yield url
        return
    with EmbeddedPostgres(postgres_dir(config)) as server:
        url = server.url()
        upgrade(url)
        yield url


@contextmanager
def untouched(config: Config) -> Iterator[str]:
    """The address of the database as it is, whatever its schema; an embedded server is started for as long."""
    configured = config.storage.database_url
    if configured is not None:
        yield configured.get_secret_value()
        return
    with EmbeddedPostgres(postgres_dir(config)) as server:
        yield server.url()


@asynccontextmanager
async def running_url(config: Config) -> AsyncIterator[str]:
    """Yield the address of a database with the present schema. An embedded server that was not running is
    stopped again afterwards.

    Raises StorageError where the server cannot be reached, started or migrated.
    """
    configured = config.storage.database_url
    server = EmbeddedPostgres(postgres_dir(config)) if configured is None else None
    try:
        if server is not None:
            url = await asyncio.to_thread(server.start)
        else:
            assert configured is not None
            url = configured.get_secret_value()
        await asyncio.to_thread(upgrade, url)
        yield url
    finally:
        if server is not None:
            await asyncio.to_thread(server.stop)


@asynccontextmanager
async def open_database(config: Config) -> AsyncIterator[Database]:
    """Yield an open database; see `running_url`."""
    async with running_url(config) as url, Database(url) as database:
        yield database
