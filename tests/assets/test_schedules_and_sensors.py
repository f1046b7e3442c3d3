from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from gal_friday_adapters.lake import CandleLake
from gal_friday_assets.definitions import defs
from gal_friday_assets.partitions import PAIR, range_tags, series_in_run
from gal_friday_core.candles import Candles, Series
from jobs.schedules import daily_refresh, frequent_top_up, hourly_experiments, weekly_retrain
from sensors.universe import pair_universe


def tick(lake: CandleLake, instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    context = dg.build_sensor_context(
        instance=instance, cursor=cursor, definitions=defs, resources={"lake": lake}
    )
    result = pair_universe(context)
    assert isinstance(result, dg.SensorResult)
    return result


def requested(result: dg.SensorResult) -> list[dict[str, str]]:
    return [dict(request.tags) for request in result.run_requests or []]


def added(result: dg.SensorResult) -> list[str]:
    return [key for request in result.dynamic_partitions_requests or [] for key in request.partition_keys]


def test_new_series_become_partitions_and_one_run_each(
    lake: CandleLake, stored: Candles, instance: dg.DagsterInstance
):
    other = Series("kraken", "ETH/USD", "5m")
    lake.write(Candles(other, *(column[:500] for column in stored.columns())))
    result = tick(lake, instance)
    assert added(result) == [other.key]  # the first one is known to the instance already
    assert requested(result) == [
        range_tags(stored.series, "2017-01", "2017-02"),
        range_tags(other, "2017-01", "2017-01"),
    ]


def test_nothing_new_asks_for_nothing(lake: CandleLake, stored: Candles, instance: dg.DagsterInstance):
    first = tick(lake, instance)
    second = tick(lake, instance, first.cursor)
    assert requested(second) == []
    assert added(second) == []
    assert second.cursor == first.cursor


def test_one_more_bar_asks_for_its_month_alone(
    lake: CandleLake, stored: Candles, instance: dg.DagsterInstance
):
    first = tick(lake, instance)
    bar = Candles(stored.series, *(column[-1:].copy() for column in stored.columns()))
    bar.ts[0] += stored.series.interval_ns
    lake.write(bar)
    second = tick(lake, instance, first.cursor)
    assert requested(second) == [range_tags(stored.series, "2017-02", "2017-02")]
    keys = {str(request.run_key) for result in (first, second) for request in result.run_requests or []}
    assert len(keys) == 2


def corrected(candles: Candles, row: int) -> Candles:
    """One bar again, with more volume."""
    bar = Candles(candles.series, *(column[row : row + 1].copy() for column in candles.columns()))
    bar.volume[0] *= 2
    return bar


def test_a_correction_asks_for_the_months_whose_features_reach_back_into_it(
    lake: CandleLake, stored: Candles, instance: dg.DagsterInstance
):
    first = tick(lake, instance)
    lake.write(corrected(stored, 10))
    second = tick(lake, instance, first.cursor)
    assert requested(second) == [range_tags(stored.series, "2017-01", "2017-02")]


def test_a_correction_that_is_taken_back_is_computed_again(
    lake: CandleLake, stored: Candles, instance: dg.DagsterInstance
):
    ticks = [tick(lake, instance)]
    for bar in (corrected(stored, 10), stored[10:11]):
        lake.write(bar)
        ticks.append(tick(lake, instance, ticks[-1].cursor))
    keys = [request.run_key for result in ticks for request in result.run_requests or []]
    assert len(set(keys)) == len(keys) == 3


def test_files_that_were_not_replaced_are_not_read_again(
    lake: CandleLake, stored: Candles, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    first = tick(lake, instance)
    monkeypatch.setattr(CandleLake, "read_month", lambda *_: pytest.fail("read again"))
    assert requested(tick(lake, instance, first.cursor)) == []


def test_an_empty_lake_asks_for_nothing(lake: CandleLake, instance: dg.DagsterInstance):
    assert requested(tick(lake, instance)) == []


@pytest.fixture
def stored_instance(tmp_path: Path, series: Series) -> Iterator[dg.DagsterInstance]:
    """Schedules are given a reference to an instance, so it must be on disk."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        instance.add_dynamic_partitions(PAIR, [series.key])
        yield instance


def test_the_daily_refresh_closes_the_old_month_on_the_first(
    stored_instance: dg.DagsterInstance, series: Series
):
    context = dg.build_schedule_context(
        instance=stored_instance, scheduled_execution_time=datetime(2017, 2, 1, 0, 15, tzinfo=UTC)
    )
    (request,) = daily_refresh(context)
    assert request.tags == range_tags(series, "2017-01", "2017-02")


def test_a_top_up_is_asked_for_unless_one_is_under_way(stored_instance: dg.DagsterInstance):
    context = dg.build_schedule_context(
        instance=stored_instance, scheduled_execution_time=datetime(2017, 2, 1, 0, 15, tzinfo=UTC)
    )
    asked = frequent_top_up(context)
    assert isinstance(asked, dg.RunRequest)
    (limit,) = stored_instance.event_log_storage.get_pool_limits()
    assert (limit.name, limit.limit) == ("exchange", 1)
    stored_instance.create_run_for_job(
        defs.resolve_job_def("top_up").get_subset(), status=dg.DagsterRunStatus.STARTED
    )
    assert isinstance(frequent_top_up(context), dg.SkipReason)


def test_schedules_wait_until_somebody_starts_them():
    for schedule in (frequent_top_up, daily_refresh, weekly_retrain):
        assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED


def test_a_range_over_several_series_is_read_as_such():
    known = ["a:B-C:1m", "d:E-F:1m", "g:H-I:1m"]
    tags = {
        "dagster/asset_partition_range_start": "2017-01|a:B-C:1m",
        "dagster/asset_partition_range_end": "2017-02|d:E-F:1m",
    }
    assert [series.key for series in series_in_run(tags, known)] == known[:2]


def test_experiments_are_reviewed_once_an_hour(stored_instance: dg.DagsterInstance):
    keys = {
        hourly_experiments(
            dg.build_schedule_context(
                instance=stored_instance, scheduled_execution_time=datetime(2017, 2, 1, hour, 30, tzinfo=UTC)
            )
        ).run_key
        for hour in (0, 1, 1)
    }
    assert len(keys) == 2
