"""The feature table as an asset, and the two promises it rests on: no future in it, and live gives the same bits."""

import hashlib

import dagster as dg

from gal_friday_adapters.lake import CandleLake, TableLake
from gal_friday_assets.columns import of_features
from gal_friday_assets.describe import feature_columns, month_of_features
from gal_friday_assets.feature_checks import SAMPLE_BARS, dead_columns, leaked_columns, stream_mismatches
from gal_friday_assets.feature_store import compute_months, latest_rows, write_month
from gal_friday_assets.partitions import (
    PAIR,
    all_months_at_once,
    months_by_series,
    pair_months,
    series_in_run,
)
from gal_friday_assets.progress import Progress
from gal_friday_assets.resources import Settings
from gal_friday_core.features.candle_set import CANDLES_V1


@dg.asset(
    group_name="features",
    kinds={"numba", "parquet"},
    owners=["team:research"],
    partitions_def=pair_months,
    backfill_policy=all_months_at_once,
    deps=["candles"],
    code_version=CANDLES_V1.hash[:12],
    metadata={
        "dagster/column_schema": feature_columns(CANDLES_V1),
        "dagster/column_lineage": of_features(CANDLES_V1),
        "schema_hash": CANDLES_V1.hash,
    },
)
def feature_table(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    lake: dg.ResourceParam[CandleLake],
    tables: dg.ResourceParam[TableLake],
    progress: dg.ResourceParam[Progress],
) -> dg.MaterializeResult[None]:
    """Every feature of every bar, by the kernel that the live engine runs; computed in one go, stored by month."""
    schema = settings.learnt_from
    version = hashlib.sha256(schema.hash.encode())
    for series, months in months_by_series(context.partition_keys).items():
        candles = lake.read(series)
        table = compute_months(candles, list(months), schema)
        for done, (month, key) in enumerate(months.items(), start=1):
            values = write_month(tables, candles, month, table)
            version.update(values.tobytes())
            context.add_asset_metadata(month_of_features(values), partition_key=key)
            progress("features", done, len(months))
    return dg.MaterializeResult(data_version=dg.DataVersion(version.hexdigest()))


@dg.asset_check(asset="feature_table", blocking=True)
def no_leakage(
    context: dg.AssetCheckExecutionContext,
    settings: dg.ResourceParam[Settings],
    lake: dg.ResourceParam[CandleLake],
) -> dg.AssetCheckResult:
    """With every bar after t shuffled, features up to t keep every bit."""
    known = context.instance.get_dynamic_partitions(PAIR)
    series = series_in_run(context.run.tags, known)
    leaked = {one.key: leaked_columns(lake.read(one), settings.learnt_from) for one in series}
    found = [f"{key}: {', '.join(columns)}" for key, columns in leaked.items() if columns]
    return dg.AssetCheckResult(
        passed=not found, description="; ".join(found) or "no feature knows the future", metadata=leaked
    )


@dg.asset_check(asset="feature_table", blocking=True)
def no_dead_feature(
    context: dg.AssetCheckExecutionContext,
    settings: dg.ResourceParam[Settings],
    tables: dg.ResourceParam[TableLake],
) -> dg.AssetCheckResult:
    """No stored feature is unknown throughout, or the same throughout, over the latest bars."""
    series = series_in_run(context.run.tags, context.instance.get_dynamic_partitions(PAIR))
    schema = settings.learnt_from
    rows = {one.key: latest_rows(tables, one, schema, SAMPLE_BARS, complete=False) for one in series}
    dead = {key: dead_columns(values, schema.names) for key, values in rows.items()}
    found = [f"{key}: {', '.join(columns)}" for key, columns in dead.items() if columns]
    return dg.AssetCheckResult(passed=not found, description="; ".join(found) or "all move", metadata=dead)


@dg.asset_check(asset="feature_table", blocking=True)
def live_parity(
    context: dg.AssetCheckExecutionContext,
    settings: dg.ResourceParam[Settings],
    lake: dg.ResourceParam[CandleLake],
) -> dg.AssetCheckResult:
    """Fed bar by bar, as live, the kernel gives the same bytes as over the whole array."""
    known = context.instance.get_dynamic_partitions(PAIR)
    series = series_in_run(context.run.tags, known)
    differing = {one.key: stream_mismatches(lake.read(one), settings.learnt_from) for one in series}
    passed = not any(differing.values())
    return dg.AssetCheckResult(
        passed=passed,
        description="bit for bit" if passed else f"rows that differ: {differing}",
        metadata=dict(differing),
    )
