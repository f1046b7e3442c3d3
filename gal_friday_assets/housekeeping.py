"""What grows by itself as assets: Dagster's own records and flights, tidied every night, their size plotted over time."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from gal_friday_adapters.paths import flights_dir
from gal_friday_assets import event_log
from gal_friday_assets.resources import Settings
from gal_friday_live.clock import SystemClock
from gal_friday_live.flight.retention import forget


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


@dg.asset(
    group_name="operations", kinds={"file"}, owners=["team:operations"], deps=["live_engine"], code_version="1",
)  # fmt: skip
def flight_records(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
    """What recorded live engines left, without old flights that no certificate would compare any more."""
    config = settings.config
    kept = forget(
        flights_dir(config), now_ns=SystemClock().now_ns(), keep_days=config.dagster.keep_flights_days,
        rows=config.validation.replayed_bars,
    )  # fmt: skip
    metadata = {
        "deleted": list(kept.deleted),
        "needed_though_old": list(kept.needed),
        "damaged": list(kept.damaged),
    }
    return dg.MaterializeResult(metadata=metadata | {"flights": len(kept.left), "bytes": kept.bytes_left})
