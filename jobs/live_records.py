"""What live engines did, brought back once a day."""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg

from gal_friday_assets.partitions import pairs, range_tags
from gal_friday_core.candles import Series
from jobs.limits import within

live_records = dg.define_asset_job(
    "live_records",
    selection=dg.AssetSelection.assets(
        "live_predictions",
        "live_features",
        "live_orders",
        "live_fills",
        "live_latencies",
        "live_labels",
        "live_divergence",
        "live_decisions",
        "live_executions",
    ),
    description="What live engines said, used, ordered and earned, as Parquet, and beside the backtest of the same time.",
    tags=within(timedelta(hours=1)),
)


@dg.schedule(
    job_name="live_records",
    cron_schedule="45 0 * * *",
    execution_timezone="UTC",
    description="Each series' month of yesterday and of today, once their candles are there.",
)
def daily_live_records(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """Each series' month of yesterday and of today, once their candles are there."""
    today = context.scheduled_execution_time
    first, last = f"{today - timedelta(days=1):%Y-%m}", f"{today:%Y-%m}"
    for key in context.instance.get_dynamic_partitions(str(pairs.name)):
        tags = range_tags(Series.parse(key), first, last)
        yield dg.RunRequest(run_key=f"live {key} {today:%Y-%m-%d}", tags=tags)


jobs = [live_records]
schedules = [daily_live_records]
