"""Runs on Celery workers, and a watch over them: a worker that was killed cannot say that its run has ended.

Dagster's daemon asks `check_run_worker_health` of each run that has begun. Celery itself knows only what a worker
reported last, which stays *started* for ever when the worker is gone; so the workers are asked. What is lost is
marked as failed, which frees its places in pools, and is tried again where its job says so (`jobs.limits`).
"""

import time
from collections.abc import Mapping
from typing import Any, Self

import dagster as dg
from celery import states
from celery.exceptions import CeleryError
from dagster import Field, Float
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import ConfigurableClassData, pack_value
from dagster_celery.config import TASK_EXECUTE_JOB_NAME
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG
from dagster_celery.tasks import create_execute_job_task
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

NOT_BEGUN = (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING)
OUT_OF_REACH = (CeleryError, KombuError, RedisError, OSError)
"""What a broker that is down looks like."""
ASK_S = 5.0
"""How long one look waits for a worker's answer; a busy one still answers, since runs are its child processes."""

NOT_RUN = (states.FAILURE, states.REVOKED, states.REJECTED)
"""Ends of a task that are not Dagster's own: its child process died, or somebody took it back."""


class WatchedCeleryLauncher(CeleryRunLauncher):
    """Sends runs to Celery; asks workers for the runs that they began.

    `silence_s` is for how long nobody may answer for a run until it counts as lost.
    """

    def __init__(self, silence_s: float, **celery: Any) -> None:
        super().__init__(**celery)
        self._silence_s = silence_s
        self._execute = create_execute_job_task(self.celery)
        self._silent_since: dict[str, float] = {}

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Celery's launcher's own settings, and how long a worker may be silent, in seconds."""
        return {**super().config_type(), "silence_s": Field(Float, is_required=False, default_value=60.0)}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        """From dagster.yaml."""
        return cls(inst_data=inst_data, **config_value)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Send the run to Celery. Raises DagsterUserCodeUnreachableError without a broker: the run is queued again."""
        run = context.dagster_run
        if run.job_code_origin is None:
            raise dg.DagsterInvariantViolationError(f"run {run.run_id} does not say where its code is")
        asked = ExecuteRunArgs(
            job_origin=run.job_code_origin,
            run_id=run.run_id,
            instance_ref=None,  # the worker has its own home
            set_exit_code_on_failure=True,
        )
        # Nobody waits for a result, the watch asks. A subscription for each run would never end, and once the broker was
        # away no run could be sent any more.
        self.celery.backend.on_task_call = _subscribe_to_nothing
        task = self._execute.si(execute_job_args_packed=pack_value(asked))
        try:
            self._launch_celery_task_run(run, task, TASK_EXECUTE_JOB_NAME)
        except OUT_OF_REACH as error:
            raise DagsterUserCodeUnreachableError(
                f"the broker of dagster.broker_url is out of reach: {error}"
            ) from error

    def terminate(self, run_id: str) -> bool:
        """Ask the run's worker to end it; False for a run that did not go to Celery."""
        run = self._instance.get_run_by_id(run_id)
        return run is not None and DAGSTER_CELERY_TASK_ID_TAG in run.tags and super().terminate(run_id)

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether a worker still has the run. What does not come from Celery is not ours to judge."""
        task = run.tags.get(DAGSTER_CELERY_TASK_ID_TAG)
        if task is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        try:
            lost = self._lost(run.run_id, task)
        except OUT_OF_REACH as error:
            # No answer from the broker is none about the worker.
            return CheckRunHealthResult(WorkerStatus.RUNNING, f"the broker is out of reach: {error}")
        if not lost:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        self._silent_since.pop(task, None)
        # One that was only slow must not go on beside the run that replaces this one.
        self.celery.control.revoke(task, terminate=True, signal="SIGKILL")
        return CheckRunHealthResult(WorkerStatus.FAILED, lost)

    def get_run_worker_debug_info(
        self,
        run: dg.DagsterRun,
        include_container_logs: bool | None = True,  # noqa: ARG002 - Dagster's signature
    ) -> str | None:
        """What is added where the watch fails a run: what to look at, for one that nobody began."""
        if run.status in NOT_BEGUN:
            return "No worker took it: see that one runs and has a free place (docs/scale-out.md)."
        return None

    def _lost(self, run_id: str, task: str) -> str:
        """Why nobody executes the run any more; empty where somebody does, or may."""
        result = self.celery.AsyncResult(task)
        meta = result.backend.get_task_meta(task, cache=False)
        state = meta["status"]
        if state == states.SUCCESS:
            return self._left_open(run_id)
        if state in NOT_RUN:
            return f"its task ended as {state.lower()}: {meta.get('result')}"
        worker = (meta.get("result") or {}).get("hostname") if state == states.STARTED else None
        answers = self._asked(task, worker)
        if any(task in tasks for tasks in answers.values()):
            self._silent_since.pop(task, None)
            return ""
        if worker in answers and result.backend.get_task_meta(task, cache=False)["status"] == state:
            return f"worker {worker} was started anew and knows nothing of it"
        return self._after_silence(task, worker)

    def _asked(self, task: str, worker: str | None) -> dict[str, dict[str, Any]]:
        """What workers say of the task, by worker: the one that began it, or all where that is not known."""
        to = {} if worker is None else {"destination": [worker], "limit": 1}
        asked = self.celery.control.inspect(timeout=min(ASK_S, self._silence_s), **to)
        return asked.query_task(task) or {}

    def _left_open(self, run_id: str) -> str:
        """A worker writes a run's end before it reports its task: one that is open after that stays open."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return ""
        return "its worker is done with it and could not write down how it ended"

    def _after_silence(self, task: str, worker: str | None) -> str:
        now = time.monotonic()
        silent_s = now - self._silent_since.setdefault(task, now)
        if silent_s < self._silence_s:
            return ""
        return f"{worker or 'whoever began it'} has not answered for {silent_s:.0f} s: killed, or down with its machine"


def _subscribe_to_nothing(_producer: object, _task_id: str) -> None:
    """In place of Celery's own, which listens for the end of every task that is sent."""
