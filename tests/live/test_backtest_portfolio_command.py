"""`gal-friday backtest` over several pairs: one portfolio, a report by pair, and what several pairs cannot share."""

import asyncio
from decimal import Decimal

import pytest

from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.paths import lake_dir
from gal_friday_core.candles import Candles, Series
from gal_friday_core.errors import ConfigError, DataError, RegistryError
from gal_friday_live.commands.storage import open_database
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.model_registry import ModelRegistry
from tests.live.certified import promote as promote_certified
from tests.live.test_backtest_command import BARS, RULE, command, csv, told
from tests.live.world import SERIES, files, market

__all__ = ["command"]  # fixtures

ETHER = Series("kraken", "ETH/USD", "1m")


@pytest.fixture
def both(tmp_path):
    """Files of two pairs, as options."""
    return "--history", csv(tmp_path / "XBTUSD_1.csv"), "--history", csv(tmp_path / "ETHUSD_1.csv")


def test_several_files_are_traded_with_one_portfolio(command, both, tmp_path):
    out = tmp_path / "out"
    result = told(command(*both, *RULE, "--initial", "5000", "--explain", "2", "--json", "-o", out))
    assert result["series"] == ["kraken:BTC-USD:1m", "kraken:ETH-USD:1m"]
    assert result["bars"] == 2 * BARS
    pairs = {part["name"]: part for part in result["parts"] if part["by"] == "pair"}
    assert sorted(pairs) == ["BTC/USD", "ETH/USD"]
    assert sum(part["trades"] for part in pairs.values()) == result["trades"] > 0
    for name, part in pairs.items():
        its = [Decimal(trade["net"]) for trade in result["trade_list"] if trade["trading_pair"] == name]
        assert Decimal(part["net"]) == sum(its)
    assert result["explained"]["trade"] == result["trade_list"][1]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Backtest of ema_cross on 2 pairs with one portfolio" in page


def test_one_of_several_files_is_chosen_by_its_pair(command, both):
    assert told(command(*both, *RULE, "--pair", "ETH/USD", "--json"))["series"] == ETHER.key


def test_the_engine_gives_the_same_result_bar_by_bar(command, both):
    until = ("--to", "2024-03-01T12:00")
    fast, slow = (told(command(*both, *RULE, *until, "--json", *more)) for more in ((), ("--engine",)))
    differing = dict.fromkeys(("took_s", "bars_per_second", "driver"))
    assert fast | differing == slow | differing
    assert slow["driver"]["name"] == "engine"


def test_people_read_what_each_pair_earned(command, both):
    ran = command(*both, *RULE)
    assert ran.exit_code == 0, ran.output
    assert "By pair" in ran.stderr
    assert "ETH/USD" in ran.stderr


WRONG = [
    (["--model", "m@v1", "--strategy", "threshold"], ConfigError, "--model asks one series, and 2 pairs are"),
    (["--guards"], ConfigError, "--guards asks one series, and 2 pairs are traded: name one pair"),
    (["--compare", "m@v1"], ConfigError, "--compare m@v1 trades one series, and 2 pairs are traded"),
    (["--pair", "BTC/USD", "--pair", "SOL/USD"], DataError, "no candles of SOL/USD are stored: there are"),
]


@pytest.mark.parametrize(("arguments", "error", "says"), WRONG)
def test_what_several_pairs_cannot_share_is_one_clear_error(command, both, arguments, error, says):
    ran = command(*both, *RULE, *arguments, "--json")
    assert isinstance(ran.exception, error), ran.output
    assert says in str(ran.exception)
    assert ran.stdout == ""


def test_files_of_different_bar_lengths_are_not_traded_one_alone(command, both, tmp_path):
    rows = (f"{1_709_251_200 + 3600 * hour},100,101,99,100,1,3\n" for hour in range(50))
    hourly = tmp_path / "SOLUSD_60.csv"
    hourly.write_text("".join(rows), encoding="utf-8")
    ran = command(*both, "--history", hourly, *RULE, "--json")
    assert isinstance(ran.exception, ConfigError)
    assert "one bar length, but the pairs have: 1h, 1m" in str(ran.exception)


@pytest.fixture
def registered(database_url, monkeypatch, command):
    """The command line over stored candles of two pairs, each with a model in production."""
    monkeypatch.setenv("GAL_FRIDAY_DATABASE_URL", database_url)
    config = ConfigurationManager()
    lake = CandleLake(lake_dir(config.config))
    for series, seed in ((SERIES, 5), (ETHER, 8)):
        lake.write(Candles(series, *market(seed=seed)[:BARS].columns()))

    async def register(*chosen):
        async with open_database(config.config) as database:
            registry = ModelRegistry(config, database)
            for series in chosen:
                await promote_certified(registry, await registry.register_model(files(series=series), {}))

    return command, lambda *chosen: asyncio.run(register(*chosen))


def test_pairs_trade_their_own_models_and_a_rule_is_compared_with_them(registered):
    run, register = registered
    pairs = ("--pair", "BTC/USD", "--pair", "ETH/USD")
    register(SERIES)
    missing = run(*pairs, *RULE, "--compare", "production", "--json")
    assert isinstance(missing.exception, RegistryError)
    assert "kraken:ETH-USD:1m has no production model to compare with" in str(missing.exception)
    register(ETHER)
    models = told(run(*pairs, "--strategy", "threshold", "--json"))
    assert models["engine"]["model_ids"] == ["kraken:BTC-USD:1m@v1", "kraken:ETH-USD:1m@v1"]
    rule = told(run(*pairs, *RULE, "--limits", "configured", "--compare", "production", "--json"))
    assert rule["comparisons"][1]["other"] == "production models"
    assert rule["comparisons"][1]["total_return"] == pytest.approx(models["total_return"])
    assert rule["beside"]["name"] == "production models"
    assert rule["beside"]["equity_curve"] == models["equity_curve"]
