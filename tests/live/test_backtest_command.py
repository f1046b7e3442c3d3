"""`gal-friday backtest --strategy`: a rule over files, what the result says, and what it answers to wrong input."""

import json
from decimal import Decimal

import pytest
from typer.testing import CliRunner

from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError, DataError
from gal_friday_core.strategies.presets import trading, with_preset
from gal_friday_live.cli import app
from tests.live.world import SERIES, market

RULE = ["--strategy", "ema_cross"]
BARS = 3_000


@pytest.fixture
def command(tmp_path, monkeypatch):
    """The command line in an empty data folder."""
    monkeypatch.setenv("GAL_FRIDAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("GAL_FRIDAY_DATABASE_URL", raising=False)
    return lambda *arguments: CliRunner().invoke(app, ["backtest", *map(str, arguments)])


@pytest.fixture
def history(tmp_path):
    return csv(tmp_path / "XBTUSD_1.csv")


def csv(path):
    rows = zip(*(column[:BARS].tolist() for column in market().columns()), strict=True)
    lines = (f"{ts // 10**9},{','.join(map(repr, numbers))}\n" for ts, *numbers in rows)
    path.write_text("".join(lines), encoding="utf-8")
    return path


def told(ran):
    assert ran.exit_code == 0, ran.output
    return json.loads(ran.stdout)


def test_a_rule_trades_files_without_a_model_or_a_database(command, history, tmp_path):
    result = told(command("--history", history, *RULE, "--initial", "5000", "--json"))
    assert result["bars"] == BARS
    assert result["strategy"] == "ema_cross"
    assert result["model_id"] is None
    assert result["trades"] == result["trade_statistics"]["count"] == len(result["trade_list"]) > 0
    assert result["final_equity"] == float(result["engine"]["final_equity"])
    assert result["initial_equity"] == "5000"
    assert result["bars_per_second"] == pytest.approx(BARS / result["took_s"], rel=1e-3)
    assert not (tmp_path / "data" / "postgres").exists()


def test_half_of_equity_is_bought_where_nothing_else_is_configured(command, history):
    result = told(command("--history", history, *RULE, "--json"))
    first = result["trade_list"][0]
    assert float(first["quantity"]) * float(first["entry_price"]) == pytest.approx(5_000, rel=5e-3)
    assert "risk.max_pair_exposure 0.5" in result["notes"][0]


def test_configured_limits_hold_where_they_are_asked_for(command, history):
    result = told(command("--history", history, *RULE, "--limits", "configured", "--json"))
    first = result["trade_list"][0]
    assert float(first["quantity"]) * float(first["entry_price"]) == pytest.approx(2_500, rel=5e-3)
    assert result["notes"] == []


def test_the_engine_gives_the_same_result_bar_by_bar(command, history):
    fast, slow = (told(command("--history", history, *RULE, "--json", *more)) for more in ((), ("--engine",)))
    differing = {"took_s", "bars_per_second", "driver"}
    assert {k: v for k, v in fast.items() if k not in differing} == {
        k: v for k, v in slow.items() if k not in differing
    }


def test_files_are_named_by_pair_and_interval(command, tmp_path):
    path = csv(tmp_path / "bars.csv")
    named = ("--pair", "XBT/USD", "--interval", "1m", "--venue", "kraken")
    assert told(command("--history", path, *named, *RULE, "--json"))["series"] == SERIES.key


def test_people_read_a_table_and_nothing_on_standard_output(command, history):
    ran = command("--history", history, *RULE)
    assert ran.exit_code == 0
    assert ran.stdout == ""
    assert "bars" in ran.stderr
    assert "--limits configured" in " ".join(ran.stderr.split())


WRONG = [
    (["--strategy", "emacross"], ConfigError, "unknown strategy 'emacross': strategy.id is one of"),
    ([*RULE, "--model", "m@v1"], ConfigError, "asks no model: leave out --model"),
    ([*RULE, "--threshold", "0.5"], ConfigError, "asks no model: leave out --threshold"),
    ([*RULE, "--initial", "-5"], ConfigError, "--initial '-5' is not an amount of money above zero"),
    ([*RULE, "--initial", "much"], ConfigError, "--initial 'much' is not an amount"),
    (["--strategy", "threshold", "--limits", "rule"], ConfigError, "has no costs and limits of its own"),
    ([*RULE, "--pair", "ETH/USD"], DataError, "no candles are stored: ingest first"),
    ([*RULE, "--from", "2024-03-05"], DataError, "no candles are stored"),
    ([*RULE, "--series", "kraken:BTC-USD:1m"], DataError, "run gal-friday ingest first"),
]


@pytest.mark.parametrize(("arguments", "error", "says"), WRONG)
def test_wrong_input_is_one_clear_error(command, arguments, error, says):
    ran = command(*arguments, "--json")
    assert isinstance(ran.exception, error), ran.output
    assert says in str(ran.exception)
    assert ran.stdout == ""


def test_a_start_after_all_bars_says_what_is_stored(command, history):
    ran = command("--history", history, *RULE, "--from", "2030-01-01", "--json")
    assert isinstance(ran.exception, DataError)
    assert "no candles of kraken:BTC-USD:1m from 2030-01-01" in str(ran.exception)
    assert "months 2024-03 to 2024-03 are stored" in str(ran.exception)


def test_a_file_that_does_not_say_what_it_holds_is_refused(command, tmp_path):
    ran = command("--history", csv(tmp_path / "bars.csv"), *RULE, "--json")
    assert isinstance(ran.exception, DataError)
    assert "give --venue --pair --interval" in str(ran.exception)


def test_a_preset_changes_nothing_that_somebody_set():
    said = Config.model_validate({"risk": {"max_pair_exposure": "0.1"}, "strategy": {"margin": 0.25}})
    config, changed = with_preset(trading(said, "ema_cross"))
    assert config.risk.max_pair_exposure == Decimal("0.1")
    assert config.risk.max_total_drawdown == 1
    assert config.strategy.margin == 0.25
    assert "risk.max_pair_exposure" not in changed
    assert changed["costs.slippage"] == "0"


def test_a_strategy_that_the_settings_forbid_is_refused():
    scaled = Config.model_validate({"risk": {"sizing": "volatility_scaled"}})
    with pytest.raises(ConfigError, match="fixed_fractional goes with"):
        trading(scaled, "ema_cross")
