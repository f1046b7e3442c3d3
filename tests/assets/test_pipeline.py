import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gal_friday_adapters.lake import CandleLake
from gal_friday_assets.pipeline import REFUSED, Reporter, main
from gal_friday_core.candles import Candles, Series
from gal_friday_core.features.candle_set import CANDLES_V1
from tests.assets.small import SMALL

ROOT = Path(__file__).resolve().parents[2]


Messages = list[dict[str, Any]]
Refused = Callable[[Series], dict[str, str]]


@pytest.fixture
def environment(data_home: Path, database_url: str) -> dict[str, str]:
    """What `up` gives the child, with a small model."""
    return SMALL | {"GAL_FRIDAY_DATA_DIR": str(data_home), "GAL_FRIDAY_DATABASE_URL": database_url}


@pytest.fixture
def refused(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Refused:
    """Runs the pipeline here, to save a start; its one error, once it has ended as refused."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for name in ("DAGSTER_HOME", "DAGSTER_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        monkeypatch.setenv(name, "")  # the pipeline sets them; this takes them away again

    def run(series: Series) -> dict[str, str]:
        assert main(["--series", series.key]) == REFUSED
        messages: Messages = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
        (error,) = (message for message in messages if "error" in message)
        assert error is messages[-1]
        return error

    return run


def test_the_whole_pipeline_tells_progress_and_result(stored: Candles, environment: dict[str, str]):
    """As `up` runs it: a child, whose every line of standard output is JSON."""
    own = {
        name: value for name, value in os.environ.items() if not name.startswith(("GAL_FRIDAY", "DAGSTER"))
    }
    done = subprocess.run(
        [sys.executable, "-m", "gal_friday_assets.pipeline", "--series", stored.series.key],
        env=own | environment, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    messages: Messages = [json.loads(line) for line in done.stdout.splitlines()]
    steps = [(m["step"], m["done"], m["of"]) for m in messages if "step" in m]
    assert ("features", 2, 2) in steps
    assert ("folds", 2, 2) in steps
    result = messages[-1]["result"]
    assert result["rows"] == len(stored)
    assert result["features"] == len(CANDLES_V1)
    assert result["folds"] == 2
    assert result["model_id"] == f"{stored.series.key}@v1"
    assert result["promoted"] is False
    assert result["reasons"]
    assert 0 < result["entry_threshold"] < 1
    assert 0 < result["oos_quantiles"]["0.95"] < 1
    assert stored.ts[0] < result["holdout_start"] < stored.ts[-1]
    assert Path(result["report"]).exists()
    assert Path(result["backtest"]["backtest_page"]).exists()


def test_implausible_candles_are_named_with_their_check(refused: Refused, lake: CandleLake, stored: Candles):
    frozen = np.full(len(stored), 1_000.0)
    lake.write(Candles(stored.series, stored.ts, *[frozen] * 4, np.zeros(len(stored)), stored.trades))
    error = refused(stored.series)
    assert error["type"] == "DataError"
    assert f"candles:quality: {stored.series.key}" in error["error"]


def test_an_error_inside_an_asset_arrives_as_itself(
    refused: Refused, stored: Candles, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GAL_FRIDAY__TRAINING__MIN_EVENTS", "1000000")
    error = refused(stored.series)
    assert error["type"] == "DataError"
    assert "training.min_events" in error["error"]


def test_a_series_without_candles_says_what_to_do(refused: Refused, series: Series):
    assert "gal-friday ingest" in refused(series)["error"]


@pytest.mark.parametrize(
    ("arguments", "variables", "kind", "said"),
    [
        (["--series", "nonsense"], {}, "DataError", "not a series"),
        (["--series", "kraken:BTC-USD:1m"], {}, "ConfigError", "storage.database_url is unset"),
        (
            ["--series", "kraken:BTC-USD:1m"],
            {"GAL_FRIDAY_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"},
            "StorageError",
            "127.0.0.1",
        ),
        (
            ["--series", "kraken:BTC-USD:1m"],
            {"GAL_FRIDAY__TRAINING__TREE": "5"},
            "ConfigError",
            "training.trees",
        ),
    ],
)
def test_wrong_input_is_one_line_before_anything_is_started(
    arguments: list[str],
    variables: dict[str, str],
    kind: str,
    said: str,
    *,
    data_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(arguments) == REFUSED
    last = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert last["type"] == kind
    assert said in last["error"]
    assert list(data_home.iterdir()) == []


def test_progress_is_one_json_object_a_line():
    out = io.StringIO()
    Reporter(out).progress("folds", 1, 5)
    assert out.getvalue() == '{"step": "folds", "done": 1, "of": 5}\n'
