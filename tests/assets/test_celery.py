"""The same definitions on two Celery workers with separate homes, and what happens when one is killed."""

import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
import numpy as np
import psutil
import pytest
from dagster._core.code_pointer import FileCodePointer
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._daemon.monitoring.run_monitoring import monitor_started_run
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import pack_value
from dagster_celery.config import TASK_EXECUTE_JOB_NAME

from gal_friday_adapters.artifact_store import ArtifactStore
from gal_friday_adapters.feature_tables import table_name
from gal_friday_adapters.lake import CandleLake, TableLake
from gal_friday_adapters.locations import ObjectUrl
from gal_friday_adapters.paths import dagster_home
from gal_friday_assets import celery_launcher
from gal_friday_assets.celery_launcher import WatchedCeleryLauncher
from gal_friday_assets.definitions import defs
from gal_friday_assets.instance import configured, prepare_home
from gal_friday_assets.partitions import PAIR, range_tags
from gal_friday_core.artifact import artifact_id
from gal_friday_core.candles import Series
from gal_friday_core.doctor.check import Check
from gal_friday_core.errors import StorageError
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_live.doctor import pipeline
from tests.assets import celery_jobs
from tests.assets.celery_parts import (
    GAL_FRIDAY,
    SMALL,
    Redis,
    Worker,
    open_gate,
    origin,
    send,
    until,
    worker,
)
from tests.assets.conftest import BARS, market
from tests.bucket_server import KEYS, BucketServer

SILENCE_S = 1.0
PASSWORD = "opensesame"
OVER = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
gated = celery_jobs.defs.resolve_job_def("gated")
telling = celery_jobs.defs.resolve_job_def("telling")
storing = celery_jobs.defs.resolve_job_def("storing")


@dataclass(frozen=True, slots=True)
class Gated:
    """A run that waits at its gate, and the process that it waits in."""

    gate: Path
    run: str
    pid: int


@dataclass(frozen=True, slots=True)
class Cluster:
    instance: dg.DagsterInstance
    broker: Redis
    folder: Path
    workers: list[Worker]
    bucket: ObjectUrl

    def last_words(self, run: str) -> str:
        return " ".join(entry.user_message or entry.message for entry in self.instance.all_logs(run)[-3:])

    def over(self, *runs: str) -> list[dg.DagsterRunStatus]:
        """How they ended, once all have."""
        until(lambda: all(self.status(run) in OVER for run in runs), "the end of runs")
        return [self.status(run) for run in runs]

    def status(self, run: str) -> dg.DagsterRunStatus:
        found = self.instance.get_run_by_id(run)
        assert found is not None
        return found.status

    def gated(self, gate: Path) -> Gated:
        """A run that a worker has begun."""
        os.mkfifo(gate)
        config = {"ops": {"waits": {"config": {"gate": str(gate)}}}}
        run = send(self.instance, gated, SMALL, run_config=config)
        pid = gate.with_suffix(".pid")
        until(lambda: pid.exists() and pid.read_text(), "a run at its gate")
        return Gated(gate, run, int(pid.read_text()))

    def watch(self, run: str) -> dg.DagsterRunStatus:
        """One look of the daemon's watch over runs."""
        record = self.instance.get_run_record_by_id(run)
        assert record is not None
        if record.dagster_run.status is dg.DagsterRunStatus.STARTED:
            monitor_started_run(self.instance, None, record, logging.getLogger(__name__))
        return self.status(run)


@pytest.fixture(scope="module")
def cluster(
    new_database: Callable[[], AbstractContextManager[str]],
    running_bucket_server: BucketServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Cluster]:
    """Redis, PostgreSQL, a bucket, a launcher and two workers, each with a home of its own."""
    folder = tmp_path_factory.mktemp("cluster")
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("GAL_FRIDAY_", "DAGSTER_", "AWS_"))]:
            patch.delenv(name)
        bucket = running_bucket_server.bucket()
        broker = stack.enter_context(Redis(folder, PASSWORD))
        env = {
            "GAL_FRIDAY_DATABASE_URL": stack.enter_context(new_database()),
            "GAL_FRIDAY__DAGSTER__LAUNCHER": "celery",
            "GAL_FRIDAY__DAGSTER__BROKER_URL": broker.address,
            "GAL_FRIDAY__DAGSTER__WORKER_SILENCE_S": str(SILENCE_S),
            "GAL_FRIDAY__STORAGE__LAKE": str(bucket / "lake"),
            "GAL_FRIDAY__STORAGE__ARTIFACTS": str(bucket / "artifacts"),
            "GAL_FRIDAY__STORAGE__REPORTS": str(bucket / "reports"),
            "GAL_FRIDAY__OBJECT_STORE__ENDPOINT_URL": running_bucket_server.endpoint,
            **KEYS,
        }
        patch.setenv("GAL_FRIDAY_DATA_DIR", str(folder / "daemon"))
        for name, value in env.items():
            patch.setenv(name, value)
        config = configured()
        home = prepare_home(dagster_home(config), env["GAL_FRIDAY_DATABASE_URL"], config.dagster)
        for name, value in home.items():
            patch.setenv(name, value)
        instance = stack.enter_context(dg.DagsterInstance.get())
        instance.wipe()
        workers = [stack.enter_context(worker(name, folder / name, env)) for name in ("one", "two")]
        until(lambda: all(one.ready for one in workers), "two workers")
        yield Cluster(instance, broker, folder, workers, bucket)


