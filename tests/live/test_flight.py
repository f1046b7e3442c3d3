"""A recorded engine and its replay: what it said then it says again, byte for byte; what differs is named."""

import asyncio

import pytest

from gal_friday_core.config import Config
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.flight.flight import replay
from gal_friday_live.live_request import LiveRequest
from tests.live.running import running, serving
from tests.live.seeded import seed_model


@pytest.fixture
def manager(tmp_path):
    return ConfigurationManager.from_config(
        Config.model_validate({"storage": {"data_dir": tmp_path / "data"}})
    )


async def test_a_replay_of_a_live_run_makes_the_same_orders(manager, database_url, tmp_path):
    await seed_model(database_url, manager.config.storage.data_dir)
    folder = tmp_path / "flight"
    async with serving(tmp_path) as server:
        request = LiveRequest(venue=server.url, record=folder)
        async with running(manager, request, database_url) as engine:
            await engine.until(lambda status: status["orders"] >= 3 and status["fills"] >= 3)
            await engine.ask("halt", reason="enough for today", who="ada")
            await engine.end()
    replayed = await asyncio.to_thread(replay, folder)
    assert str(replayed.difference) == "None"
    assert replayed.ended == ""
    assert replayed.compared["journal ORDER_INTENT"] >= 3
