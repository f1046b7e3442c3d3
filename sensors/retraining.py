"""Retrainings that were asked for become runs: one each, however often anybody asks."""

import dagster as dg

from gal_friday_adapters.lake import CandleLake, TableLake
from gal_friday_assets.feature_store import has_features
from gal_friday_assets.resources import Settings
from gal_friday_assets.retraining_runs import wanted
from gal_friday_core.candles import Series


@dg.sensor(
    job_name="retrain", minimum_interval_seconds=10,
    description="A run for each retraining that was asked for; its candidate goes into the shadow first.",
)  # fmt: skip
def retraining(
    context: dg.SensorEvaluationContext,
    settings: dg.ResourceParam[Settings],
    lake: dg.ResourceParam[CandleLake],
    tables: dg.ResourceParam[TableLake],
) -> dg.SensorResult:
    """A run of the whole chain for each request that is on record and has none; its candidate goes into the shadow.

    Features are waited for.
    """
    found = wanted(context.instance, settings, lake)
    schema = settings.learnt_from
    ready = [one for one in found if has_features(lake, tables, Series.parse(str(one.partition_key)), schema)]
    waiting = [str(one.partition_key) for one in found if one not in ready]
    said = f"features are awaited of {', '.join(waiting)}" if waiting else "nothing is asked for"
    return dg.SensorResult(run_requests=ready, skip_reason=None if ready else dg.SkipReason(said))
