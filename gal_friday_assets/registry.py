"""The door to trading as assets: every candidate is registered and certified, and only one that passed is promoted."""

import hashlib
from functools import partial
from typing import Any

import dagster as dg

from gal_friday_adapters.artifact_store import ArtifactStore
from gal_friday_adapters.lake import CandleLake, TableLake
from gal_friday_assets import certification
from gal_friday_assets.lineage import latest
from gal_friday_assets.partitions import pairs
from gal_friday_assets.progress import Progress
from gal_friday_assets.resources import Registry, Settings
from gal_friday_assets.retraining_runs import TAG, to_shadow
from gal_friday_assets.validation_pages import certificate_metadata, write_page
from gal_friday_core.candles import Series
from gal_friday_core.errors import RegistryError
from gal_friday_live.model_registry import ModelRegistry

STAGE = "production"


@dg.asset(
    group_name="models",
    kinds={"postgres"},
    owners=["team:research"],
    partitions_def=pairs,
    deps=["validation_report"],
    code_version="3",
)
def registered_model(
    context: dg.AssetExecutionContext,
    artifacts: dg.ResourceParam[ArtifactStore],
    registry: dg.ResourceParam[Registry],
) -> dg.MaterializeResult[None]:
    """An immutable version in the registry, whether it will pass or not; the same bytes keep the id they have."""
    artifact = latest(context, "validation_report")["artifact"]
    origin = {"data_version": latest(context, "candidate_model")["trained_on"]["candles_sha256"]}
    model_id = registry.call(lambda models: models.register_model(artifacts.get(artifact), origin))
    return dg.MaterializeResult(
        metadata={"model_id": model_id, "artifact": artifact}, data_version=dg.DataVersion(model_id)
    )


@dg.asset(
    group_name="models",
    kinds={"postgres"},
    owners=["team:research"],
    partitions_def=pairs,
    deps=["registered_model"],
    code_version="1",
)
def certificate(
    context: dg.AssetExecutionContext,
    *,
    settings: dg.ResourceParam[Settings],
    lake: dg.ResourceParam[CandleLake],
    tables: dg.ResourceParam[TableLake],
    artifacts: dg.ResourceParam[ArtifactStore],
    registry: dg.ResourceParam[Registry],
    progress: dg.ResourceParam[Progress],
) -> dg.MaterializeResult[None]:
    """Every gate with its number, limit and verdict, signed: against unseen bars, live replay and the incumbent."""
    series, known = Series.parse(context.partition_key), latest(context, "registered_model")
    files = artifacts.get(known["artifact"])
    progress("certificate", 0, 1)
    judge = partial(certification.judge, files, series, lake=lake, tables=tables, config=settings.config)
    found = certification.certify(registry, known["model_id"], series.key, judge)
    page = write_page(settings, series.key, files, found)
    progress("certificate", 1, 1)
    metadata = known | certificate_metadata(found, page)
    version = hashlib.sha256(found.to_bytes()).hexdigest()
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(version))


@dg.asset(
    group_name="models",
    kinds={"postgres"},
    owners=["team:trading"],
    partitions_def=pairs,
    deps=["certificate"],
    code_version="1",
)
def production_model(
    context: dg.AssetExecutionContext,
    *,
    settings: dg.ResourceParam[Settings],
    lake: dg.ResourceParam[CandleLake],
    registry: dg.ResourceParam[Registry],
) -> dg.MaterializeResult[None]:
    """The model that the engine trades: the new version if its certificate passed, else the one before, with the reasons.

    The candidate of a retraining goes into the shadow first.
    """
    model_id = latest(context, "certificate")["model_id"]
    if TAG in context.run.tags:
        outcome = to_shadow(settings, lake, model_id, context.run.tags, context.run.run_id)
    else:
        outcome = registry.call(lambda models: promote_if_passed(models, model_id))
    return dg.MaterializeResult(
        metadata=outcome, data_version=dg.DataVersion(outcome["production"] or "none")
    )


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
    }
