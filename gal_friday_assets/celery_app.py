"""What a Celery worker of the pipeline serves: runs of this Dagster, one child process each.

`python -m gal_friday_assets.worker` starts one; `python -m gal_friday_assets.instance celery -A
gal_friday_assets.celery_app inspect active` looks at all of them. A message holds a run's id and is JSON: what is
executed, the worker reads from Dagster's database.
"""

import ctypes
import os
import signal
import sys
from functools import cache
from typing import Any

import dagster as dg
from celery.signals import worker_init, worker_process_init
from celery.worker.control import inspect_command
from celery.worker.state import active_requests
from dagster._cli.api import _execute_run_command_body  # what Dagster's own workers call
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import unpack_value
from dagster_celery.config import TASK_EXECUTE_JOB_NAME
from dagster_celery.make_app import make_app

from gal_friday_assets.connections import keep_connections, remembered_partitions
from gal_friday_assets.instance import configured
from gal_friday_assets.launchers import BROKER_VARIABLE, CELERY
from gal_friday_live.shared_settings import BUSY, PLACES, TELLS, alike

PR_SET_PDEATHSIG = 1

app = make_app(
    {
        "broker": os.environ[BROKER_VARIABLE],
        "backend": os.environ[BROKER_VARIABLE],
        "config_source": CELERY,
    }
)


@cache
def _instance() -> dg.DagsterInstance:
    """One for all runs of this process: each opens nine connections before its first question."""
    instance = dg.DagsterInstance.get()
    keep_connections(instance)
    return instance


@app.task(name=TASK_EXECUTE_JOB_NAME, track_started=True)
def execute_job(execute_job_args_packed: dict[str, Any]) -> int:
    """Execute one run; 0 where it succeeded. As dagster-celery's task, which asks each question over a new connection."""
    asked = unpack_value(execute_job_args_packed, as_type=ExecuteRunArgs)
    with remembered_partitions(_instance()):
        return _execute_run_command_body(
            run_id=asked.run_id,
            instance=_instance(),
            write_stream_fn=lambda _: None,
            set_exit_code_on_failure=True,
        )


_told: dict[str, str] = {}
"""What this worker had when it started: files that were exchanged since are not what it runs."""


@worker_init.connect
def remember(**_: object) -> None:
    """Before the first run."""
    _told.update(alike(configured()))


@inspect_command(name=TELLS)
def tell(state: Any) -> dict[str, str | int]:
    """The answer to `gal-friday doctor`."""
    return {**_told, PLACES: int(state.consumer.pool.num_processes), BUSY: len(active_requests)}


@worker_process_init.connect
def end_with_the_worker(**_: object) -> None:
    """A run whose worker was killed is tried again elsewhere: it must not go on here (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
