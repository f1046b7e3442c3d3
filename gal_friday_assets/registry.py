"""The door to trading as assets: every candidate is registered and certified, and only one that passed is promoted."""

from typing import Any

import dagster as dg

from gal_friday_adapters.artifact_store import ArtifactStore
from gal_friday_adapters.lake import CandleLake, TableLake
from gal_friday_assets import certification
from gal_friday_assets.lineage import latest
from gal_friday_assets.partitions import pairs
from gal_friday_assets.resources import Registry, Settings
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
    code_version="2",
)
def registered_model(
    context: dg.AssetExecutionContext,
    *,
    settings: dg.ResourceParam[Settings],
    lake: dg.ResourceParam[CandleLake],
    tables: dg.ResourceParam[TableLake],
    artifacts: dg.ResourceParam[ArtifactStore],
    registry: dg.ResourceParam[Registry],
) -> dg.MaterializeResult[None]:
    """An immutable version with its signed certificate, whether it passed or not; the same bytes keep their id."""
    series = Series.parse(context.partition_key)
    artifact = latest(context, "validation_report")["artifact"]
    origin = {"data_version": latest(context, "candidate_model")["trained_on"]["candles_sha256"]}
    files = artifacts.get(artifact)
    incumbent = registry.call(lambda models: models.production(series.key))
    certificate = certification.judge(
        files, series, lake=lake, tables=tables, config=settings.config, incumbent=incumbent
    )
    model_id = certification.register(registry, files, origin, certificate)
    return dg.MaterializeResult(
        metadata={"model_id": model_id, "artifact": artifact, "certified": certificate.passed},
        data_version=dg.DataVersion(model_id),
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
    """The model that the engine trades: the new version if its certificate passed, else the one before, with the reasons."""
    model_id = latest(context, "registered_model")["model_id"]
    outcome = registry.call(lambda models: promote_if_passed(models, model_id))
    return dg.MaterializeResult(
        metadata=outcome, data_version=dg.DataVersion(outcome["production"] or "none")
    )


async def promote_if_passed(models: ModelRegistry, model_id: str) -> dict[str, Any]:
    """Promote a version whose certificate passed; what is in production then, and why if it is not this one."""
    certificate = await models.get_certificate(model_id)
    if certificate is None:
        raise RegistryError(f"{model_id} has no certificate: materialise registered_model again")
    if certificate.passed:
        await models.promote_model(model_id, STAGE, reason="its certificate passed")
    current = await models.list_models(STAGE, model_type=certificate.model_type)
    production = current[0]["model_id"] if current else ""
    return {
        "model_id": model_id,
        "promoted": production == model_id,
        "reasons": list(certificate.reasons),
        "production": production,
    }
