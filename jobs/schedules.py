"""When the halves run by themselves; both schedules are off until somebody switches them on in the UI."""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg

from gal_friday_assets.partitions import pairs, range_tags
from gal_friday_core.candles import Series


@dg.schedule(job_name="refresh", cron_schedule="15 0 * * *", execution_timezone="UTC")
def daily_refresh(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """Each series' month of yesterday and of today: on the first of a month that closes the old one."""
    today = context.scheduled_execution_time
    first, last = f"{today - timedelta(days=1):%Y-%m}", f"{today:%Y-%m}"
    for key in context.instance.get_dynamic_partitions(str(pairs.name)):
        tags = range_tags(Series.parse(key), first, last)
        yield dg.RunRequest(run_key=f"{key} {today:%Y-%m-%d}", tags=tags)


@dg.schedule(job_name="retrain", cron_schedule="0 2 * * 0", execution_timezone="UTC")
def weekly_retrain(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """A new candidate of every series; it replaces the production model only when its gates pass."""
    for key in context.instance.get_dynamic_partitions(str(pairs.name)):
        yield dg.RunRequest(run_key=f"{key} {context.scheduled_execution_time:%Y-%m-%d}", partition_key=key)


schedules = [daily_refresh, weekly_retrain]
