"""Statements out of a journal that an engine wrote: against the engine's own figures, as Parquet, as a page, as a command."""

import asyncio
import itertools
import json
import re
import time
from decimal import Decimal

import polars as pl
import pytest
from typer.testing import CliRunner

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.statement_page import render
from gal_friday_adapters.statement_store import StatementStore
from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError, DataError, StorageError
from gal_friday_live.cli import app
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.live_engine import run_live
from gal_friday_live.live_request import LiveRequest
from gal_friday_live.recorded_account import RecordedAccount
from gal_friday_live.statements import Statements
from tests.live.seeded import candle_file, seed_model

DAYS = [f"2024-03-0{day}" for day in (1, 2)]
MINUTES = 2_000


def invoke(*arguments):
    done = CliRunner().invoke(app, ["statement", *arguments])
    return done.exit_code, done.stdout, done.exception


async def test_days_of_an_engine_add_up_to_what_it_said_at_its_end(tmp_path, database_url, monkeypatch):
    folder = tmp_path / "data"
    monkeypatch.setenv("GAL_FRIDAY_DATA_DIR", str(folder))
    monkeypatch.setenv("GAL_FRIDAY_DATABASE_URL", database_url)
    manager = ConfigurationManager.from_config(Config.model_validate({"storage": {"data_dir": folder}}))
    await seed_model(database_url, folder)
    candles = candle_file(tmp_path)
    candles.write_text("".join(candles.read_text().splitlines(keepends=True)[:MINUTES]))
    summary = await run_live(
        manager, LiveRequest(mode="replay", candles=candles), database_url=database_url,
        stop=asyncio.Event(),
    )  # fmt: skip
    async with Database(database_url) as database:
        days = [
            found[0][0]
            for day in DAYS
            if (found := await Statements(database).of_day(day, now_ns=time.time_ns()))
        ]
        account = await RecordedAccount.found(database, manager, None)
        positions = account.positions()
        _, owner = await Statements(database).of_account(DAYS[0], None, now_ns=time.time_ns())
    assert [stated.day for stated in days] == DAYS
    assert all(stated.problems == () for stated in days)
    assert all(earlier.closing == later.opening for earlier, later in itertools.pairwise(days))
    assert sum(len(stated.trades) for stated in days) == summary["fills"] > 50
    assert str(days[-1].closing.realized) == positions["realized_pnl"]
    assert str(days[-1].closing.fees) == positions["fees"]
    assert days[-1].closing.cash == Decimal(positions["cash"])
    assert sum(stated.profit for stated in days) == days[-1].closing.equity - days[-1].closing.deposits

    busiest = max(days, key=lambda stated: len(stated.trades))
    store = StatementStore(folder / "statements")
    assert store.write(busiest)
    assert not store.write(busiest)
    trades = store.read("trades", busiest.session, busiest.day)
    assert trades["value"].to_list() == [trade.value for trade in busiest.trades]
    assert trades.schema["fee"] == pl.Decimal(38, 18)
    balances = store.read("balances", busiest.session, busiest.day)
    assert balances["closing"].to_list() == [line.closing for line in busiest.assets]
    assert store.read("summary", busiest.session, busiest.day)["profit"].item() == busiest.profit
    with pytest.raises(StorageError, match="make the statement again"):
        store.read("trades", busiest.session, "2023-01-01")

    page = render(busiest, owner)
    for part in (
        f"Statement of {busiest.day}",
        "From opening to closing",
        busiest.trades[-1].execution_id,
        "By pair",
    ):
        assert part in page
    assert "<script" not in page
    assert any(len(trade.price.as_tuple().digits) > 10 for trade in busiest.trades)
    assert not re.search(r">[\d,]+\.\d{10,}<", page)

    code, printed, _ = await asyncio.to_thread(invoke, "--day", busiest.day, "--json")
    told = json.loads(printed)
    assert (code, told["mode"], len(told["trades"])) == (0, "replay", len(busiest.trades))
    assert Decimal(told["closing"]["equity"]) == busiest.closing.equity
    code, printed, _ = await asyncio.to_thread(invoke, "--day", busiest.day, "--session", busiest.session[:9])
    assert (code, busiest.session in printed) == (0, True)
    refusals = {
        ("--day", "2020-01-01"): (DataError, "not open"),
        ("--day", "soon"): (DataError, "not a day"),
        ("--day", DAYS[0], "--session", "feed"): (ConfigError, "no account in the journal"),
    }
    for asked, (kind, said) in refusals.items():
        _, _, error = await asyncio.to_thread(invoke, *asked)
        assert isinstance(error, kind)
        assert said in str(error)
