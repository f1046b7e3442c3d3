"""What fails is told: runs, by Dagster's own sensor; checks, by one that reads what they said since it last looked."""

from collections.abc import Mapping

import dagster as dg

from gal_friday_assets.alerting import changed_checks, failed_run, seen
from gal_friday_assets.automation import sensor
from gal_friday_core.ports import Alerts


@dg.run_failure_sensor(
    name="run_failure",
    monitor_all_code_locations=True,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description="Tell of every failed run with its partition and first error.",
)
def run_failure(context: dg.RunFailureSensorContext, alerts: dg.ResourceParam[Alerts]) -> None:
    """Tell of every failed run with its partition and first error."""
    run = context.dagster_run
    alerts.raise_alert(failed_run(run, partitions_of(run.tags), context.failure_event.message or "failed"))


@sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=60,
)
def failing_checks(context: dg.SensorEvaluationContext, alerts: dg.ResourceParam[Alerts]) -> dg.SensorResult:
    """Tell of every check that began to fail, or passes again, since the last tick."""
    changed, now = changed_checks(context.instance, seen(context.cursor, context.instance))
    for alert in changed:
        alerts.raise_alert(alert)
    return dg.SensorResult(cursor=now.cursor())


def partitions_of(tags: Mapping[str, str]) -> str:
    """The partition of a run, or the first and last of its range.

    >>> partitions_of({"dagster/partition": "kraken:BTC-USD:1m"})
    'kraken:BTC-USD:1m'
    """
    ends = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
    named = [tags[name] for name in ("dagster/partition", *ends) if name in tags]
    return " to ".join(dict.fromkeys(named)) or "no partition"
