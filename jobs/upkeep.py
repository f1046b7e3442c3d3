"""What keeps Dagster itself in order, every night."""

from datetime import timedelta

import dagster as dg

from gal_friday_assets.automation import schedule
from jobs.limits import within

tidy = dg.define_asset_job(
    "tidy",
    selection=dg.AssetSelection.assets("dagster_records", "flight_records"),
    description="Lines of old runs, and runs that nothing needs any more, out of Dagster's database; old flight records deleted.",
    tags=within(timedelta(hours=2)),
)


@schedule(job_name="tidy", cron_schedule="40 3 * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def nightly_tidy(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Every night, from the start: what grows by itself is cut by itself."""
    return dg.RunRequest(run_key=f"tidy {context.scheduled_execution_time:%Y-%m-%d}")
