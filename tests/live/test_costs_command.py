"""`gal-friday costs`: settings that a backtest takes, from bars or from recorded books."""

import json
from decimal import Decimal

import pytest
import yaml
from typer.testing import CliRunner

from gal_friday_adapters.sessions.market_lake import MarketLake
from gal_friday_core.config import Config
from gal_friday_core.errors import DataError
from gal_friday_live.cli import app
from tests.core.test_spread_estimates import recorded
from tests.live.test_backtest_command import csv


@pytest.fixture
def command(tmp_path, monkeypatch):
    monkeypatch.setenv("GAL_FRIDAY_DATA_DIR", str(tmp_path / "data"))
    return lambda *arguments: CliRunner().invoke(app, ["costs", *map(str, arguments)])


def test_bars_give_settings_that_the_configuration_takes(command, tmp_path):
    ran = command("--history", csv(tmp_path / "XBTUSD_1.csv"))
    assert ran.exit_code == 0, ran.output
    lines = ran.stderr[ran.stderr.index("fidelity:") :]
    fidelity = Config.model_validate(yaml.safe_load(lines)).fidelity
    assert fidelity.slippage == "modelled"
    assert 0 < fidelity.half_spread < Decimal("0.01")


def test_recorded_books_count_before_bars(command, tmp_path):
    MarketLake(tmp_path / "data" / "lake").write(recorded(levels=0.5))
    ran = command("--history", csv(tmp_path / "XBTUSD_1.csv"), "--json")
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout)
    assert told["books"]["half_spread"] == pytest.approx(0.01 / 100.01)
    assert float(told["settings"]["half_spread"]) == pytest.approx(0.01 / 100.01, rel=1e-4)
    assert float(told["settings"]["impact"]) == pytest.approx(told["books"]["impact"], abs=1e-4)
    assert "recorded books" in told["source"]


def test_too_few_bars_say_what_to_do(command, tmp_path):
    few = csv(tmp_path / "XBTUSD_1.csv")
    few.write_text("".join(few.read_text().splitlines(keepends=True)[:50]))
    ran = command("--history", few)
    assert isinstance(ran.exception, DataError)
    assert "set fidelity.half_spread" in str(ran.exception)
