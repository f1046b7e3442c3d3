"""Looks for drift that follow the market, beside those that follow the clock."""

import json

import dagster as dg

from gal_friday_adapters.lake import CandleLake
from gal_friday_assets.abandoned import UNDER_WAY
from gal_friday_assets.automation import sensor
from gal_friday_assets.partitions import pairs
from gal_friday_assets.resources import Settings
from gal_friday_core.candles import Series

Looked = dict[str, int]
"""Series key → close of the newest bar that was stored when a look was last asked for."""


@sensor(job_name="monitor", minimum_interval_seconds=30)
def new_bars(
    context: dg.SensorEvaluationContext,
    settings: dg.ResourceParam[Settings],
    lake: dg.ResourceParam[CandleLake],
) -> dg.SensorResult:
    """A look at each series' model, and at its successor in the shadow, once `drift.look_every_bars` more bars are stored."""
    looked: Looked = json.loads(context.cursor or "{}")
    every = settings.config.drift.look_every_bars
    busy = under_way(context.instance)
    requests = []
    for key in context.instance.get_dynamic_partitions(str(pairs.name)):
        newest = lake.closed_ns(Series.parse(key))
        if (
            newest is not None
            and key not in busy
            and is_due(looked.get(key), newest, every * Series.parse(key).interval_ns)
        ):
            looked[key] = newest
            requests.append(dg.RunRequest(run_key=f"{key} {newest}", partition_key=key))
    return dg.SensorResult(run_requests=requests, cursor=json.dumps(looked, sort_keys=True))


def under_way(instance: dg.DagsterInstance) -> set[str]:
    """Series whose last look is not over yet: no looks pile up where bars come faster than they are looked at."""
    found = instance.get_runs(dg.RunsFilter(job_name="monitor", statuses=[*UNDER_WAY]))
    return {run.tags["dagster/partition"] for run in found if "dagster/partition" in run.tags}


def is_due(before_ns: int | None, newest_ns: int, apart_ns: int) -> bool:
    """Whether so much more of the market is there. What was never looked at is due; history that was taken back is, too.

    >>> [is_due(100, newest, 10) for newest in (105, 110, 90)]
    [False, True, True]
    """
    return before_ns is None or newest_ns < before_ns or newest_ns - before_ns >= apart_ns
