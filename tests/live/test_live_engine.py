"""`live` from end to end in this process: an embedded exchange over real sockets, PostgreSQL, the operator's door."""

import asyncio
from decimal import Decimal

import pytest

from gal_friday_adapters.postgres.database import Database
from gal_friday_core.config import Config
from gal_friday_core.errors import (
    ConfigError,
    DataError,
    ExchangeError,
    LeaseError,
    RegistryError,
    SchemaMismatchError,
)
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_live.code_version import code_version
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.explanation import explain
from gal_friday_live.live_engine import run_live
from gal_friday_live.live_request import LiveRequest
from tests.adapters.alert_servers import Webhook
from tests.adapters.sessions.captures import book_session, save
from tests.live.running import SPEED, Running, running, serving
from tests.live.seeded import candle_file, seed_model


@pytest.fixture
def manager(tmp_path):
    return ConfigurationManager.from_config(
        Config.model_validate({"storage": {"data_dir": tmp_path / "data"}})
    )


async def test_an_engine_trades_answers_halts_and_starts_halted_again(manager, database_url, tmp_path):
    model_id = await seed_model(database_url, manager.config.storage.data_dir)
    async with serving(tmp_path) as server:
        request = LiveRequest(venue=server.url)
        async with running(manager, request, database_url) as engine:
            assert engine.told["event"] == "ready"
            assert engine.told["model"] == model_id
            status = await engine.until(lambda status: status["orders"] >= 3 and status["fills"] >= 3)
            assert status["code_version"] == code_version()
            orders = (await engine.ask("orders", all=True))["orders"]
            halted = await engine.ask("halt", reason="enough for today", who="ada")
            assert (halted["halted"], halted["halt_reason"]) == (True, "MANUAL by ada: enough for today")
            summary = await engine.end()
        assert summary["halted"]
        assert {order["purpose"] for order in orders} >= {"ENTRY", "STOP"}
        await everything_is_explained(database_url, orders, model_id)
        async with running(manager, request, database_url) as again:
            assert again.told["halted"]
            assert again.told["session"] == summary["session"]
            with pytest.raises(ConfigError, match="REASON_MISSING"):
                await again.ask("resume", reason=" ", who="ada")
            await again.until(lambda status: status["connected"] and not status["blocks"])
            resumed = await again.ask("resume", reason="a good night's sleep", who="ada")
            assert resumed["trading"] == "ACTIVE"
            known = {order["client_order_id"] for order in (await again.ask("orders", all=True))["orders"]}
            assert {order["client_order_id"] for order in orders} <= known
            booked = await again.ask("positions")
            equity = Decimal((await again.ask("status"))["equity"].split()[0])
    assert Decimal(booked["cash"]) <= Decimal(10_000)
    assert abs(equity - Decimal(summary["final_equity"])) < Decimal(
        100
    )  # the market moves on, nothing was lost


async def everything_is_explained(database_url, orders, model_id):
    """Entry, stop and exit lead to the same prediction, model, data and code, with no engine running."""
    entry = next(order for order in orders if order["purpose"] == "ENTRY" and order["status"] == "FILLED")
    children = [order for order in orders if order["client_order_id"].startswith(entry["client_order_id"])]
    exits = [order for order in orders if order["purpose"] == "EXIT"]
    async with Database(database_url) as database:
        story = await explain(database, entry["client_order_id"])
        for order in (*children[1:2], *exits[:1]):
            other = await explain(database, order["client_order_id"])
            assert other["model_id"] == model_id
            assert other["sha256"] == story["sha256"]
            assert other["features"].keys() == story["features"].keys()
        by_exchange = await explain(database, entry["exchange_order_id"])
        with pytest.raises(RegistryError, match="no order 4711 in the journal"):
            await explain(database, "4711")
    assert by_exchange["client_order_id"] == entry["client_order_id"]
    assert story["signal_id"] == entry["signal_id"]
    assert story["model_id"] == model_id
    assert len(story["sha256"]) == 64
    assert tuple(story["features"]) == CANDLES_V1.names
    assert story["feature_schema_hash"] == CANDLES_V1.hash
    assert (
        story["data_version"] == story["model"]["data_version"] == "unknown"
    )  # this model was trained on noise
    assert story["code_version"] == code_version()
    assert story["order"]["artifact_sha256"] == story["model"]["sha256"] == story["sha256"]
    assert story["signal"]["verdict"] == "APPROVED"
    assert story["order"]["created_at"][:19] == story["sent_at"][:19], "times are ISO 8601 at the door"
    assert 0 <= story["prediction"]["probability"] <= 1
    assert story["missing"] == []
    assert [report["order_status"] for report in story["reports"]][-1] == "FILLED"


