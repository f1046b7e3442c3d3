"""What an upstream asset said of itself when it was last materialised: its metadata is the pointer to its product."""

from typing import Any

import dagster as dg

from gal_friday_core.errors import DataError


def latest(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, asset: str) -> dict[str, Any]:
    """Metadata values of the newest materialisation of an asset for this run's series.

    Raises DataError when there is none.
    """
    partition = context.run.tags["dagster/partition"]
    found = said(context.instance, asset, partition)
    if found is None:
        raise DataError(f"{asset} of {partition} does not exist yet: materialise it first")
    return found


def newest(context: dg.AssetCheckExecutionContext, asset: str) -> dict[str, Any]:
    """The same of an asset that has no partitions."""
    found = said(context.instance, asset)
    if found is None:
        raise DataError(f"{asset} does not exist yet: materialise it first")
    return found


def said(instance: dg.DagsterInstance, asset: str, partition: str | None = None) -> dict[str, Any] | None:
    """Metadata values of the newest materialisation, or None."""
    partitions = None if partition is None else [partition]
    wanted = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=partitions)
    records = instance.fetch_materializations(wanted, limit=1).records
    if not records or records[0].asset_materialization is None:
        return None
    metadata = records[0].asset_materialization.metadata
    return {name: value.value for name, value in metadata.items()}
