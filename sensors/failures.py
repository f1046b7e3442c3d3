"""A failed run is an alert: one line in the log that says what failed and where to look."""

import logging
from collections.abc import Mapping

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
    run = context.dagster_run
    message = " ".join((context.failure_event.message or "failed").split())
    alerts.error("run %s of %s on %s: %s", run.run_id, run.job_name, partitions_of(run.tags), message)


def partitions_of(tags: Mapping[str, str]) -> str:
    """The partition of a run, or the first and last of its range.

    >>> partitions_of({"dagster/partition": "kraken:BTC-USD:1m"})
    'kraken:BTC-USD:1m'
    """
    ends = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
    named = [tags[name] for name in ("dagster/partition", *ends) if name in tags]
    return " to ".join(dict.fromkeys(named)) or "no partition"
