"""The top-up as the daemon runs it, and what a correction sets in motion, on the PostgreSQL-backed instance."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from gal_friday_adapters.history.exchange import URL_VARIABLE
from gal_friday_adapters.lake import CandleLake, TableLake
from gal_friday_assets import retries
from gal_friday_assets.definitions import defs
from gal_friday_assets.instance import prepare_home
from gal_friday_assets.partitions import PAIR, range_tags
from gal_friday_assets.resources import Settings
from gal_friday_core.candles import Candles, Series
from gal_friday_core.times import MINUTE_NS
from sensors.corrections import corrected_history
from tests.adapters.test_history_exchange import NOW, RecordedKraken, market

TRADED = Series("kraken", "BTC/USD", "1m")


@pytest.fixture
def exchange(data_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordedKraken]:
    """Kraken with a day of trades up to this moment, and no pair but BTC/USD."""
    now_ns = time.time_ns()
    apart = (now_ns - NOW) // MINUTE_NS * MINUTE_NS
    server = RecordedKraken([(ts + apart, *trade) for ts, *trade in market(24)], now_ns=now_ns)
    monkeypatch.setenv(URL_VARIABLE, server.url)
    yield server
    server.close()


@pytest.fixture
def instance(
    database_url: str, data_home: Path, series: Series, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    for name, value in prepare_home(data_home / "dagster", database_url).items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions(PAIR, [series.key])
        yield instance


def top_up(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def("top_up").execute_in_process(instance=instance, raise_on_error=False)


def said(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node("recent_bars")
    return {name: value.value for name, value in event.metadata.items()}


def checks(result: dg.ExecuteInProcessResult) -> dict[str, tuple[bool, str]]:
    found = result.get_asset_check_evaluations()
    return {check.check_name: (check.passed, str(check.description)) for check in found}


def test_traded_series_are_topped_up_and_current(
    exchange: RecordedKraken, instance: dg.DagsterInstance, lake: CandleLake
):
    first = top_up(instance)
    stored = len(lake.read(TRADED))
    assert first.success
    assert (said(first)["added"], said(first)["problems"]) == (stored, {})
    assert stored > 300
    assert {name: passed for name, (passed, _) in checks(first).items()} == {
        "every_series_answered": True, "newest_bars": True,
    }  # fmt: skip
    assert said(top_up(instance))["corrected"] == 0
    assert len(lake.read(TRADED)) == stored


def test_a_series_that_does_not_come_is_named_and_stops_no_other(
    exchange: RecordedKraken, instance: dg.DagsterInstance, lake: CandleLake, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GAL_FRIDAY__MARKET__PAIRS", json.dumps(["ABC/USD", "BTC/USD"]))
    result = top_up(instance)
    assert result.success
    assert said(result)["added"] == len(lake.read(TRADED)) > 300
    answered, current = checks(result)["every_series_answered"], checks(result)["newest_bars"]
    assert not answered[0]
    assert "kraken:ABC-USD:1m: kraken refused OHLC" in answered[1]
    assert not current[0]
    assert current[1] == "kraken:ABC-USD:1m: nothing is stored"


def test_an_exchange_out_of_reach_is_asked_again_before_the_run_fails(
    instance: dg.DagsterInstance, lake: CandleLake, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(URL_VARIABLE, "http://127.0.0.1:1")
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0)
    result = top_up(instance)
    assert not result.success
    assert [event.event_type_value for event in result.all_events if event.is_step_event].count(
        "STEP_RESTARTED"
    ) == retries.RETRIES
    (failure,) = [event.step_failure_data.error for event in result.all_node_events if event.is_step_failure]
    assert "no series was topped up" in str(failure)
    assert result.asset_materializations_for_node("recent_bars") == []
    assert lake.series() == []


class Corrections:
    """The sensor, tick by tick."""

    def __init__(self, instance: dg.DagsterInstance, lake: CandleLake) -> None:
        self._instance, self._lake = instance, lake
        self._cursor: str | None = None

    def tick(self) -> list[str]:
        """The series for which a new candidate is asked for."""
        context = dg.build_sensor_context(
            instance=self._instance,
            cursor=self._cursor,
            definitions=defs,
            resources={
                "settings": Settings(),
                "lake": self._lake,
                "tables": TableLake(self._lake.root),
            },
        )
        result = corrected_history(context)
        assert isinstance(result, dg.SensorResult)
        self._cursor = result.cursor
        return [str(request.partition_key) for request in result.run_requests or []]


def learnt(instance: dg.DagsterInstance, stored: Candles, bars: int) -> None:
    """As if a candidate had learnt from the first `bars` of the candles."""
    span = stored[:bars]
    known = {
        "first_ns": int(span.ts[0]),
        "last_ns": int(span.ts[-1]),
        "candles_sha256": span.fingerprint(),
    }
    said = dg.AssetMaterialization(
        "candidate_model", partition=stored.series.key, metadata={"trained_on": known}
    )
    instance.report_runless_asset_event(said)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is read of the lake's candles: a month, or all of a series."""
    found: list[str] = []
    read, read_month = CandleLake.read, CandleLake.read_month

    def reading(lake: CandleLake, series: Series) -> Candles:
        found.append("all")
        return read(lake, series)

    def reading_month(lake: CandleLake, series: Series, month: str) -> Candles:
        found.append(month)
        return read_month(lake, series, month)

    monkeypatch.setattr(CandleLake, "read", reading)
    monkeypatch.setattr(CandleLake, "read_month", reading_month)
    return found


