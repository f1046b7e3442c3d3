"""The database as a dashboard has it: found when it appears, only read, and left to an engine that works with it."""

import asyncio

import pytest

from gal_friday_adapters.paths import postgres_dir
from gal_friday_adapters.postgres.server import EmbeddedPostgres
from gal_friday_core.config import Config
from gal_friday_core.errors import StorageError
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.dashboard.attached import attached
from gal_friday_live.dashboard.service import DashboardService


def manager_of(folder, **storage):
    return ConfigurationManager.from_config(
        Config.model_validate({"storage": {"data_dir": folder / "data", **storage}})
    )


async def attached_database(service):
    async with asyncio.timeout(120):
        while (found := service.view().database) is None:  # noqa: ASYNC110 - it is looked for now and then
            await asyncio.sleep(0.02)
    return found


async def test_what_is_there_is_read_and_never_written(tmp_path, database_url):
    manager = manager_of(tmp_path, database_url=database_url)
    service = DashboardService(manager, None)
    async with attached(manager.config, service):
        database = await attached_database(service)
        async with database.connection() as connection:
            assert await (await connection.execute("select count(*) as n from journal")).fetchone() == {
                "n": 0
            }
        with pytest.raises(StorageError, match="read-only"):
            async with database.connection() as connection:
                await connection.execute("create table mine (number int)")
    assert service.view().database is None


async def test_where_nothing_was_ever_stored_nothing_is_made(tmp_path):
    manager = manager_of(tmp_path)
    service = DashboardService(manager, None)
    async with attached(manager.config, service):
        await asyncio.sleep(0.05)
        assert service.view().database is None
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("engine_runs", [False, True])
async def test_an_embedded_server_is_stopped_at_the_end_unless_an_engine_works_with_it(tmp_path, engine_runs):
    manager = manager_of(tmp_path)
    folder = postgres_dir(manager.config)
    server = EmbeddedPostgres(folder, durable=False)
    await asyncio.to_thread(server.start)
    await asyncio.to_thread(server.stop)
    service, engine = DashboardService(manager, None), EmbeddedPostgres(folder, durable=False)
    async with attached(manager.config, service):
        await attached_database(service)
        if engine_runs:
            await asyncio.to_thread(engine.start)
    assert engine._accepts_connections("gal_friday") == engine_runs
    await asyncio.to_thread(engine.stop)
    assert not engine.runs()
