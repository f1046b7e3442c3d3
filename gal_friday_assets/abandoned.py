"""Runs whose process is gone: killed, or down with its machine, they would stay under way and hold their places in pools.

Dagster watches the runs that its daemon starts; these are the ones that `gal_friday_assets.runs` starts by itself.
"""

import os
import socket

import dagster as dg
import psutil

PROCESS_TAG = "gal-friday/process"
"""Host, process id and the second in which that process began."""

CLOCK_TOLERANCE_S = 5
UNDER_WAY = (
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


def this_process() -> str:
    """The tag's value for runs of the process that asks."""
    return f"{socket.gethostname()} {os.getpid()} {psutil.Process().create_time():.0f}"


def end_abandoned(instance: dg.DagsterInstance) -> list[str]:
    """Mark as failed what a process of this host left behind, and free its places in pools; the runs' ids."""
    runs = [
        record.dagster_run
        for record in instance.get_run_records(dg.RunsFilter(statuses=list(UNDER_WAY)))
        if _is_gone(record.dagster_run.tags.get(PROCESS_TAG))
    ]
    for run in runs:
        instance.report_run_failed(
            run, "The process that ran it ended without a word: killed, or the machine went down."
        )
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return [run.run_id for run in runs]


def _is_gone(process: str | None) -> bool:
    """Whether a tag names a process of this host that lives no more."""
    if process is None:
        return False
    host, number, began = process.rsplit(" ", 2)
    if host != socket.gethostname():
        return False
    try:
        return abs(psutil.Process(int(number)).create_time() - float(began)) > CLOCK_TOLERANCE_S
    except psutil.NoSuchProcess:
        return True
