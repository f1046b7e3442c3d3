"""Retrainings as Dagster sees them: requests that become runs, and runs that say which retraining they are.

One rule for every way to a model: where one is in production, a candidate goes into its shadow; the first of its type
is promoted by its certificate.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from gal_friday_adapters.lake import CandleLake
from gal_friday_assets.drift_looks import converse
from gal_friday_assets.resources import Settings
from gal_friday_core.errors import RegistryError
from gal_friday_core.retraining.policy import HAVE_RUNS, Retraining
from gal_friday_core.times import SECOND_NS
from gal_friday_live.clock import SystemClock
from gal_friday_live.model_registry import ModelRegistry
from gal_friday_live.retraining_pipeline import RetrainingPipeline

TAG = "gal_friday/retraining"
"""The tag by which a run of `retrain` says which retraining it is. Its candidate goes into the shadow first."""

STAGE = "production"

GRACE_NS = 300 * SECOND_NS
"""So long whoever asks and starts the run as well may take; then the sensor `retraining` does it."""

OVER = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def deploy(
    settings: Settings, lake: CandleLake, model_id: str, run: Mapping[str, str], run_id: str
) -> dict[str, Any]:
    """The candidate of a Dagster run: into the shadow, into production as the first of its type, or neither, with the reasons.

    `run` are its tags. A run that nobody asked for is a retraining of its own.
    """

    async def body(pipeline: RetrainingPipeline, registry: ModelRegistry) -> dict[str, Any]:
        model_type = (await registry.get_model(model_id, stage=None)).model_type
        incumbent = await pipeline.incumbent(model_type, model_id)
        if TAG not in run and incumbent is None:
            return await promote_if_passed(registry, model_id)
        retraining = run.get(TAG)
        if retraining is None:
            why = {
                "cause": "run",
                "reason": f"run {run_id} was not asked for by a retraining",
                "window": run_id,
            }
            asked = await pipeline.ask(str(incumbent), why, trained=True)
            if asked.state == "HELD_BACK":
                return _told(model_id, str(incumbent), shadow=False, reasons=[asked.said])
            retraining = asked.run_id
        await pipeline.begun(retraining, run_id)
        found = await pipeline.trained(retraining, model_id, cpu_s=time.process_time())
        return _told(model_id, **found)

    return converse(settings, lake, body)


def _told(model_id: str, production: str, *, shadow: bool, reasons: list[str]) -> dict[str, Any]:
    """What `production_model` says of a candidate that is not promoted now."""
    return {
        "model_id": model_id,
        "promoted": False,
        "reasons": reasons,
        "production": production,
        "shadow": shadow,
    }


async def promote_if_passed(models: ModelRegistry, model_id: str) -> dict[str, Any]:
    """Promote a version whose certificate passed; what is in production then, and why if it is not this one."""
    found = await models.get_certificate(model_id)
    if found is None:
        raise RegistryError(f"{model_id} has no certificate: materialise its certificate again")
    if found.passed:
        await models.promote_model(model_id, STAGE, reason="its certificate passed")
    current = await models.list_models(STAGE, model_type=found.model_type)
    production = current[0]["model_id"] if current else ""
    return {
        "model_id": model_id,
        "promoted": production == model_id,
        "reasons": list(found.reasons),
        "production": production,
        "shadow": False,
    }


def ask(
    settings: Settings, lake: CandleLake, model_types: Iterable[str], why: Mapping[str, Any]
) -> dict[str, Retraining | None]:
    """Ask for a successor of what each type has in production; None where nothing is."""

    async def body(pipeline: RetrainingPipeline, _: ModelRegistry) -> dict[str, Retraining | None]:
        incumbents = {one: await pipeline.incumbent(one) for one in model_types}
        return {
            model_type: None if model_id is None else await pipeline.ask(model_id, why)
            for model_type, model_id in incumbents.items()
        }

    return converse(settings, lake, body)


def run_for(
    instance: dg.DagsterInstance, series_key: str, asked: Retraining | None, first: str
) -> dg.RunRequest | None:
    """The run that trains what was asked for; None where it is held back, or under way by now.

    `first` is the key of the run of a type without a model: nobody has to be asked for that one.
    """
    if asked is None:
        return dg.RunRequest(run_key=first, partition_key=series_key)
    if asked.state != "REQUESTED" or run_of(instance, asked) is not None:
        return None
    return _request(asked)


def _request(asked: Retraining) -> dg.RunRequest:
    return dg.RunRequest(run_key=asked.run_id, partition_key=asked.model_type, tags={TAG: asked.run_id})


def wanted(instance: dg.DagsterInstance, settings: Settings, lake: CandleLake) -> list[dg.RunRequest]:
    """A run for each retraining that was asked for and has none; those whose run came to nothing are told so."""
    open_runs = converse(settings, lake, lambda pipeline, _: pipeline.runs())
    since_ns = SystemClock().now_ns() - GRACE_NS
    requests = []
    for one in open_runs:
        if one.state not in {"REQUESTED", "STARTED"}:
            continue
        run = run_of(instance, one)
        if run is not None:
            _follow(settings, lake, one, run)
        elif one.cause not in HAVE_RUNS or one.requested_ns < since_ns:
            requests.append(_request(one))
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
