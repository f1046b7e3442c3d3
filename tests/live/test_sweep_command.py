import json
from pathlib import Path

import msgspec
import polars as pl
import pytest
from typer.testing import CliRunner

from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.paths import lake_dir
from gal_friday_core.errors import ConfigError, DataError
from gal_friday_core.sweeps.result import Sweep
from gal_friday_live.cli import app
from tests.live.test_sweeping import BTC, ETH, market

GRID = ("--strategy", "ema_cross", "-g", "ema_cross.fast=6..30:6", "-g", "ema_cross.slow=24,48", "-j", "1")


def command(*arguments, code=0):
    result = CliRunner().invoke(app, ["sweep", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code
    return result.stdout


@pytest.fixture
def stored(database_url, tmp_path, monkeypatch):
    monkeypatch.setenv("GAL_FRIDAY_DATABASE_URL", database_url)
    monkeypatch.setenv("GAL_FRIDAY_DATA_DIR", str(tmp_path))
    CandleLake(lake_dir()).write(market(seed=3))


def test_a_sweep_of_noise_says_that_it_overfits_and_is_written(stored, tmp_path):
    free = tmp_path / "free.yaml"
    free.write_text("costs:\n  taker_fee: 0\n")
    told = json.loads(command(*GRID, "--json", "--config", str(free)))
    assert (told["points"], told["backtests"], told["cancelled"]) == (8, 8, 0)
    assert len(told["refused"]) == 2
    assert told["verdicts"][0]["trials"] == 8
    assert told["overfitted"] is True
    page = Path(told["files"]["sweep.html"]).read_text()
    assert "This sweep overfits" in page
    assert "<script" not in page
    found = msgspec.json.decode(Path(told["files"]["sweep.json"]).read_bytes(), type=Sweep)
    assert len(found.runs) == 8
    trials = pl.read_parquet(told["files"]["trials.parquet"])
    assert trials["ema_cross.fast"].unique().sort().to_list() == ["12", "18", "24", "30", "6"]
    assert trials["trades"].min() > 10
    days = pl.read_parquet(told["files"]["daily_returns.parquet"])
    total = (days.filter(pl.col("place") == 0)["net_return"] + 1).product() - 1
    assert total == pytest.approx(trials.row(0, named=True)["total_return"])


def test_a_walk_over_two_series_is_shown(stored):
    CandleLake(lake_dir()).write(market(ETH, seed=2))
    asked = (*GRID, "--series", BTC.key, "--series", ETH.key, "--train-days", "60", "--test-days", "60")
    told = json.loads(command(*asked, "--json"))
    assert [one["series"] for one in told["verdicts"]] == [BTC.key, ETH.key]
    assert len(told["verdicts"][0]["windows"]) == 4
    assert told["overfitted"] is False  # with fees nothing here earns, and nothing looks as if it did
    assert {one["word"] for one in told["verdicts"]} == {"LOSES"}
    shown = command(*asked, "--output", str(lake_dir().parent / "walk"))
    assert "Sharpe chosen by" in shown
    page = (lake_dir().parent / "walk" / "sweep.html").read_text()
    assert f"{BTC.key}, {ETH.key}, 20" in page
    assert "4 windows, each with the settings that were best in the 60 days before it" in page
    assert "Sharpe ratio of the walk" in page
    anchored = command(
        *asked, "--anchored", "--one-portfolio", "--output", str(lake_dir().parent / "anchored")
    )
    assert f"{BTC.key} + {ETH.key}: LOSES" in anchored
    page = (lake_dir().parent / "anchored" / "sweep.html").read_text()
    assert "best from the first day to its beginning" in page


def test_what_cannot_be_swept_is_told_before_bars_are_read_and_workers_started(monkeypatch, stored):
    def never(*_args, **_kwargs):
        raise AssertionError("too late")

    monkeypatch.setattr("gal_friday_adapters.lake.CandleLake.read", never)
    monkeypatch.setattr("gal_friday_adapters.worker_pool.workers", never)
    for wrong, reason in (
        ("ema_cross.fasst=4,8", "did you mean ema_cross.fast"),
        ("ema_cross.fast=500", "refuses every"),
    ):
        with pytest.raises(ConfigError, match=reason):
            command(*GRID[:2], "-g", wrong)


def test_wrong_input_is_one_clear_error(stored):
    for arguments, kind, reason in (
        (("-g", "strategy.margin=0,0.1"), Exception, "has no production model"),
        (("-g", "nonsense"), ConfigError, "not an axis"),
        ((*GRID[:2], "-g", "costs.slippage=0,1"), ConfigError, "cannot be swept"),
        ((*GRID, "--scheduler", "tcp://10.0.0.1:8786"), ConfigError, "plain TCP"),
        ((*GRID, "--train-days", "900"), DataError, "too short to choose on 900 days"),
        ((*GRID, "--series", ETH.key), DataError, "no candles of kraken:ETH-USD:1h"),
        ((*GRID, "--model", "m@v1"), ConfigError, "asks no model"),
    ):
        with pytest.raises(kind, match=reason):
            command(*arguments)
