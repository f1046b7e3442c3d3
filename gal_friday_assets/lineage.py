"""What an upstream asset said of itself when it was last materialised: its metadata is the pointer to its product."""

from typing import Any

import dagster as dg

from gal_friday_core.errors import DataError


def latest(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, asset: str) -> dict[str, Any]:
    """Metadata values of the newest materialisation of an asset for this run's series.

    Raises DataError when there is none.
    """
    partition = context.run.tags["dagster/partition"]
    wanted = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[partition])
    records = context.instance.fetch_materializations(wanted, limit=1).records
    if not records or records[0].asset_materialization is None:
        raise DataError(f"{asset} of {partition} does not exist yet: materialise it first")
    metadata = records[0].asset_materialization.metadata
    return {name: value.value for name, value in metadata.items()}
