"""Retrainings as Dagster sees them: requests that become runs, and runs that say which retraining they are."""

import time
from collections.abc import Mapping
from typing import Any

import dagster as dg

from gal_friday_adapters.lake import CandleLake
from gal_friday_assets.drift_looks import converse
from gal_friday_assets.resources import Settings
from gal_friday_core.errors import RegistryError
from gal_friday_core.retraining.policy import Retraining
from gal_friday_live.model_registry import ModelRegistry
from gal_friday_live.retraining_pipeline import RetrainingPipeline

TAG = "gal_friday/retraining"
"""The tag by which a run of `retrain` says which retraining it is. Its candidate goes into the shadow first."""

OVER = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def to_shadow(
    settings: Settings, lake: CandleLake, model_id: str, run: Mapping[str, str], run_id: str
) -> dict[str, Any]:
    """The candidate of a retraining that this Dagster run is: into the shadow, or refused. What `production_model` says."""

    async def body(pipeline: RetrainingPipeline, _: ModelRegistry) -> dict[str, Any]:
        await pipeline.begun(run[TAG], run_id)
        found = await pipeline.trained(run[TAG], model_id, cpu_s=time.process_time())
        return {
            "model_id": model_id,
            "promoted": False,
            "reasons": found["reasons"],
            "production": found["production"],
            "shadow": found["shadow"],
        }

    return converse(settings, lake, body)


def wanted(instance: dg.DagsterInstance, settings: Settings, lake: CandleLake) -> list[dg.RunRequest]:
    """A run for each retraining that was asked for and has none; those whose run came to nothing are told so."""
    open_runs = converse(settings, lake, lambda pipeline, _: pipeline.runs())
    found = [one for one in open_runs if one.state in {"REQUESTED", "STARTED"}]
    requests = []
    for one in found:
        run = run_of(instance, one)
        if run is None:
            requests.append(
                dg.RunRequest(run_key=one.run_id, partition_key=one.model_type, tags={TAG: one.run_id})
            )
        else:
            _follow(settings, lake, one, run)
    return requests


def run_of(instance: dg.DagsterInstance, one: Retraining) -> dg.DagsterRun | None:
    """The latest Dagster run of a retraining."""
    records = instance.get_runs(dg.RunsFilter(tags={TAG: one.run_id}), limit=1)
    return next(iter(records), None)


def _follow(settings: Settings, lake: CandleLake, one: Retraining, run: dg.DagsterRun) -> None:
    async def body(pipeline: RetrainingPipeline, _: ModelRegistry) -> None:
        try:
            await pipeline.begun(one.run_id, run.run_id)
            if run.status in OVER:
                await pipeline.failed(one.run_id, f"run {run.run_id}: {run.status.value}")
        except RegistryError:
            return  # it went on meanwhile

    if one.state == "REQUESTED" or run.status in OVER:
        converse(settings, lake, body)
