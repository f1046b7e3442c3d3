"""A failed run is an alert: one line in the log that says what failed and where to look."""

import logging

import dagster as dg

alerts = logging.getLogger("gal_friday.alerts")


@dg.run_failure_sensor(
    name="run_failure",
    monitor_all_code_locations=True,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
)
def run_failure(context: dg.RunFailureSensorContext) -> None:
    """Log every failed run with its partition and first error."""
    run, partition = context.dagster_run, context.partition_key or "no partition"
    message = " ".join((context.failure_event.message or "failed").split())
    alerts.error("run %s of %s (%s): %s", run.run_id, run.job_name, partition, message)
