"""Every schedule and every sensor, ticked by the daemon's own code: our code server, the instance that `up` uses."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import InstigatorTick, TickStatus
from dagster._core.test_utils import freeze_time
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._daemon.sensor import execute_sensor_iteration
from dagster._scheduler.scheduler import launch_scheduled_runs

from gal_friday_assets.definitions import defs
from gal_friday_assets.instance import prepare_home
from gal_friday_assets.partitions import PAIR
from gal_friday_core.candles import Candles
from gal_friday_core.statement import day_bounds

LOG = logging.getLogger("ticks")
LATER = timedelta(hours=1)
"""More than every sensor waits between two ticks."""

A_WEEK = timedelta(days=8)
"""In which every schedule has a tick."""


class Daemon:
    """What `dagster-daemon` does with sensors and schedules, once for each call; the runs that they ask for stay queued."""

    def __init__(self, instance: dg.DagsterInstance, process: WorkspaceProcessContext) -> None:
        self.instance = instance
        self._process = process
        (location,) = process.create_request_context().code_locations
        (self._repository,) = location.get_repositories().values()

    def start_everything(self) -> None:
        for sensor in self._repository.get_sensors():
            self.instance.start_sensor(sensor)
        for schedule in self._repository.get_schedules():
            self.instance.start_schedule(schedule)

    def tick_sensors(self, now: datetime) -> None:
        with freeze_time(now):
            said = list(execute_sensor_iteration(self._process, LOG, None, None))
        assert [error for error in said if error is not None] == []

    def tick_schedules(self, now: datetime) -> None:
        times: dict[str, Any] = {}
        said = list(launch_scheduled_runs(self._process, LOG, now, times, max_catchup_runs=1))
        assert [error for error in said if error is not None] == []

    def ticks(self) -> dict[str, list[InstigatorTick]]:
        """By name, the newest first."""
        found = [*self._repository.get_sensors(), *self._repository.get_schedules()]
        return {
            one.name: list(self.instance.get_ticks(one.get_remote_origin_id(), one.selector_id))
            for one in found
        }

    def runs(self) -> list[dg.DagsterRun]:
        return [record.dagster_run for record in self.instance.get_run_records()]


@pytest.fixture
def daemon(
    database_url: str, data_home: Path, stored: Candles, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Daemon]:
    home = data_home / "dagster"
    environment = {**prepare_home(home, database_url), "GAL_FRIDAY_DATABASE_URL": database_url}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        instance.wipe()  # Dagster's database is the same for every test
        instance.delete_dynamic_partition(PAIR, stored.series.key)
        with WorkspaceProcessContext(
            instance, WorkspaceFileTarget([str(home / "workspace.yaml")])
        ) as process:
            yield Daemon(instance, process)


def test_every_schedule_and_sensor_ticks(daemon: Daemon, stored: Candles):
    daemon.start_everything()
    now = datetime.now(UTC)
    daemon.tick_sensors(now + LATER)
    assert daemon.instance.get_dynamic_partitions(PAIR) == [stored.series.key]
    asked = [run.job_name for run in daemon.runs()]
    assert asked.count("refresh") == 1
    daemon.tick_schedules(now)  # those that are on from the start begin with the first look at them
    daemon.tick_schedules(now + A_WEEK)

    names = {one.name for one in [*(defs.sensors or []), *(defs.schedules or [])]}
    ticks = daemon.ticks()
    assert set(ticks) == names
    assert {name: tick.error for name, found in ticks.items() for tick in found if tick.error} == {}
    ended = {name: {tick.status for tick in found} for name, found in ticks.items()}
    assert all(status and status <= {TickStatus.SUCCESS, TickStatus.SKIPPED} for status in ended.values()), (
        ended
    )
    check_requests(daemon, stored)

    daemon.tick_sensors(
        now + 2 * LATER
    )  # a sensor whose turn came before the series was known looks at it now
    before = daemon.runs()
    daemon.instance.report_run_failed(before[0])
    daemon.tick_sensors(now + 3 * LATER)
    assert len(daemon.runs()) == len(before)
    assert daemon.ticks()["run_failure"][0].status == TickStatus.SUCCESS


def check_requests(daemon: Daemon, stored: Candles) -> None:
    """Every schedule asked for a run of its job: queued, with a longest time, of partitions that there are."""
    runs = daemon.runs()
    assert {schedule.job_name for schedule in defs.schedules or []} <= {run.job_name for run in runs}
    for run in runs:
        assert run.status == dg.DagsterRunStatus.QUEUED
        assert int(run.tags["dagster/max_runtime"]) > 0
        for tag in ("dagster/partition", "dagster/asset_partition_range_start"):
            named = run.tags.get(tag)
            if named is not None and run.job_name == "statements":
                assert day_bounds(named)  # its week has not come: a day, and no partition yet
            elif named is not None:
                assert named.endswith(stored.series.key)
