"""A pipeline whose process was killed leaves nothing behind that the next one waits for: on the instance that `up` uses."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psutil
import pytest

from gal_friday_assets.abandoned import PROCESS_TAG, end_abandoned, this_process
from gal_friday_assets.definitions import defs
from gal_friday_assets.instance import prepare_home

POOL = "training"


@pytest.fixture
def instance(
    database_url: str, data_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    for name, value in prepare_home(data_home / "dagster", database_url).items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        instance.wipe()  # Dagster's database is the same for every test
        instance.event_log_storage.initialize_concurrency_limit_to_default(POOL)
        yield instance


def under_way(instance: dg.DagsterInstance, process: str | None) -> str:
    tags = {} if process is None else {PROCESS_TAG: process}
    run = instance.create_run_for_job(
        defs.resolve_job_def("retrain").get_subset(), status=dg.DagsterRunStatus.STARTED, tags=tags
    )
    return run.run_id


def failed(instance: dg.DagsterInstance) -> set[str]:
    records = instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
    return {record.dagster_run.run_id for record in records}


def test_a_killed_process_s_run_has_failed_and_its_place_is_free(instance: dg.DagsterInstance):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        began = psutil.Process(process.pid).create_time()
        left = under_way(instance, f"{socket.gethostname()} {process.pid} {began:.0f}")
        storage = instance.event_log_storage
        assert storage.claim_concurrency_slot(POOL, left, "candidate_model").is_claimed
        assert not storage.claim_concurrency_slot(POOL, "another", "candidate_model").is_claimed
        assert end_abandoned(instance) == []
        process.kill()
    assert end_abandoned(instance) == [left]
    assert failed(instance) == {left}
    assert storage.claim_concurrency_slot(POOL, "another", "candidate_model").is_claimed
    assert end_abandoned(instance) == []


def test_what_lives_is_elsewhere_or_is_dagster_s_own_is_left_alone(instance: dg.DagsterInstance):
    for process in (this_process(), "another-host 1 1000000000", None):
        under_way(instance, process)
    assert end_abandoned(instance) == []


def test_a_number_that_another_process_has_by_now_is_not_the_one_that_began_the_run(
    instance: dg.DagsterInstance,
):
    host, number, began = this_process().rsplit(" ", 2)
    left = under_way(instance, f"{host} {number} {int(began) - 3_600}")
    assert end_abandoned(instance) == [left]
