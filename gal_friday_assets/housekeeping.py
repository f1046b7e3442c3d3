"""Dagster's own records as an asset: tidied every night, and how large they are plotted over time."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from gal_friday_assets import event_log
from gal_friday_assets.resources import Settings


@dg.asset(
    group_name="operations", kinds={"postgres"}, owners=["team:operations"], code_version="1",
)  # fmt: skip
def dagster_records(
    context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]
) -> dg.MaterializeResult[None]:
    """What this Dagster remembers of its runs, without the lines of old runs and without runs that nothing needs any more."""
    keep, now = settings.config.dagster, datetime.now(UTC)
    rows = event_log.drop_lines(context.instance, now - timedelta(days=keep.keep_lines_days))
    runs = event_log.drop_runs(context.instance, now - timedelta(days=keep.keep_runs_days))
    dropped = {"dropped_lines": rows, "dropped_runs": runs}
    return dg.MaterializeResult(metadata=dropped | event_log.size(context.instance))
