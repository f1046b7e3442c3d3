"""The door to trading as assets: every candidate is registered, and only one that passed its gates is promoted."""

from typing import Any

import dagster as dg

from gal_friday_adapters.artifact_store import ArtifactStore
from gal_friday_assets.lineage import latest
from gal_friday_assets.partitions import pairs
from gal_friday_assets.resources import Registry
from gal_friday_live.model_registry import ModelRegistry

STAGE = "production"


@dg.asset(
    group_name="models",
    kinds={"postgres"},
    owners=["team:research"],
    partitions_def=pairs,
    deps=["validation_report"],
    code_version="1",
)
def registered_model(
    context: dg.AssetExecutionContext,
    artifacts: dg.ResourceParam[ArtifactStore],
    registry: dg.ResourceParam[Registry],
) -> dg.MaterializeResult[None]:
    """An immutable version in the registry, whether it passed or not; the same bytes keep the id they have."""
    artifact = latest(context, "validation_report")["artifact"]
    origin = {"data_version": latest(context, "candidate_model")["trained_on"]["candles_sha256"]}
    model_id = registry.call(lambda models: models.register_model(artifacts.get(artifact), origin))
    return dg.MaterializeResult(
        metadata={"model_id": model_id, "artifact": artifact}, data_version=dg.DataVersion(model_id)
    )


@dg.asset(
    group_name="models",
    kinds={"postgres"},
    owners=["team:trading"],
    partitions_def=pairs,
    deps=["registered_model"],
    code_version="1",
)
def production_model(
    context: dg.AssetExecutionContext, registry: dg.ResourceParam[Registry]
) -> dg.MaterializeResult[None]:
    """The model that the engine trades: the new version if its gates were passed, else the one before, with the reasons."""
    model_id = latest(context, "registered_model")["model_id"]
    outcome = registry.call(lambda models: promote_if_passed(models, model_id))
    return dg.MaterializeResult(
        metadata=outcome, data_version=dg.DataVersion(outcome["production"] or "none")
    )


async def promote_if_passed(models: ModelRegistry, model_id: str) -> dict[str, Any]:
    """Promote a version whose verdict is passed; what is in production then, and why if it is not this one."""
    known = await models.get_model_metadata(model_id)
    verdict = known["verdict"]
    if verdict["passed"]:
        await models.promote_model(model_id, STAGE)
    current = await models.list_models(STAGE, model_type=known["model_type"])
    production = current[0]["model_id"] if current else ""
    return {
        "model_id": model_id,
        "promoted": production == model_id,
        "reasons": list(verdict["reasons"]),
        "production": production,
    }
