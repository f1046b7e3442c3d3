"""Runs that this process executes by itself, shown where Dagster shows all others: on the timeline and at their jobs.

Dagster files a run under the code location that it was asked of. Its in-process execution leaves that out.
"""

import sys
from functools import partial

import dagster as dg
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from gal_friday_assets.instance import WORKSPACE

_LOADED = WORKSPACE["load_from"][0]["python_module"]


def origin(job: str) -> RemoteJobOrigin:
    """A job of our code location, as the web server and the daemon load it."""
    target = LoadableTargetOrigin(
        executable_path=sys.executable,
        module_name=_LOADED["module_name"],
        attribute=_LOADED["attribute"],
        working_directory=_LOADED["working_directory"],
    )
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target, _LOADED["location_name"])
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME), job)


def file_runs_under(instance: dg.DagsterInstance, job: str) -> None:
    """From here on, runs that are executed on this instance in this process are those of a job of ours."""
    create = type(instance).create_run_for_job
    own = partial(create, instance, remote_job_origin=origin(job))
    instance.create_run_for_job = own  # type: ignore[method-assign] # it has no other door
