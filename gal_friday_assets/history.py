"""Candles as an asset: what the lake holds, month by month, checked before anything is computed from it.

`gal-friday ingest` puts rows into the lake; here they are observed, described and versioned by content.
"""

import hashlib

import dagster as dg

from gal_friday_adapters.lake import CandleLake
from gal_friday_assets.describe import candle_columns, month_of_candles
from gal_friday_assets.partitions import (
    PAIR,
    all_months_at_once,
    month_bounds,
    months_by_series,
    pair_months,
    series_in_run,
)
from gal_friday_assets.resources import Settings
from gal_friday_core.candle_quality import assess
from gal_friday_core.continuity import why_broken


@dg.asset(
    group_name="market",
    kinds={"polars", "parquet"},
    owners=["team:market-data"],
    partitions_def=pair_months,
    backfill_policy=all_months_at_once,
    deps=["recent_bars", "history_files"],
    code_version="1",
    metadata={"dagster/column_schema": candle_columns()},
)
def candles(
    context: dg.AssetExecutionContext, lake: dg.ResourceParam[CandleLake]
) -> dg.MaterializeResult[None]:
    """Closed bars of one month of a series, as ingested, with what is missing or odd about them."""
    version = hashlib.sha256()
    for series, months in months_by_series(context.partition_keys).items():
        for month, key in months.items():
            bars = lake.read(series, *month_bounds(month))
            version.update(bars.fingerprint().encode())
            context.add_asset_metadata(month_of_candles(bars, month_bounds(month)), partition_key=key)
    return dg.MaterializeResult(data_version=dg.DataVersion(version.hexdigest()))


@dg.asset_check(asset="candles", blocking=True)
def quality(
    context: dg.AssetCheckExecutionContext, lake: dg.ResourceParam[CandleLake]
) -> dg.AssetCheckResult:
    """The whole series is plausible: nothing that would have quarantined it at the door."""
    reports = {
        series.key: assess(lake.read(series))
        for series in series_in_run(context.run.tags, context.instance.get_dynamic_partitions(PAIR))
    }
    reasons = [f"{key}: {reason}" for key, report in reports.items() for reason in report.quarantine_reasons]
    return dg.AssetCheckResult(
        passed=not reasons,
        description="; ".join(reasons) or "no reason for quarantine",
        metadata={key: report.to_dict() for key, report in reports.items()},
    )


@dg.asset_check(asset="candles", blocking=True)
def continuity(
    context: dg.AssetCheckExecutionContext,
    lake: dg.ResourceParam[CandleLake],
    settings: dg.ResourceParam[Settings],
) -> dg.AssetCheckResult:
    """No month is missing inside a series, nor any hole so long that what comes after it is another market."""
    limit = settings.config.history.max_gap_days
    series = series_in_run(context.run.tags, context.instance.get_dynamic_partitions(PAIR))
    said = {one.key: why_broken(lake.read(one), limit) for one in series}
    broken = [f"{key}: {reason}" for key, reason in said.items() if reason]
    return dg.AssetCheckResult(passed=not broken, description="; ".join(broken) or "no long hole")