def test_two_workers_with_homes_of_their_own_fill_one_lake_and_one_store_in_a_bucket(cluster: Cluster):
    candles = market(np.zeros(BARS))
    pairs = [Series("kraken", pair, "5m") for pair in ("BTC/USD", "ETH/USD")]
    for series in pairs:
        CandleLake(cluster.bucket / "lake").write(replace(candles, series=series))
    cluster.instance.add_dynamic_partitions(PAIR, [series.key for series in pairs])
    refresh = defs.resolve_job_def("refresh")
    tags = [range_tags(series, "2017-01", "2017-02") for series in pairs]
    runs = [send(cluster.instance, refresh, GAL_FRIDAY, tags=one) for one in tags]
    assert cluster.over(*runs) == [dg.DagsterRunStatus.SUCCESS] * 2
    assert [len(one.received()) for one in cluster.workers] == [1, 1]
    tables = TableLake(cluster.bucket / "lake")
    name = table_name(CANDLES_V1)
    assert [tables.months(name, series.key) for series in pairs] == [["2017-01", "2017-02"]] * 2
    assert cluster.over(send(cluster.instance, storing, SMALL)) == [dg.DagsterRunStatus.SUCCESS]
    stored = ArtifactStore(cluster.bucket / "artifacts")
    assert stored.get(artifact_id(celery_jobs.SEALED)) == celery_jobs.SEALED
    for one in cluster.workers:
        assert {path.name for path in one.home.iterdir()} == {"dagster", "worker.log"}


def test_the_doctor_finds_both_workers_with_this_code_and_says_where_the_broker_refuses(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pipeline, "PATIENCE_S", 1.0)
    config = configured()

    def found() -> list[Check]:
        return list(pipeline.broker_and_workers(config, cluster.broker.address))

    until(lambda: [check.level for check in found()] == ["ok", "ok"], "two workers that answer in time")
    assert ": 2 places, 0 taken, all run this code" in found()[1].detail
    with pytest.raises(StorageError, match="takes no message") as told:
        pipeline.broker_and_workers(config, cluster.broker.address.replace(PASSWORD, "hunter2"))
    assert "hunter2" not in str(told.value)


def test_a_run_waits_for_a_free_place_wherever_it_is(cluster: Cluster, tmp_path: Path):
    busy = [cluster.gated(tmp_path / name) for name in "ab"]
    third = send(cluster.instance, telling, SMALL)
    open_gate(tmp_path / "b")
    assert cluster.over(busy[1].run, third) == [dg.DagsterRunStatus.SUCCESS] * 2
    assert cluster.status(busy[0].run) is dg.DagsterRunStatus.STARTED
    open_gate(tmp_path / "a")
    assert cluster.over(busy[0].run) == [dg.DagsterRunStatus.SUCCESS]
    until(
        lambda: any("printed by a run" in one.log.read_text() for one in cluster.workers), "what it printed"
    )
    assert not [one for one in cluster.workers if (one.home / "dagster" / "compute_logs").exists()]


def test_a_run_that_is_taken_back_ends_as_canceled(cluster: Cluster, tmp_path: Path):
    run = cluster.gated(tmp_path / "a").run
    cluster.instance.report_run_canceling(cluster.instance.get_run_by_id(run))
    assert cluster.instance.run_launcher.terminate(run)
    assert cluster.over(run) == [dg.DagsterRunStatus.CANCELED]
    assert cluster.over(send(cluster.instance, telling, SMALL)) == [dg.DagsterRunStatus.SUCCESS]


