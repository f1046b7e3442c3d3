"""Runs whose process was killed are ended, so that nothing waits for them."""

import dagster as dg

from gal_friday_assets.abandoned import end_abandoned
from gal_friday_assets.automation import sensor


@sensor(default_status=dg.DefaultSensorStatus.RUNNING, minimum_interval_seconds=60)
def abandoned_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """End runs of `gal-friday up` and of the pipeline whose process is gone: their places in pools are free again."""
    ended = end_abandoned(context.instance)
    return dg.SkipReason(f"ended: {', '.join(ended)}" if ended else "every run under way has its process")
