"""Dagster's records are tidied, and nothing that is needed goes: on the instance that `up` uses."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sql
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable as Events
from dagster._core.storage.runs.schema import RunsTable as Runs

from gal_friday_assets import event_log
from gal_friday_assets.housekeeping import dagster_records, flight_records
from gal_friday_assets.instance import prepare_home
from gal_friday_assets.lineage import said
from gal_friday_assets.resources import Settings
from tests.live.test_heard import flight

NOW = datetime.now(UTC)
SERIES = dg.StaticPartitionsDefinition(["a", "b"])


@dg.asset(partitions_def=SERIES)
def made(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    context.log.info("a line")
    print("printed")
    return dg.MaterializeResult(metadata={"number": 36})


@dg.asset_check(asset="made")
def fine(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


@pytest.fixture
def instance(
    database_url: str, data_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    environment = prepare_home(data_home / "dagster", database_url)
    for name, value in {**environment, "GAL_FRIDAY_DATABASE_URL": database_url}.items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        instance.wipe()  # Dagster's database is the same for every test
        yield instance


def run(instance: dg.DagsterInstance, partition: str, days_ago: int) -> str:
    """Materialise `made`, so many days ago."""
    done = dg.materialize([made, fine], instance=instance, partition_key=partition)
    ended = NOW - timedelta(days=days_ago)
    with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
        connection.execute(
            sql.update(Runs).where(Runs.c.run_id == done.run_id).values(end_time=ended.timestamp())
        )
    return done.run_id


def kinds(instance: dg.DagsterInstance, run_id: str) -> list[str | None]:
    with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
        asked = sql.select(Events.c.dagster_event_type).where(Events.c.run_id == run_id).order_by(Events.c.id)
        return list(connection.execute(asked).scalars())


def printed(data_home: Path, run_id: str) -> bool:
    return (data_home / "dagster" / "compute_logs" / run_id).exists()


def test_lines_of_old_runs_go_and_what_came_of_them_stays(instance: dg.DagsterInstance, data_home: Path):
    old, young = run(instance, "a", 20), run(instance, "a", 3)
    before = kinds(instance, young)
    assert printed(data_home, old)
    dropped = event_log.drop_lines(instance, NOW - timedelta(days=14))
    assert kinds(instance, young) == before
    assert len(kinds(instance, old)) == len(before) - dropped
    assert kinds(instance, old) == [
        "ASSET_MATERIALIZATION_PLANNED", "PIPELINE_START", "ASSET_MATERIALIZATION", "ASSET_CHECK_EVALUATION",
        "PIPELINE_SUCCESS",
    ]  # fmt: skip
    assert [printed(data_home, run_id) for run_id in (old, young)] == [False, True]
    assert event_log.drop_lines(instance, NOW - timedelta(days=14)) == 0


def test_old_runs_go_unless_a_partition_s_newest_materialisation_is_theirs(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(event_log, "PLOTTED", 2)
    lonely = run(instance, "b", 400)
    runs = [run(instance, "a", days) for days in (300, 200, 100, 3)]
    assert event_log.drop_runs(instance, NOW - timedelta(days=90)) == 2
    assert {record.dagster_run.run_id for record in instance.get_run_records()} == {lonely, *runs[2:]}
    assert kinds(instance, runs[0]) == []
    assert said(instance, "made", "b") == {"number": 36}
    with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
        left = connection.execute(sql.text("select run_id from asset_check_executions")).scalars()
        assert set(left) == {lonely, *runs[2:]}


def test_runs_under_way_are_left_alone(instance: dg.DagsterInstance):
    begun = run(instance, "a", 400)
    with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
        connection.execute(sql.update(Runs).values(status="STARTED"))
    before = kinds(instance, begun)
    assert event_log.drop_lines(instance, NOW) == event_log.drop_runs(instance, NOW) == 0
    assert kinds(instance, begun) == before


def test_the_asset_says_how_much_there_is(instance: dg.DagsterInstance):
    run(instance, "a", 20)
    result = dg.materialize([dagster_records], resources={"settings": Settings()}, instance=instance)
    (event,) = result.asset_materializations_for_node("dagster_records")
    told = {name: value.value for name, value in event.metadata.items()}
    assert told["dropped_lines"] > 5
    assert told["dropped_runs"] == 0
    assert told["runs"] == 2
    assert told["database_bytes"] > told["event_bytes"] > 10_000
    assert told["event_rows"] > 0


def test_old_flights_go_and_the_asset_says_what_is_left(
    instance: dg.DagsterInstance, data_home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GAL_FRIDAY__DAGSTER__KEEP_FLIGHTS_DAYS", "1")
    for name, days in (("old", 2), ("new", 0)):
        flight(data_home / "flights", name, [1], venue="http://127.0.0.1:1")
        at = (NOW - timedelta(days=days)).timestamp()
        for path in (data_home / "flights" / name).iterdir():
            os.utime(path, (at, at))
    result = dg.materialize([flight_records], resources={"settings": Settings()}, instance=instance)
    (event,) = result.asset_materializations_for_node("flight_records")
    told = {name: value.value for name, value in event.metadata.items()}
    assert (told["deleted"], told["flights"]) == (["old"], 1)
    assert told["bytes"] > 0
