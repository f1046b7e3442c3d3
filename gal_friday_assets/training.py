"""From features to a judged candidate, one series at a time: labels, a model trained on them, and its report.

XGBoost is imported by the step that needs it: the code server that shows these assets stays small.
"""

import dagster as dg

from gal_friday_adapters.artifact_store import ArtifactStore
from gal_friday_adapters.lake import CandleLake, TableLake
from gal_friday_assets.describe import labels_metadata, model_metadata
from gal_friday_assets.feature_checks import SAMPLE_BARS, faults
from gal_friday_assets.feature_store import assemble_series, latest_rows, learnable, write_labels
from gal_friday_assets.lineage import latest
from gal_friday_assets.model_checks import SAMPLE_ROWS, served_as_trained
from gal_friday_assets.partitions import pairs, whole_series
from gal_friday_assets.progress import Progress
from gal_friday_assets.resources import Settings
from gal_friday_assets.validation_pages import validation_metadata, write_page
from gal_friday_core import __version__
from gal_friday_core.candles import Series
from gal_friday_core.label_sets import label_set
from gal_friday_live.code_version import code_version


@dg.asset(
    group_name="models",
    kinds={"numba", "parquet"},
    owners=["team:research"],
    partitions_def=pairs,
    deps=[dg.AssetDep("feature_table", partition_mapping=whole_series)],
    code_version=__version__,
)
def training_set(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    lake: dg.ResourceParam[CandleLake],
    tables: dg.ResourceParam[TableLake],
) -> dg.MaterializeResult[None]:
    """What each bar's trade would have returned after costs, and between which times that was not known yet."""
    series = Series.parse(context.partition_key)
    data = assemble_series(lake, tables, series, settings.config)
    labels = label_set(settings.config)
    version = write_labels(tables, data, labels)
    return dg.MaterializeResult(metadata=labels_metadata(data, labels), data_version=dg.DataVersion(version))


@dg.asset_check(asset="training_set", blocking=True)
def sound_features(
    context: dg.AssetCheckExecutionContext,
    settings: dg.ResourceParam[Settings],
    lake: dg.ResourceParam[CandleLake],
    tables: dg.ResourceParam[TableLake],
) -> dg.AssetCheckResult:
    """The stored features keep their promises now: a check that failed in another run does not stop this one."""
    series = Series.parse(context.run.tags["dagster/partition"])
    candles, table = learnable(lake, tables, series, settings.learnt_from)
    stored = table.values[-SAMPLE_BARS:]
    found = faults(candles, stored, table.schema)
    return dg.AssetCheckResult(
        passed=not found, description="; ".join(found) or f"{len(stored):,} rows tried"
    )


@dg.asset(
    group_name="models",
    kinds={"xgboost"},
    owners=["team:research"],
    partitions_def=pairs,
    deps=["training_set"],
    code_version=__version__,
    pool="training",
)
def candidate_model(
    context: dg.AssetExecutionContext,
    *,
    settings: dg.ResourceParam[Settings],
    lake: dg.ResourceParam[CandleLake],
    tables: dg.ResourceParam[TableLake],
    artifacts: dg.ResourceParam[ArtifactStore],
    progress: dg.ResourceParam[Progress],
) -> dg.MaterializeResult[None]:
    """Boosted trees, calibrated, validated walk-forward and sealed; the same data and configuration give the same bytes."""
    from gal_friday_assets.candidates import make_candidate

    config = settings.config
    data = assemble_series(lake, tables, Series.parse(context.partition_key), config)
    candidate = make_candidate(
        data, config, settings.database_url, progress, code_version=code_version(config)
    )
    stored = artifacts.put(candidate.files)
    return dg.MaterializeResult(
        metadata=model_metadata(stored, candidate.metadata), data_version=dg.DataVersion(stored)
    )


@dg.asset_check(asset="candidate_model", blocking=True)
def serving_parity(
    context: dg.AssetCheckExecutionContext,
    settings: dg.ResourceParam[Settings],
    tables: dg.ResourceParam[TableLake],
    artifacts: dg.ResourceParam[ArtifactStore],
) -> dg.AssetCheckResult:
    """The stored files verify, and the engine's compiled trees answer as XGBoost itself does, bit for bit."""
    files = artifacts.get(latest(context, "candidate_model")["artifact"])
    series = Series.parse(context.run.tags["dagster/partition"])
    rows, differing = served_as_trained(files, latest_rows(tables, series, settings.learnt_from, SAMPLE_ROWS))
    return dg.AssetCheckResult(
        passed=differing == 0,
        description=f"{differing:,} of {rows:,} predictions differ from XGBoost's own",
        metadata={"rows": rows, "differing": differing},
    )


@dg.asset(
    group_name="models",
    kinds={"scipy"},
    owners=["team:research"],
    partitions_def=pairs,
    deps=["candidate_model"],
    code_version=__version__,
)
def validation_report(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    artifacts: dg.ResourceParam[ArtifactStore],
) -> dg.MaterializeResult[None]:
    """All that the candidate showed on data that it never saw, with confidence intervals, as numbers and as a page."""
    stored = latest(context, "candidate_model")["artifact"]
    files = artifacts.get(stored)
    page = write_page(settings, context.partition_key, files)
    metadata = validation_metadata(files, page) | {"artifact": stored}
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(stored))
