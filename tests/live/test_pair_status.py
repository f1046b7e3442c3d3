"""A pair whose status the exchange changes while the engine runs."""

import pytest

from gal_friday_core.config import Config
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.fixed_models import FixedModels
from gal_friday_live.live_request import LiveRequest
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.paper import replay_ports
from gal_friday_live.wiring import build
from tests.live.running import running, serving
from tests.live.seeded import seed_model
from tests.live.world import CALM, SERIES, manager, market, played, predictor


@pytest.mark.parametrize("status", ["cancel_only", "limit_only", "maintenance"])
async def test_nothing_is_bought_while_the_exchange_does_not_take_it(status):
    engine = build(
        manager(risk=CALM), replay_ports(played(market()[:2_600]), FixedModels(predictor()), MemoryJournal())
    )
    await engine.start()
    engine.ingestor.on_listing(SERIES.pair, status)
    await engine.run()
    await engine.stop()
    assert engine.risk.rejected["PAIR_NOT_ONLINE"] > 0
    assert engine.risk.approved == 0


async def test_a_pair_that_is_online_again_is_bought():
    engine = build(
        manager(risk=CALM), replay_ports(played(market()[:2_600]), FixedModels(predictor()), MemoryJournal())
    )
    await engine.start()
    engine.ingestor.on_listing(SERIES.pair, "cancel_only")
    engine.ingestor.on_listing(SERIES.pair, "online")
    await engine.run()
    await engine.stop()
    assert engine.risk.rejected["PAIR_NOT_ONLINE"] == 0
    assert engine.risk.approved > 0


async def test_an_engine_hears_of_it_over_the_wire_and_its_status_says_so(database_url, tmp_path):
    config = Config.model_validate({"storage": {"data_dir": tmp_path / "data"}})
    await seed_model(database_url, tmp_path / "data")
    async with (
        serving(tmp_path) as server,
        running(
            ConfigurationManager.from_config(config), LiveRequest(venue=server.url), database_url
        ) as engine,
    ):
        await engine.until(lambda status: status["signals"]["approved"])
        server.exchange.set_pair_status(SERIES.pair, "maintenance")
        closed = await engine.until(lambda status: status["pairs"] == {SERIES.pair: "maintenance"})
        server.exchange.set_pair_status(SERIES.pair, "online")
        again = await engine.until(
            lambda status: status["signals"]["approved"] > closed["signals"]["approved"]
        )
        assert again["pairs"] == {SERIES.pair: "online"}
