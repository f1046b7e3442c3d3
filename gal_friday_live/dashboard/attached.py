"""The database as a dashboard has it: only read, found when it appears, and never taken from an engine.

An embedded server that nobody runs is started, so that the past can be looked at. It is stopped again by whoever uses
it last.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from gal_friday_adapters import paths
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.migrate import upgrade
from gal_friday_adapters.postgres.server import EmbeddedPostgres
from gal_friday_core.config import Config
from gal_friday_core.errors import StorageError
from gal_friday_live.dashboard.service import DashboardService

READ_ONLY: Final = "-c default_transaction_read_only=on -c statement_timeout=15000"
POOL: Final = 4
LOOK_EVERY_S: Final = 2.0

log = logging.getLogger(__name__)


@asynccontextmanager
async def attached(config: Config, service: DashboardService) -> AsyncIterator[None]:
    """Inside the block `service` has the database from the moment that there is one."""
    server = EmbeddedPostgres(paths.postgres_dir(config)) if config.storage.database_url is None else None
    attaching = asyncio.create_task(_attach(config, server, service), name="database")
    try:
        yield
    finally:
        attaching.cancel()
        with suppress(asyncio.CancelledError):
            await attaching
        if server is not None:
            await asyncio.to_thread(server.stop)


async def _attach(config: Config, server: EmbeddedPostgres | None, service: DashboardService) -> None:
    """Look until it is there, then keep it open."""
    told = ""
    while True:
        try:
            url = await asyncio.to_thread(_url, config, server)
            if url is not None:
                await _keep_open(url, service)
        except StorageError as error:
            if str(error) != told:
                told = str(error)
                log.warning("no history yet: %s", told)
        await asyncio.sleep(LOOK_EVERY_S)


async def _keep_open(url: str, service: DashboardService) -> None:
    """Its pool finds the server again by itself."""
    async with Database(_read_only(url), size=POOL) as database:
        service.attach(database)
        try:
            await asyncio.Event().wait()
        finally:
            service.attach(None)


def _url(config: Config, server: EmbeddedPostgres | None) -> str | None:
    """None where there is nothing to be looked at yet."""
    if server is None:
        assert config.storage.database_url is not None
        return config.storage.database_url.get_secret_value()
    if not server.exists:
        return None
    url = server.start()
    if server.owns:
        upgrade(url)
    return url


def _read_only(url: str) -> str:
    """Whoever's login it is."""
    parts = urlsplit(url)
    query = "&".join(filter(None, (parts.query, f"options={quote(READ_ONLY)}")))
    return urlunsplit(parts._replace(query=query))
