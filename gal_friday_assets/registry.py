"""The door to trading as assets: every candidate is registered and certified; one that passed is promoted, or shadows."""

import hashlib
from functools import partial

import dagster as dg

from gal_friday_adapters.artifact_store import ArtifactStore
from gal_friday_adapters.lake import CandleLake, TableLake
from gal_friday_assets import certification
from gal_friday_assets.lineage import latest
from gal_friday_assets.partitions import pairs
from gal_friday_assets.progress import Progress
from gal_friday_assets.resources import Registry, Settings
from gal_friday_assets.retraining_runs import deploy
from gal_friday_assets.validation_pages import certificate_metadata, write_page
from gal_friday_core.candles import Series


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
    code_version="2",
)
def production_model(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    lake: dg.ResourceParam[CandleLake],
) -> dg.MaterializeResult[None]:
    """The model that the engine trades: the first of its type by its certificate, a successor after its shadow period.

    What does not get there is told with the reasons, and the one before stays.
    """
    model_id = latest(context, "certificate")["model_id"]
    outcome = deploy(settings, lake, model_id, context.run.tags, context.run.run_id)
    return dg.MaterializeResult(
        metadata=outcome, data_version=dg.DataVersion(outcome["production"] or "none")
    )
