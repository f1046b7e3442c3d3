"""What is known of an account while no engine runs: the journal's word, one account at a time."""

import asyncio
import json
from decimal import Decimal

import pytest
from typer.testing import CliRunner

from gal_friday_adapters.postgres.database import Database
from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError
from gal_friday_live.cli import app
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.live_engine import run_live
from gal_friday_live.live_request import LiveRequest
from gal_friday_live.recorded_account import RecordedAccount
from tests.live.running import running, serving
from tests.live.seeded import candle_file, seed_model


@pytest.fixture
def manager(tmp_path):
    return ConfigurationManager.from_config(
        Config.model_validate({"storage": {"data_dir": tmp_path / "data"}})
    )


@pytest.fixture
def command(tmp_path, database_url, monkeypatch):
    """The program on this database, in a thread of its own; (exit code, what it printed)."""
    monkeypatch.setenv("GAL_FRIDAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("GAL_FRIDAY_DATABASE_URL", database_url)

    async def run(*arguments):
        done = await asyncio.to_thread(CliRunner().invoke, app, arguments)
        return done.exit_code, done.stdout, done.exception

    return run


async def test_an_engine_that_ended_is_known_by_its_journal(manager, database_url, tmp_path, command):
    model_id = await seed_model(database_url, manager.config.storage.data_dir)
    replay = await run_live(
        manager, LiveRequest(mode="replay", candles=candle_file(tmp_path)), database_url=database_url,
        stop=asyncio.Event(),
    )  # fmt: skip
    async with serving(tmp_path) as server, Database(database_url) as database:
        async with running(manager, LiveRequest(venue=server.url), database_url) as engine:
            await engine.until(lambda status: status["orders"] >= 3 and status["fills"] >= 3)
            code, printed, _ = await command("status", "--json")
            assert (code, json.loads(printed)["running"], json.loads(printed)["model"]) == (0, True, model_id)
            other = await RecordedAccount.found(database, manager, engine.told["session"])
            assert other.about["held_by"].startswith("process ")
            told = (await engine.ask("orders", all=True))["orders"]
            await engine.ask("halt", reason="enough", who="ada")
            summary = await engine.end()
        code, printed, _ = await command("orders", "--all", "--json")
        found = json.loads(printed)
        assert (code, found["running"], found["session"]) == (0, False, summary["session"])
        assert found["as_of"].startswith("2024-03-01")
        assert found["held_by"] is None
        assert {order["client_order_id"] for order in told} <= {
            order["client_order_id"] for order in found["orders"]
        }
        assert [other["session"] for other in found["other_sessions"]] == [replay["session"]]
        code, printed, _ = await command("positions", "--json")
        booked = json.loads(printed)
        assert code == 0
        assert [booked[name] for name in ("realized_pnl", "fees")] == [
            summary[name] for name in ("realized_pnl", "fees")
        ]
        assert {pair: held["quantity"] for pair, held in booked["positions"].items()} == summary[
            "open_positions"
        ]
        code, printed, _ = await command("status")
        assert code == 0
        assert "No engine is running" in printed
        assert "MANUAL by ada: enough" in printed
        code, printed, _ = await command("status", "--json", "--session", replay["session"][:13])
        replayed = json.loads(printed)
        assert (replayed["mode"], replayed["session"]) == ("replay", replay["session"])
        assert Decimal(replayed["realized"]) == round(Decimal(replay["realized_pnl"]), 2)
        with pytest.raises(ConfigError, match=f"no such session in the journal: .*{replay['session']}"):
            await RecordedAccount.found(database, manager, "feed")


async def test_looking_changes_nothing(manager, database_url, tmp_path, command):
    await seed_model(database_url, manager.config.storage.data_dir)
    await run_live(
        manager, LiveRequest(mode="replay", candles=candle_file(tmp_path)), database_url=database_url,
        stop=asyncio.Event(),
    )  # fmt: skip
    before = await lines(database_url)
    for asked in (["status"], ["positions"], ["orders", "--all"]):
        code, printed, _ = await command(*asked)
        assert (code, "No engine is running" in printed) == (0, True)
    assert await lines(database_url) == before


async def test_a_journal_without_an_account_says_so(command):
    for asked in ("orders", "positions"):
        code, printed, _ = await command(asked, "--json")
        found = json.loads(printed)
        assert (code, found["running"], found["session"], len(found[asked])) == (0, False, None, 0)
    _, _, error = await command("status")
    assert "no engine is running" in str(error)


async def lines(database_url):
    async with Database(database_url) as database, database.connection() as connection:
        cursor = await connection.execute("select count(*) as lines, max(seq) as last from journal")
        return await cursor.fetchone()
