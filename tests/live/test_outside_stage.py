"""An exchange from outside takes Kraken's place: its market for paper money, its account for real money, or a plain refusal."""

import asyncio
from pathlib import Path

import pytest

from gal_friday_core.candles import Series
from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError
from gal_friday_core.extensions.in_use import lineage
from gal_friday_core.features.drivers import REACH
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.fixed_models import FixedModels
from gal_friday_live.live_request import LiveRequest
from gal_friday_live.live_stage import Ground, opened
from gal_friday_live.means import Means
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.outside_stage import exchange_of
from gal_friday_live.wiring import Ports, build
from tests.live.extending import Site

KEYS = {"OWN_VENUE_API_KEY": "hunter2", "OWN_VENUE_API_SECRET": "hunter3"}


@pytest.fixture
def site(tmp_path, monkeypatch):
    found = Site(tmp_path, monkeypatch)
    found.template("exchange", "own-venue")
    yield found
    found.forget()


def manager(tmp_path, environ=(), **market):
    file = tmp_path / "config.yaml"
    told = "".join(f"  {key}: {value}\n" for key, value in {"exchange": "own-venue", **market}.items())
    file.write_text(f"storage:\n  data_dir: {tmp_path / 'data'}\nmarket:\n{told}", encoding="utf-8")
    return ConfigurationManager(str(file), environ=dict(environ))


def stage(configured, request=None, looked=lambda stage: stage):
    async def look():
        async with opened(configured, request or LiveRequest(), Ground(), Means()) as found:
            return looked(found)

    return asyncio.run(look())


def test_paper_money_is_traded_on_its_market(site, tmp_path):
    found = stage(manager(tmp_path))
    series = Series("own-venue", "BTC/USD", "1m")
    assert (found.venue, found.account, found.exchange, found.simulated) == ("own-venue", "paper", None, True)
    assert [str(one.price_tick) for one in found.instruments] == ["0.01"]
    assert list(found.series) == [series]
    assert len(found.history[series]) == REACH
    assert found.feed.live is False


def test_real_money_is_sent_to_its_account(site, tmp_path):
    found = stage(manager(tmp_path, KEYS), LiveRequest(mode="live", real_money=True))
    assert (found.account, found.simulated, found.exchange.name) == ("main", False, "own-venue")


def test_the_engine_is_built_and_started_on_it(site, tmp_path):
    configured = manager(tmp_path)

    async def run():
        async with opened(configured, LiveRequest(), Ground(), Means()) as found:
            engine = build(
                found.manager,
                Ports(
                    series=found.series, instruments=found.instruments, clock=found.clock, feed=found.feed,
                    models=FixedModels(), journal=MemoryJournal(keep_notes=False), history=found.history,
                    simulated=found.simulated,
                ),
            )  # fmt: skip
            await engine.start()
            warm = engine.features.is_warm(found.series[0])
            await engine.stop()
            return warm

    assert asyncio.run(run())


@pytest.mark.parametrize(
    ("request_", "given", "says"),
    [
        (LiveRequest(mode="live"), {}, "set OWN_VENUE_API_KEY and OWN_VENUE_API_SECRET"),
        (
            LiveRequest(mode="live"),
            {"environ": {"OWN_VENUE_API_KEY": "hunter2"}},
            "OWN_VENUE_API_SECRET is missing",
        ),
        (LiveRequest(record=Path("flight")), {}, r"'own-venue' of own-venue 0.1.0 hears .* not recorded"),
        (LiveRequest(), {"pairs": '["ETH/USD"]'}, "own-venue does not list ETH/USD"),
        (LiveRequest(), {"interval": "5m"}, "own-venue has bars of 1m only"),
    ],
)
def test_what_it_cannot_do_is_refused_in_words(site, tmp_path, request_, given, says):
    with pytest.raises(ConfigError, match=says) as caught:
        stage(manager(tmp_path, **given), request_)
    assert "hunter" not in str(caught.value)


def test_its_code_is_part_of_the_lineage_and_a_venue_of_history_is_not(site):
    used = Config.model_validate({"market": {"exchange": "own-venue"}})
    assert lineage(used).startswith("own-venue-0.1.0+")
    assert lineage(Config.model_validate({"market": {"exchange": "binance"}})) == ""
    assert exchange_of(ConfigurationManager.from_config(Config())) is None
