"""An engine whose key the exchange refuses while it runs."""

import pytest

from gal_friday_adapters.simulated_kraken import demo
from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.live_request import LiveRequest
from tests.live.running import running, serving
from tests.live.seeded import seed_model


async def test_an_engine_with_a_revoked_key_halts_says_so_and_keeps_its_stops(database_url, tmp_path):
    config = Config.model_validate({"storage": {"data_dir": tmp_path / "data"}})
    await seed_model(database_url, tmp_path / "data", horizon=60)
    async with serving(tmp_path) as server:
        manager = ConfigurationManager.from_config(config)
        async with running(manager, LiveRequest(venue=server.url), database_url) as engine:
            await engine.until(lambda status: status["positions"])
            assert (await engine.ask("status"))["trading"] == "ACTIVE"
            stops = stops_at(server)
            assert stops
            server.keyring.revoke(demo.KEY)
            server.hang_up()
            status = await engine.until(lambda status: status["halted"])
            assert status["trading"] == "HALTED"
            assert status["halt_reason"].startswith("EXCHANGE_REFUSED_KEY: ")
            assert "EAPI:Invalid key" in status["halt_reason"]
            assert {"pair": "", "code": "EXCHANGE_DISCONNECTED"}.items() <= status["blocks"][0].items()
            assert stops_at(server) >= stops
            with pytest.raises(ConfigError, match="LINES_UP"):
                await engine.ask("resume", reason="hoping", who="ada")


def stops_at(server):
    return {
        order.order_id
        for order in server.exchange.orders(demo.KEY)
        if order.asked.order_type == "stop-loss" and order.is_open
    }
