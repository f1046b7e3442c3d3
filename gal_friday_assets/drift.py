"""The model in production watched, and its successor in the shadow, as assets of one series each."""

import dagster as dg

from gal_friday_adapters.lake import CandleLake
from gal_friday_assets import drift_looks
from gal_friday_assets.lineage import latest
from gal_friday_assets.partitions import pairs, whole_series
from gal_friday_assets.resources import Settings
from gal_friday_core.candles import Series

CANDLES, PREDICTIONS = (
    dg.AssetDep(name, partition_mapping=whole_series) for name in ("candles", "live_predictions")
)
"""Every month of them: bars from the lake; predictions from the journals that `live_predictions` is made of, at once."""


@dg.asset(
    group_name="monitoring",
    kinds={"postgres", "scipy"},
    owners=["team:research"],
    partitions_def=pairs,
    deps=["production_model", CANDLES, PREDICTIONS],
    code_version="1",
)
def drift_report(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    lake: dg.ResourceParam[CandleLake],
) -> dg.MaterializeResult[None]:
    """Whether the model in production is still what it was certified as; what drifts is restricted and trained again."""
    return dg.MaterializeResult(
        metadata=drift_looks.report(settings, lake, Series.parse(context.partition_key))
    )


@dg.asset_check(asset="drift_report")
def no_drift(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Nothing that the last look could judge exceeds its threshold."""
    said = latest(context, "drift_report")
    return dg.AssetCheckResult(
        passed=not said["drift"],
        severity=dg.AssetCheckSeverity.WARN,
        description=said["reason"],
    )


@dg.asset(
    group_name="monitoring",
    kinds={"postgres"},
    owners=["team:research"],
    partitions_def=pairs,
    deps=["drift_report", PREDICTIONS],
    code_version="1",
)
def shadow_result(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    lake: dg.ResourceParam[CandleLake],
) -> dg.MaterializeResult[None]:
    """How a successor does in the shadow of production; once that is decided it is promoted, offered, or refused."""
    return dg.MaterializeResult(
        metadata=drift_looks.reviewed(settings, lake, Series.parse(context.partition_key))
    )


@dg.asset(
    group_name="monitoring",
    kinds={"evidently"},
    owners=["team:research"],
    partitions_def=pairs,
    deps=["production_model", CANDLES],
    code_version="1",
)
def evidently_report(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    lake: dg.ResourceParam[CandleLake],
) -> dg.MaterializeResult[None]:
    """The features of now beside those of the training window, as Evidently draws them."""
    return dg.MaterializeResult(
        metadata=drift_looks.evidently_page(settings, lake, Series.parse(context.partition_key))
    )
