"""What a Celery worker of the pipeline serves: runs of this Dagster, one child process each.

`python -m gal_friday_assets.worker` starts one; `celery -A gal_friday_assets.celery_app …` looks at all of them. A
message holds a run's id and is JSON: what is executed, the worker reads from Dagster's database.
"""

import ctypes
import os
import signal
import sys

from celery.signals import worker_process_init
from dagster_celery.make_app import make_app
from dagster_celery.tasks import create_execute_job_task, create_resume_job_task

from gal_friday_assets.launchers import BROKER_VARIABLE, CELERY

PR_SET_PDEATHSIG = 1

app = make_app(
    {
        "broker": os.environ[BROKER_VARIABLE],
        "backend": os.environ[BROKER_VARIABLE],
        "config_source": CELERY,
    }
)
execute_job = create_execute_job_task(app)
resume_job = create_resume_job_task(app)


@worker_process_init.connect
def end_with_the_worker(**_: object) -> None:
    """A run whose worker was killed is tried again elsewhere: it must not go on here (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
