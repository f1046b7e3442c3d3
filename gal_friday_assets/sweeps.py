"""A sweep of one series as an asset: asked for by hand, its page and its figures kept beside those before it."""

import dagster as dg

from gal_friday_adapters.lake import CandleLake
from gal_friday_assets.lineage import latest
from gal_friday_assets.partitions import pairs
from gal_friday_assets.progress import told
from gal_friday_assets.resources import Registry, Settings
from gal_friday_assets.sweep_runs import SweepSettings, described, made, written
from gal_friday_core.candles import Series


@dg.asset(
    group_name="research", kinds={"numba", "dask"}, owners=["team:research"], partitions_def=pairs,
    deps=["candles", "production_model"], code_version="1",
)  # fmt: skip
def parameter_sweep(
    context: dg.AssetExecutionContext,
    config: SweepSettings,
    settings: dg.ResourceParam[Settings],
    lake: dg.ResourceParam[CandleLake],
    registry: dg.ResourceParam[Registry],
) -> dg.MaterializeResult[None]:
    """Many settings of a strategy over the same history, and whether the best of them is more than luck."""
    series = Series.parse(context.partition_key)
    found = made(config, settings, lake, registry, series, progress=told(context.log.info))
    page = written(settings, series, found)
    return dg.MaterializeResult(metadata=described(found, page))


@dg.asset_check(asset=parameter_sweep)
def not_overfitted(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """The best of the latest sweep is beyond what luck gives the best of so many trials."""
    said = latest(context, "parameter_sweep")
    return dg.AssetCheckResult(
        passed=said["verdict"] != "OVERFITTED",
        severity=dg.AssetCheckSeverity.WARN,
        description=said["reasons"],
    )
