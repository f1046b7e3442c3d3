"""Which launcher the configuration asks for, and what is said where it cannot be had."""

import json
import logging
from pathlib import Path

import dagster as dg
import pytest
from dagster._daemon.monitoring.run_monitoring import monitor_starting_run
from pydantic import ValidationError

from gal_friday_assets import launchers
from gal_friday_assets.celery_launcher import WatchedCeleryLauncher
from gal_friday_assets.instance import prepare_home
from gal_friday_assets.launchers import BROKER_VARIABLE
from gal_friday_assets.worker import main
from gal_friday_core.dagster_settings import DagsterConfig
from gal_friday_core.errors import ConfigError
from tests.assets import celery_jobs

BROKER = "rediss://:opensesame@redis.internal:6379/0"
CELERY = DagsterConfig(launcher="celery", broker_url=BROKER, runs_at_once=8, worker_silence_s=30)


def test_by_default_nothing_of_celery_is_asked_for(database_url: str, data_home: Path):
    env = prepare_home(data_home / "dagster", database_url)
    written = json.loads((data_home / "dagster" / "dagster.yaml").read_text())
    assert "run_launcher" not in written
    assert "run_queue" not in written
    assert BROKER_VARIABLE not in env


def test_the_configuration_chooses_the_launcher_and_dagster_makes_it(
    database_url: str, data_home: Path, monkeypatch: pytest.MonkeyPatch
):
    env = prepare_home(data_home / "dagster", database_url, CELERY)
    assert "opensesame" not in (data_home / "dagster" / "dagster.yaml").read_text()
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        launcher = instance.run_launcher
        assert isinstance(launcher, WatchedCeleryLauncher)
        assert launcher.celery.conf.broker_url == launcher.celery.conf.result_backend == BROKER
        assert launcher.celery.conf.worker_disable_prefetch
        assert not launcher.celery.conf.task_acks_late
        assert instance.run_monitoring_start_timeout_seconds == 600
        queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None
        assert queue.max_concurrent_runs == 8
        assert queue.max_user_code_failure_retries > 0


def test_a_run_that_nobody_began_fails_with_what_to_look_at(
    database_url: str, data_home: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, value in prepare_home(data_home / "dagster", database_url, CELERY).items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        instance.wipe()
        job = celery_jobs.defs.resolve_job_def("telling")
        run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.NOT_STARTED)
        record = instance.get_run_record_by_id(run.run_id)
        assert record is not None
        monkeypatch.setattr(type(instance), "run_monitoring_start_timeout_seconds", property(lambda _: 0))
        monitor_starting_run(instance, record, logging.getLogger(__name__))
        (failed,) = instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
        assert failed.dagster_run.run_id == run.run_id
        assert "No worker took it" in " ".join(entry.message for entry in instance.all_logs(run.run_id))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"launcher": "celery"}, "needs dagster.broker_url"),
        ({"launcher": "celery", "broker_url": "amqp://opensesame@here"}, "must begin with redis://"),
        ({"launcher": "ray"}, "'local' or 'celery'"),
    ],
)
def test_a_launcher_that_cannot_be_is_refused_without_its_password(asked: dict[str, str], said: str):
    with pytest.raises(ValidationError, match=said) as refused:
        DagsterConfig.model_validate(asked)
    assert "opensesame" not in str(refused.value)


def test_a_launcher_that_is_not_installed_says_how_to_install_it(
    database_url: str, data_home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(launchers, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"install gal-friday\[distributed\]"):
        prepare_home(data_home / "dagster", database_url, CELERY)


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({}, "dagster.launcher is local: a worker serves celery"),
        (
            {"GAL_FRIDAY__DAGSTER__LAUNCHER": "celery", "GAL_FRIDAY__DAGSTER__BROKER_URL": BROKER},
            "storage.database_url is unset",
        ),
        ({"GAL_FRIDAY__DAGSTER__LAUNCHER": "celery"}, "needs dagster.broker_url"),
    ],
)
def test_a_worker_that_cannot_work_says_so_in_one_line(
    env: dict[str, str],
    said: str,
    *,
    data_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert main([]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert "opensesame" not in error
