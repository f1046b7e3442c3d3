"""What looks at accounts by the clock: each day stated once it is over, the journal compared with the exchange every hour."""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg

from gal_friday_assets.automation import schedule
from gal_friday_assets.partitions import ACCOUNT_POOL
from jobs.limits import within

statements = dg.define_asset_job(
    "statements",
    selection=dg.AssetSelection.assets("daily_statement"),
    description="Every account's day: balances, trades, fees, profit, as Parquet and as a page.",
    tags=within(timedelta(minutes=30), again=True),
)

reconcile = dg.define_asset_job(
    "reconcile",
    selection=dg.AssetSelection.assets("reconciliation"),
    description="The real account's journal against the exchange; asks, and changes nothing.",
    tags=within(timedelta(minutes=30), again=True),
)


@schedule(job_name="statements", cron_schedule="20 0 * * *")
def daily_statements(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """Yesterday, and the day before once more: a fill of its last minutes may have been found only since."""
    today = context.scheduled_execution_time
    for before in (2, 1):
        day = f"{today - timedelta(days=before):%Y-%m-%d}"
        yield dg.RunRequest(run_key=f"{day} {before}", partition_key=day)


@schedule(job_name="reconcile", cron_schedule="10 * * * *")
def hourly_reconciliation(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """One at a time, since the key's nonces only grow."""
    context.instance.event_log_storage.set_concurrency_slots(ACCOUNT_POOL, 1)
    return dg.RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%d %H:%M}")


jobs = [statements, reconcile]
schedules = [daily_statements, hourly_reconciliation]
