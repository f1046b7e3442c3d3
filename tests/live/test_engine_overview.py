"""What one screen is told of a running engine."""

from decimal import Decimal

import pytest

from gal_friday_core.config import Config
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.live_request import LiveRequest
from tests.live.running import running, serving
from tests.live.seeded import seed_model


@pytest.fixture
def manager(tmp_path):
    return ConfigurationManager.from_config(
        Config.model_validate({"storage": {"data_dir": tmp_path / "data"}})
    )


async def test_the_overview_agrees_with_status_positions_and_orders(manager, database_url, tmp_path):
    model_id = await seed_model(database_url, manager.config.storage.data_dir)
    async with (
        serving(tmp_path) as server,
        running(manager, LiveRequest(venue=server.url), database_url) as engine,
    ):
        status = await engine.until(lambda status: status["orders"] >= 2 and status["fills"] >= 1)
        told = await engine.ask("overview")
        booked = await engine.ask("positions")
    assert told["engine"]["session"] == status["session"]
    assert told["engine"]["models"] == [model_id]
    assert told["counts"]["bars"] >= status["bars"]
    assert told["counts"]["fills"] >= status["fills"]
    assert told["account"]["currency"] == booked["quote_asset"] == "USD"
    assert Decimal(told["account"]["equity"]) > 9_000
    assert {limit["name"] for limit in told["risk"]["limits"].values()} >= {
        "max_total_exposure",
        "max_daily_drawdown",
    }
    assert all(
        set(position) >= {"quantity", "price", "protected_quantity"}
        for position in told["positions"].values()
    )
    assert told["bus"]["delivered"] > 0
    assert told["bus"]["failed"] == 0
    assert told["health"]["memory_mb"] > 10
