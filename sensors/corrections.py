"""Late and corrected history: a model that learnt from candles which the lake no longer holds is trained again."""

from typing import Any

import dagster as dg

from gal_friday_adapters.lake import CandleLake, TableLake
from gal_friday_assets.feature_store import outdated_months
from gal_friday_assets.lineage import said
from gal_friday_assets.partitions import pairs
from gal_friday_core.candles import Series
from gal_friday_core.features.candle_set import CANDLES_V1


@dg.sensor(job_name="retrain", minimum_interval_seconds=300)
def corrected_history(
    context: dg.SensorEvaluationContext,
    lake: dg.ResourceParam[CandleLake],
    tables: dg.ResourceParam[TableLake],
) -> dg.SensorResult:
    """Ask for a new candidate of each series whose candles changed within the span that its last one learnt from.

    Bars that came after that span are no correction: the weekly retrain learns from them. Features are waited for.
    """
    requests = []
    for key in context.instance.get_dynamic_partitions(str(pairs.name)):
        learnt = said(context.instance, "candidate_model", key)
        version = None if learnt is None else corrected(lake, tables, Series.parse(key), learnt["trained_on"])
        if version is not None:
            requests.append(dg.RunRequest(run_key=f"{key} {version}", partition_key=key))
    return dg.SensorResult(run_requests=requests)


def corrected(lake: CandleLake, tables: TableLake, series: Series, learnt: dict[str, Any]) -> str | None:
    """The present version of the candles that were learnt from; None where it is the same, or has no features yet."""
    candles = lake.read(series)
    version = candles.between(learnt["first_ns"], learnt["last_ns"] + 1).fingerprint()
    if version == learnt["candles_sha256"] or outdated_months(tables, candles, CANDLES_V1):
        return None
    return version
