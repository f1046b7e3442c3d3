"""When the parts run by themselves; all schedules are off until somebody switches them on in the UI."""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg

from gal_friday_adapters.lake import CandleLake
from gal_friday_assets.automation import schedule
from gal_friday_assets.partitions import EXCHANGE_POOL, pairs, range_tags
from gal_friday_assets.resources import Settings
from gal_friday_assets.retraining_runs import ask, run_for
from gal_friday_core.candles import Series

UNDER_WAY = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
)


@schedule(job_name="top_up", cron_schedule="*/5 * * * *")
def frequent_top_up(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Every five minutes, unless the last top-up is still under way: it catches up with more than was missed."""
    # Limits of pools are kept by the instance, not by definitions.
    context.instance.event_log_storage.set_concurrency_slots(EXCHANGE_POOL, 1)
    under_way = dg.RunsFilter(job_name="top_up", statuses=[*UNDER_WAY])
    if context.instance.get_run_records(under_way, limit=1):
        return dg.SkipReason("the last top-up is still under way")
    return dg.RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%d %H:%M}")


@schedule(job_name="refresh", cron_schedule="15 0 * * *")
def daily_refresh(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """Each series' month of yesterday and of today: on the first of a month that closes the old one."""
    today = context.scheduled_execution_time
    first, last = f"{today - timedelta(days=1):%Y-%m}", f"{today:%Y-%m}"
    for key in context.instance.get_dynamic_partitions(str(pairs.name)):
        tags = range_tags(Series.parse(key), first, last)
        yield dg.RunRequest(run_key=f"{key} {today:%Y-%m-%d}", tags=tags)


@schedule(job_name="retrain", cron_schedule="0 2 * * 0")
def weekly_retrain(
    context: dg.ScheduleEvaluationContext,
    settings: dg.ResourceParam[Settings],
    lake: dg.ResourceParam[CandleLake],
) -> list[dg.RunRequest] | dg.SkipReason:
    """A new candidate of every series. What is in production it replaces only after certificate and shadow period."""
    keys = context.instance.get_dynamic_partitions(str(pairs.name))
    day = f"{context.scheduled_execution_time:%Y-%m-%d}"
    asked = ask(settings, lake, keys, {"cause": "schedule", "reason": f"the weekly retrain of {day}"})
    runs = [run_for(context.instance, key, one, f"{key} {day}") for key, one in asked.items()]
    wanted = [one for one in runs if one is not None]
    said = [f"{key}: {one.said}" for key, one in asked.items() if one is not None]
    return wanted or dg.SkipReason("; ".join(said) or "no series is known")


@schedule(job_name="experiments", cron_schedule="30 * * * *")
def hourly_experiments(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Looking often does no harm, and stops what loses sooner."""
    return dg.RunRequest(run_key=f"experiments {context.scheduled_execution_time:%Y-%m-%d %H:%M}")


schedules = [frequent_top_up, daily_refresh, weekly_retrain, hourly_experiments]
