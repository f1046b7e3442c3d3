"""Backtests: the report, the command, and what it says to wrong input."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from typer.testing import CliRunner

from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.paths import lake_dir
from gal_friday_core.candles import Series
from gal_friday_core.errors import ConfigError, DataError, RegistryError
from gal_friday_live.backtesting import BacktestingEngine
from gal_friday_live.cli import app
from gal_friday_live.commands.storage import open_database
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.model_registry import ModelRegistry
from gal_friday_live.prediction_service import ModelOverride
from gal_friday_live.replay_data import history_before, stretch
from tests.live.certified import promote as promote_certified
from tests.live.world import CALM, SERIES, START, files, manager, market, played, predictor

CASH = Decimal(10_000)


def moment(ns):
    return datetime.fromtimestamp(ns / 1e9, UTC)


@pytest.fixture
def lake(tmp_path):
    lake = CandleLake(tmp_path / "lake")
    lake.write(market())
    return lake


def run(lake, first=2_000, last=4_000, **ports):
    ts = market().ts
    engine = BacktestingEngine(manager(risk=CALM), lake=lake, **{"predictor": predictor(), **ports})
    return engine.run_backtest(moment(int(ts[first])), moment(int(ts[last])), CASH)


def test_the_report_adds_up(lake):
    report = run(lake)
    assert report["engine"]["predictions"] == 2_000
    assert report["initial_equity"] == str(CASH)
    assert report["final_equity"] == report["engine"]["final_equity"]
    assert Decimal(report["net_profit"]) == Decimal(report["final_equity"]) - CASH
    closed = sum(Decimal(trade["net"]) for trade in report["trade_list"])
    if report["trades"]["open"] == 0:
        assert abs(closed - Decimal(report["net_profit"])) < Decimal("1e-6")
    assert report["trades"]["count"] > 5
    assert report["fees"] == report["engine"]["fees"]


def test_the_same_run_gives_the_same_report(lake):
    assert run(lake) == run(lake)


def test_a_backtest_is_warmed_up_on_the_history_before_it(lake):
    """The lake's months before the start are read back far enough that no bar is without a prediction."""
    assert run(lake, first=5_000, last=5_100)["engine"]["skipped"] == {}


def test_history_is_read_back_over_month_borders(tmp_path):
    lake = CandleLake(tmp_path)
    candles = market(60_000)
    lake.write(candles)
    assert len(lake.months(SERIES)) == 2
    border = int(candles.ts[31 * 1_440])  # the first bar of April
    history = history_before(lake, SERIES, border + 5 * 60_000_000_000)
    assert history.fingerprint() == candles[31 * 1_440 + 5 - len(history) : 31 * 1_440 + 5].fingerprint()
    assert len(history) >= 1_024
    assert history_before(lake, SERIES, None).ts[-1] == candles.ts[-1]
    assert len(history_before(lake, SERIES, START)) == 0


def test_costs_are_paid_on_every_fill(lake):
    free = run(lake, predictor=predictor(taker_fee="0", slippage="0"))
    assert Decimal(free["fees"]) > 0  # the configured costs count, not those of the model


def test_an_override_is_noted_in_the_report(lake):
    model = predictor()
    override = ModelOverride(model.model_id, "what if", 0.6)
    assert "Traded under an override: what if." in run(lake, override=override)["notes"]


def test_training_data_in_the_span_is_noted(lake):
    assert run(lake, first=100)["notes"] == []  # the holdout of the test's model begins with its market
    early = played(market()[:2_100], history=100)
    model = predictor()
    late = model.metadata.holdout_start_ns + 10**18
    model = replace(model, metadata=msgspec.structs.replace(model.metadata, holdout_start_ns=late))
    report = asyncio.run(BacktestingEngine(manager(), predictor=model).run(early, CASH))
    assert report["notes"][-1].startswith("In sample: ")


def test_a_span_without_candles_is_one_clear_error(lake):
    start = datetime(2030, 1, 1)  # noqa: DTZ001 - without a zone it is UTC
    with pytest.raises(DataError, match="no candles of kraken:BTC-USD:1m from 2030-01-01T00:00"):
        BacktestingEngine(manager(), lake=lake, predictor=predictor()).run_backtest(
            start, datetime(2031, 1, 1, tzinfo=UTC), CASH
        )


def test_a_model_of_another_series_is_refused(lake):
    other = Series("kraken", "ETH/USD", "1m")
    with pytest.raises(ConfigError, match="trained for kraken:BTC-USD:1m, not for kraken:ETH-USD:1m"):
        BacktestingEngine(manager(), lake=lake, predictor=predictor(), series=other)


def test_a_stretch_shares_the_ticks_of_its_history(lake):
    ts = market().ts
    early, late = (stretch(lake, SERIES, int(ts[start]), None).instrument for start in (2_000, 2_500))
    assert early.price_tick == late.price_tick == Decimal("0.01")


@pytest.fixture
def command(database_url, tmp_path, monkeypatch):
    """The command line over a lake and a registry with one production model."""
    monkeypatch.setenv("GAL_FRIDAY_DATABASE_URL", database_url)
    monkeypatch.setenv("GAL_FRIDAY_DATA_DIR", str(tmp_path))
    config = ConfigurationManager()
    CandleLake(lake_dir(config.config)).write(market()[:3_000])

    async def register():
        async with open_database(config.config) as database:
            registry = ModelRegistry(config, database)
            await promote_certified(registry, await registry.register_model(files(), {}))

    asyncio.run(register())
    return lambda *arguments: CliRunner().invoke(app, ["backtest", *arguments])


def test_the_command_prints_one_object_and_writes_the_pages(command, tmp_path):
    ran = command("--from", "2024-03-02T12:00", "--json", "--output", str(tmp_path / "out"))
    assert ran.exit_code == 0, ran.output
    report = json.loads(ran.stdout)
    assert report["model_id"] == "kraken:BTC-USD:1m@v1"
    assert report["engine"]["bars"] == 3_000 - 36 * 60
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert json.loads((tmp_path / "out" / "report.json").read_bytes())["fees"] == report["fees"]


def test_the_command_trades_files_without_storing_them(command, tmp_path):
    path = tmp_path / "XBTUSD_1.csv"
    rows = zip(*(column[:1_600].tolist() for column in market().columns()), strict=True)
    lines = (f"{ts // 10**9},{','.join(map(repr, numbers))}\n" for ts, *numbers in rows)
    path.write_text("".join(lines), encoding="utf-8")
    ran = command("--history", str(path), "--json")
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout)["engine"]["bars"] == 1_600


WRONG = [
    (["--series", "kraken:BTC-USD:7m"], DataError, "unknown interval '7m'"),
    (["--series", "kraken:ETH-USD:1m"], DataError, "no candles of kraken:ETH-USD:1m are stored"),
    (["--model", "absent@v1"], RegistryError, "absent@v1"),
    (["--from", "yesterday"], DataError, "not an ISO 8601 time: 'yesterday'"),
    (["--from", "2024-03-03", "--to", "2024-03-02"], DataError, "is not before"),
    (["--from", "2031-01-01", "--to", "2032-01-01"], DataError, "no candles of kraken:BTC-USD:1m"),
]


def test_wrong_input_to_the_command_is_one_clear_error(command):
    for arguments, error, says in WRONG:
        ran = command(*arguments, "--json")
        assert isinstance(ran.exception, error), (arguments, ran.output)
        assert says in str(ran.exception)
        assert ran.stdout == ""
