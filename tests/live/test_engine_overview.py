"""What one screen is told of a running engine."""

import re
from decimal import Decimal

import pytest
from playwright.async_api import expect

from gal_friday_core.config import Config
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.dashboard.server import running as dashboard
from gal_friday_live.live_request import LiveRequest
from tests.live.chromium import FOUND, reading, violations
from tests.live.dashboard_room import Room
from tests.live.running import running, serving
from tests.live.seeded import seed_model
from tests.live.world import CALM


@pytest.fixture
def manager(tmp_path, database_url):
    return ConfigurationManager.from_config(
        Config.model_validate(
            {
                "storage": {"data_dir": tmp_path / "data", "database_url": database_url},
                "dashboard": {"port": 0},
                "risk": CALM,
            }
        )
    )


async def test_the_overview_agrees_with_status_and_positions_and_a_browser_halts_the_engine(
    manager, database_url, tmp_path
):
    model_id = await seed_model(database_url, manager.config.storage.data_dir)
    async with (
        serving(tmp_path) as server,
        running(manager, LiveRequest(venue=server.url), database_url) as engine,
    ):
        status = await engine.until(lambda status: status["orders"] >= 2 and status["fills"] >= 1)
        told = await engine.ask("overview")
        booked = await engine.ask("positions")
        if FOUND is not None:
            await halted_in_a_browser(manager, engine)
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


async def halted_in_a_browser(manager, engine):
    """One click stops a real engine; charts are drawn within the policy of the pages; resuming is refused or works."""
    async with dashboard(manager) as (address, _), reading(Room(manager, address.url, None, None)) as reader:
        async with reader.page() as page:
            await expect(page.locator("#state .badge")).to_have_text(re.compile("TRADING|NO ENTRIES|HALTED"))
            await expect(page.locator(".js-plotly-plot, .chart .empty")).to_have_count(1)
            before = await engine.ask("status")
            await page.click("#halt")
            await expect(page.locator("#said")).to_contain_text("Halted: no new entries")
            await expect(page.locator("#state .badge")).to_have_text("HALTED")
            status = await engine.ask("status")
            assert status["halted"]
            if not before["halted"]:  # on a busy machine, where its market outruns it, it may halt by itself
                assert status["halt_reason"].startswith("MANUAL by dashboard ")
        async with reader.page("/trading") as page:
            await expect(page.locator(".js-plotly-plot")).not_to_have_count(0)
            assert await violations(page) == []
        assert reader.complaints == []