async def test_a_second_engine_on_the_account_is_refused_by_the_lease(manager, database_url, tmp_path):
    await seed_model(database_url, manager.config.storage.data_dir)
    elsewhere = ConfigurationManager.from_config(
        Config.model_validate({"storage": {"data_dir": tmp_path / "elsewhere"}})
    )
    async with serving(tmp_path) as server:
        request = LiveRequest(venue=server.url)
        async with running(manager, request, database_url) as engine:
            second = Running(elsewhere, request, database_url)
            with pytest.raises(LeaseError, match="another engine trades this account"):
                await second.up()
            assert not (await engine.ask("status"))["halted"]


async def test_an_embedded_market_ends_with_its_candles_or_the_time_asked_for(database_url, tmp_path):
    with Webhook() as hook:
        alerts = {"info_urls": [hook.url], "pause_s": 0}
        settings = {"storage": {"data_dir": tmp_path / "data"}, "alerts": alerts}
        manager = ConfigurationManager.from_config(Config.model_validate(settings))
        model_id = await seed_model(database_url, manager.config.storage.data_dir, promote=False)
        request = LiveRequest(
            candles=candle_file(tmp_path), speed=SPEED, faults="reject=0.5", seconds=4, model=model_id,
            override_reason="to see the whole path",
        )  # fmt: skip
        async with running(manager, request, database_url) as engine:
            summary = await engine.task
        assert summary["bars"] > 0
        assert summary["override"] == "to see the whole path"
        assert Decimal(summary["final_equity"]) <= Decimal(10_000) + 100
        assert engine.told["alerts"]["destinations"]["alerts.info_urls[0]"]["dropped"] == 0
        titles = "".join(f"{said['title']}\n{said['message']}" for said in hook.arrived.all)
    assert "[paper demo] Engine starts" in titles
    assert "[paper demo] Engine ended" in titles


async def test_two_replays_of_a_market_trade_alike(manager, database_url, tmp_path):
    await seed_model(database_url, manager.config.storage.data_dir)
    request = LiveRequest(mode="replay", candles=candle_file(tmp_path))
    told = []
    for _ in range(2):
        summary = await run_live(manager, request, database_url=database_url, stop=asyncio.Event())
        assert summary["orders"] > 0
        told.append({name: value for name, value in summary.items() if name != "session"})
    assert told[0] == told[1]


async def test_a_session_of_other_pairs_cannot_be_replayed(manager, database_url, shared_data, tmp_path):
    save(book_session(shared_data), tmp_path / "session.jsonl")
    config = Config.model_validate(
        {"storage": {"data_dir": tmp_path / "data"}, "market": {"pairs": ["DOGE/USD"]}}
    )
    request = LiveRequest(mode="replay", session=tmp_path / "session.jsonl")
    with pytest.raises(DataError, match=r"holds .*; market\.pairs asks for DOGE/USD"):
        await run_live(
            ConfigurationManager.from_config(config), request, database_url=database_url, stop=asyncio.Event()
        )


async def test_a_model_of_other_features_keeps_the_engine_from_starting(database_url, tmp_path):
    config = Config.model_validate(
        {"storage": {"data_dir": tmp_path / "data"}, "features": {"sets": ["book-v1"]}}
    )
    await seed_model(database_url, tmp_path / "data")
    request = LiveRequest(mode="replay", candles=candle_file(tmp_path))
    with pytest.raises(SchemaMismatchError):
        await run_live(
            ConfigurationManager.from_config(config), request, database_url=database_url, stop=asyncio.Event()
        )


async def test_what_is_no_simulated_venue_is_refused_in_one_line(manager, database_url):
    for url, error, told in (
        ("https://api.kraken.com", ConfigError, "a simulated venue is at http://127"),
        ("http://192.168.1.2:80", ConfigError, "a simulated venue is at http://127"),
        ("http://127.0.0.1:1", ExchangeError, "nothing answers at .*exchange serve"),
    ):
        with pytest.raises(error, match=told):
            await run_live(manager, LiveRequest(venue=url), database_url=database_url, stop=asyncio.Event())


async def test_real_money_without_keys_is_one_clear_line(tmp_path, database_url):
    needed = {"risk": {"ramp_orders": 10}, "alerts": {"page_urls": ["ntfys://ntfy.example.org/gf"]}}
    config = Config.model_validate({"mode": "live", "storage": {"data_dir": tmp_path}, **needed})
    request = LiveRequest(mode="live", real_money=True)
    request.check(config)
    with pytest.raises(ConfigError, match="needs exchange keys: set KRAKEN_API_KEY"):
        await run_live(
            ConfigurationManager.from_config(config), request, database_url=database_url, stop=asyncio.Event()
        )