def refresh(instance: dg.DagsterInstance, series: Series) -> None:
    job = defs.resolve_job_def("refresh")
    assert job.execute_in_process(instance=instance, tags=range_tags(series, "2017-01", "2017-02")).success


def altered(candles: Candles, row: int, later_ns: int = 0) -> Candles:
    """One bar with more volume, or as much later."""
    bar = Candles(candles.series, *(column[row:][:1].copy() for column in candles.columns()))
    bar.volume[0] *= 2
    bar.ts[0] += later_ns
    return bar


@pytest.fixture
def registry(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One without a model."""
    monkeypatch.setenv("GAL_FRIDAY_DATABASE_URL", database_url)


@pytest.mark.usefixtures("registry")
def test_a_correction_asks_for_a_new_candidate_once_its_features_are_there(
    instance: dg.DagsterInstance, lake: CandleLake, stored: Candles, series: Series
):
    refresh(instance, series)
    corrections = Corrections(instance, lake)
    assert corrections.tick() == []  # nothing has learnt from it yet
    learnt(instance, stored, len(stored))
    assert corrections.tick() == []
    lake.write(altered(stored, -1, series.interval_ns))
    refresh(instance, series)
    assert corrections.tick() == []  # a new bar is no correction
    lake.write(altered(stored, 100))
    assert corrections.tick() == []  # its features come first
    refresh(instance, series)
    assert corrections.tick() == [series.key]
    assert corrections.tick() == []
    assert np.isclose(lake.read(series).volume[100], 2 * stored.volume[100])


def test_only_months_that_were_replaced_within_the_span_are_read_again(
    instance: dg.DagsterInstance, lake: CandleLake, stored: Candles, series: Series, reads: list[str]
):
    """The span ends in February, of which the lake holds more."""
    learnt(instance, stored, len(stored) - 100)
    corrections = Corrections(instance, lake)

    def read_at_a_tick() -> list[str]:
        reads.clear()
        assert corrections.tick() == []
        return reads

    assert read_at_a_tick() == ["all"]
    assert read_at_a_tick() == []
    lake.write(altered(stored, -1, series.interval_ns))
    assert read_at_a_tick() == ["2017-02"]
    assert read_at_a_tick() == []
    lake.write(altered(stored, -1, 40 * 86_400 * 10**9))  # a month that was not learnt from
    assert read_at_a_tick() == []
    lake.write(altered(stored, 100))
    assert read_at_a_tick()[:2] == ["2017-01", "all"]
    learnt(instance, lake.read(series), len(stored))
    assert read_at_a_tick() == ["all"]  # another model, another span
