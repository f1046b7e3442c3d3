"""The model in production watched by the clock, and its successor in the shadow."""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg

from gal_friday_assets.partitions import pairs
from jobs.limits import within

monitor = dg.define_asset_job(
    "monitor",
    selection=dg.AssetSelection.assets("drift_report", "shadow_result"),
    description="One look for drift at the model in production, and one at its successor in the shadow.",
    tags=within(timedelta(minutes=15)),
)

evidently = dg.define_asset_job(
    "evidently",
    selection=dg.AssetSelection.assets("evidently_report"),
    description="Evidently's page of the features, once a day: it takes seconds and megabytes.",
    tags=within(timedelta(minutes=15)),
)


@dg.schedule(
    job_name="monitor", cron_schedule="45 * * * *", execution_timezone="UTC",
    description="Each series' model in production, and its successor in the shadow.",
)  # fmt: skip
def hourly_monitor(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """Each series' model in production, and its successor in the shadow."""
    for key in context.instance.get_dynamic_partitions(str(pairs.name)):
        yield dg.RunRequest(
            run_key=f"{key} {context.scheduled_execution_time:%Y-%m-%d %H:%M}", partition_key=key
        )


@dg.schedule(
    job_name="evidently", cron_schedule="0 3 * * *", execution_timezone="UTC",
    description="Evidently's page of each series, once a day.",
)  # fmt: skip
def daily_evidently(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """Each series once a day."""
    for key in context.instance.get_dynamic_partitions(str(pairs.name)):
        yield dg.RunRequest(run_key=f"{key} {context.scheduled_execution_time:%Y-%m-%d}", partition_key=key)


jobs = [monitor, evidently]
schedules = [hourly_monitor, daily_evidently]
