"""Retrainings that were asked for become runs: one each, however often anybody asks."""

import dagster as dg

from gal_friday_adapters.lake import CandleLake
from gal_friday_assets.resources import Settings
from gal_friday_assets.retraining_runs import wanted


@dg.sensor(
    job_name="retrain", minimum_interval_seconds=10,
    description="A run for each retraining that was asked for; its candidate goes into the shadow first.",
)  # fmt: skip
def retraining(
    context: dg.SensorEvaluationContext,
    settings: dg.ResourceParam[Settings],
    lake: dg.ResourceParam[CandleLake],
) -> dg.SensorResult:
    """A run of the whole chain for each request that is on record and has none; its candidate goes into the shadow."""
    return dg.SensorResult(run_requests=wanted(context.instance, settings, lake))