def test_a_killed_run_fails_and_its_worker_takes_the_next(cluster: Cluster, tmp_path: Path):
    killed = cluster.gated(tmp_path / "a")
    os.kill(killed.pid, signal.SIGKILL)
    until(lambda: cluster.watch(killed.run) is dg.DagsterRunStatus.FAILURE, "the watch")
    assert cluster.over(send(cluster.instance, telling, SMALL)) == [dg.DagsterRunStatus.SUCCESS]


def test_a_broker_that_was_killed_and_knows_nothing_more_loses_no_run_that_has_begun(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(cluster.instance.run_launcher, "_silence_s", 60.0)
    monkeypatch.setattr(
        celery_launcher, "ASK_S", 0.5
    )  # its worker may take longer to come back: that is no end
    begun = cluster.gated(tmp_path / "a")
    cluster.broker.kill()
    with pytest.raises(DagsterUserCodeUnreachableError, match="out of reach"):
        send(cluster.instance, telling, SMALL)
    assert cluster.watch(begun.run) is dg.DagsterRunStatus.STARTED
    cluster.broker.start()
    next_one = send(cluster.instance, telling, SMALL)
    assert cluster.over(next_one) == [dg.DagsterRunStatus.SUCCESS]
    assert cluster.watch(begun.run) is dg.DagsterRunStatus.STARTED
    open_gate(begun.gate)
    assert cluster.over(begun.run) == [dg.DagsterRunStatus.SUCCESS]


def test_a_run_that_its_worker_knows_nothing_of_fails_and_is_not_worked_on_any_more(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    begun = cluster.gated(tmp_path / "a")
    answers = WatchedCeleryLauncher._asked
    monkeypatch.setattr(
        WatchedCeleryLauncher, "_asked", lambda *asked: {name: {} for name in answers(*asked)}
    )
    assert cluster.watch(begun.run) is dg.DagsterRunStatus.FAILURE
    assert "was started anew and knows nothing of it" in cluster.last_words(begun.run)
    until(lambda: not psutil.pid_exists(begun.pid), "the end of its process")


def test_a_killed_worker_fails_its_own_run_and_no_other(cluster: Cluster, tmp_path: Path):
    gates = [cluster.gated(tmp_path / name) for name in "ab"]
    dead = cluster.workers[0]
    lost = next(gate for gate in gates if gate.pid in dead.children())
    kept = next(gate for gate in gates if gate is not lost)
    os.kill(dead.process.pid, signal.SIGKILL)
    until(lambda: not psutil.pid_exists(lost.pid), "its run to end with it")
    until(lambda: cluster.watch(lost.run) is dg.DagsterRunStatus.FAILURE, "the watch")
    assert "has not answered for" in cluster.last_words(lost.run)
    assert cluster.watch(kept.run) is dg.DagsterRunStatus.STARTED
    open_gate(kept.gate)
    assert cluster.over(kept.run) == [dg.DagsterRunStatus.SUCCESS]


def test_a_message_brings_no_code(cluster: Cluster, tmp_path: Path):
    (tmp_path / "theirs.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    theirs = origin(telling, FileCodePointer(str(tmp_path / "theirs.py"), "defs", str(tmp_path)))
    run = cluster.instance.create_run_for_job(telling, job_code_origin=origin(telling, SMALL))
    launcher = cluster.instance.run_launcher
    asked = ExecuteRunArgs(theirs, run.run_id, None, set_exit_code_on_failure=True)
    task = launcher._execute.si(execute_job_args_packed=pack_value(asked))
    launcher._launch_celery_task_run(run, task, TASK_EXECUTE_JOB_NAME)
    assert cluster.over(run.run_id) == [dg.DagsterRunStatus.SUCCESS]
    assert not (tmp_path / "ran").exists()
    assert list(launcher.celery.conf.accept_content) == ["json"]


def test_no_file_and_no_log_has_the_password_of_the_broker(cluster: Cluster):
    files = [path for path in cluster.folder.rglob("*") if path.is_file()]
    assert len(files) > 4
    assert not [path for path in files if PASSWORD.encode() in path.read_bytes()]


def test_what_did_not_go_to_a_worker_is_not_judged(cluster: Cluster):
    run = cluster.instance.create_run_for_job(telling, status=dg.DagsterRunStatus.STARTED)
    assert cluster.watch(run.run_id) is dg.DagsterRunStatus.STARTED
    assert not cluster.instance.run_launcher.terminate(run.run_id)
