import json

import pytest
import typer
from typer.testing import CliRunner

from gal_friday_adapters.lake import CandleLake
from gal_friday_core.candles import Series
from gal_friday_core.errors import DataError, ExchangeError
from gal_friday_core.market_simulator import simulate
from gal_friday_core.times import from_iso
from gal_friday_live.commands.ingest import ingest

SYNTHETIC = Series("synthetic", "BTC/USD", "1m")


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("GAL_FRIDAY_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture(scope="module")
def kraken_csv(tmp_path_factory):
    """Four months of minutes as Kraken's download has them."""
    bars = simulate(SYNTHETIC, from_iso("2024-01-01"), 170_000, seed=5)
    columns = (bars.ts // 10**9, *bars.columns()[1:])
    path = tmp_path_factory.mktemp("history") / "XBTUSD_1.csv"
    rows = zip(*(column.tolist() for column in columns), strict=True)
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in rows))
    return path


def run(*arguments):
    app = typer.Typer()
    app.command("ingest")(ingest)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_json_on_standard_output_is_one_object_and_the_report_is_elsewhere(data, kraken_csv):
    result = run("--history", kraken_csv, "--json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert report["rows"] == report["added"] > 160_000
    assert report["series"] == ["kraken:BTC-USD:1m"]
    assert 8_000 < report["files"][0]["quality"]["missing_bars"] <= 170_000 - report["rows"]
    assert "largest move" in result.stderr
    again = json.loads(run("--history", kraken_csv, "--json").stdout)
    assert (again["added"], again["unchanged"]) == (0, report["rows"])


def test_a_refused_file_ends_with_its_reason_after_the_good_ones_are_stored(data, kraken_csv, tmp_path):
    bad = tmp_path / "ETHUSD_1.csv"
    bad.write_text("1704067200,1,2,1,NaN,3,4\n")
    result = run("--history", bad, "--history", kraken_csv, "--json")
    assert isinstance(result.exception, DataError)
    assert "ETHUSD_1.csv: line 1: a value is missing, NaN or infinite" in str(result.exception)
    assert json.loads(result.stdout)["series"] == ["kraken:BTC-USD:1m"]
    assert [series.key for series in CandleLake(data / "lake").series()] == ["kraken:BTC-USD:1m"]


def test_skipped_rows_are_listed_with_file_line_and_reason(data, kraken_csv, tmp_path):
    lines = kraken_csv.read_text().splitlines()[:2_000]
    lines[41] = lines[41].replace(",", ",-", 1)
    spoiled = tmp_path / "XBTUSD_1.csv"
    spoiled.write_text("\n".join(lines) + "\n")
    result = run("--history", spoiled, "--skip-bad-rows")
    assert result.exit_code == 0
    assert "XBTUSD_1.csv: 42: a price is zero or negative" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--history", "x.csv", "--exchange", "kraken"],
        ["--exchange", "kraken", "--pair", "BTC/USD", "--interval", "1m"],
        ["--exchange", "kraken", "--pair", "BTC/USD", "--interval", "7m", "--since", "2024-01-01"],
        ["--exchange", "kraken", "--pair", "BTC/USD", "--interval", "1m", "--since", "yesterday"],
        ["--exchange", "krakn", "--pair", "BTC/USD", "--interval", "1m", "--since", "2024-01-01"],
    ],
)
def test_incomplete_or_contradictory_options_are_told(data, arguments):
    result = run(*arguments)
    assert isinstance(result.exception, DataError)
    assert not data.exists()


def test_an_unreachable_exchange_is_one_line(data, monkeypatch):
    monkeypatch.setenv("GAL_FRIDAY_EXCHANGE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("gal_friday_adapters.history.rest.ATTEMPTS", 1)
    result = run("--exchange", "kraken", "--pair", "XBT/USD", "--interval", "1m", "--since", "2024-01-01")
    assert isinstance(result.exception, ExchangeError)
    assert "cannot reach kraken at http://127.0.0.1:9" in str(result.exception)
    assert "\n" not in str(result.exception)
