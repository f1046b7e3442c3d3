"""`gal-friday backtest --explain --guards --compare --trials`."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.paths import lake_dir
from gal_friday_core.errors import ConfigError, DataError, RegistryError
from gal_friday_live.cli import app
from gal_friday_live.commands.storage import open_database
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.model_registry import ModelRegistry
from tests.live.certified import promote as promote_certified
from tests.live.test_backtest_command import RULE, command, csv, history, told
from tests.live.world import files, market

__all__ = ["command", "csv", "history"]  # fixtures


@pytest.fixture
def registered(database_url, tmp_path, monkeypatch):
    """The command line over a lake, a model in production, and another one beside it."""
    monkeypatch.setenv("GAL_FRIDAY_DATABASE_URL", database_url)
    monkeypatch.setenv("GAL_FRIDAY_DATA_DIR", str(tmp_path))
    config = ConfigurationManager()
    CandleLake(lake_dir(config.config)).write(market()[:3_000])

    async def register():
        async with open_database(config.config) as database:
            registry = ModelRegistry(config, database)
            await promote_certified(registry, await registry.register_model(files(), {}))
            return await registry.register_model(files(seed=4), {})

    other = asyncio.run(register())
    return other, lambda *arguments: CliRunner().invoke(app, ["backtest", *map(str, arguments)])


def test_guards_and_explanation_are_in_json_and_on_the_page(command, history, tmp_path):
    out = tmp_path / "out"
    result = told(
        command(
            "--history", history, *RULE, "--guards", "--explain", "2", "--trials", "50", "--json", "-o", out
        )
    )
    assert result["guards"]["passed"] is True
    assert [run["bars"] for run in result["guards"]["delays"]] == [0, 1, 2, 5]
    assert result["explained"]["number"] == 2
    assert result["explained"]["trade"] == result["trade_list"][1]
    assert (result["deflated"]["trials"], result["deflated"]["trials_from"]) == (50, "as --trials says")
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "No decision knew what came after it." in page
    assert json.loads((out / "report.json").read_bytes())["guards"] == result["guards"]


def test_people_are_told_verdicts_and_reasons(command, history):
    ran = command("--history", history, *RULE, "--guards", "--explain", "1")
    assert ran.exit_code == 0, ran.output
    for wanted in ("Lookahead guards", "shuffled future", "passed", "delayed data", "Trade 1: BTC/USD", "because",
                   "crossed above"):  # fmt: skip
        assert wanted in ran.stderr, wanted


def test_engine_run_is_explained_as_the_fast_one(command, history):
    fast, slow = (
        told(command("--history", history, *RULE, "--explain", "1", "--json", *more))["explained"]
        for more in ((), ("--engine",))
    )
    assert fast == slow


def test_trade_that_there_is_not_is_one_clear_error(command, history):
    ran = command("--history", history, *RULE, "--explain", "9999", "--json")
    assert isinstance(ran.exception, DataError)
    assert "no trade '9999': this run closed" in str(ran.exception)
    assert ran.stdout == ""


def test_named_model_is_compared_with_production_on_the_same_bars(registered):
    other, run = registered
    result = told(run("--model", other, "--json"))
    assert [one["other"] for one in result["comparisons"]] == ["buy and hold", "kraken:BTC-USD:1m@v1"]
    production = told(run("--json"))
    assert [one["other"] for one in production["comparisons"]] == ["buy and hold"]
    assert result["comparisons"][1]["total_return"] == pytest.approx(production["total_return"])
    assert result["beside"] == {"name": "kraken:BTC-USD:1m@v1", "equity_curve": production["equity_curve"]}


def test_rule_is_compared_with_a_model_where_one_is_named(registered):
    other, run = registered
    result = told(run(*RULE, "--compare", other, "--json"))
    assert result["comparisons"][1]["other"] == other
    with_production = told(run(*RULE, "--compare", "production", "--json"))
    assert with_production["comparisons"][1]["other"] == "kraken:BTC-USD:1m@v1"


def test_model_that_there_is_not_cannot_be_compared_with(registered):
    _, run = registered
    ran = run(*RULE, "--compare", "kraken:BTC-USD:1m@v99", "--json")
    assert isinstance(ran.exception, RegistryError)
    assert ran.stdout == ""


def test_model_of_another_series_cannot_be_compared_with(registered, tmp_path):
    other, run = registered
    path = csv(tmp_path / "ETHUSD_1.csv")
    ran = run("--history", path, *RULE, "--compare", other, "--json")
    assert isinstance(ran.exception, ConfigError)
    assert "was trained for kraken:BTC-USD:1m: compare kraken:ETH-USD:1m with a model of its own" in str(
        ran.exception
    )
