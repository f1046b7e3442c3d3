"""The lake decides which series exist: new ones become partitions, changed months become runs."""

import hashlib
import json

import dagster as dg

from gal_friday_adapters.lake import CandleLake
from gal_friday_assets.partitions import pairs, range_tags
from gal_friday_core.candles import Series

Versions = dict[str, dict[str, str]]
"""Series key → month → content hash of its candles."""


@dg.sensor(job_name="refresh", minimum_interval_seconds=60)
def pair_universe(context: dg.SensorEvaluationContext, lake: dg.ResourceParam[CandleLake]) -> dg.SensorResult:
    """Add a partition for each new series, and ask for a run over the months that changed since the last tick."""
    now = versions(lake)
    before: Versions = json.loads(context.cursor or "{}")
    known = set(context.instance.get_dynamic_partitions(str(pairs.name)))
    requests = [request(key, changed) for key, changed in changes(before, now).items()]
    return dg.SensorResult(
        run_requests=requests,
        dynamic_partitions_requests=[pairs.build_add_request(sorted(now.keys() - known))],
        cursor=json.dumps(now, sort_keys=True),
    )


def versions(lake: CandleLake) -> Versions:
    """What the lake holds now."""
    return {
        series.key: {month: lake.version(series, month) for month in lake.months(series)}
        for series in lake.series()
    }


def changes(before: Versions, now: Versions) -> Versions:
    """Months that are new or differ, with their versions; a series without any is absent.

    >>> changes({"a": {"2017-01": "x"}}, {"a": {"2017-01": "x", "2017-02": "y"}, "b": {}})
    {'a': {'2017-02': 'y'}}
    """
    found = {
        key: {
            month: version for month, version in months.items() if before.get(key, {}).get(month) != version
        }
        for key, months in now.items()
    }
    return {key: months for key, months in found.items() if months}


def request(key: str, changed: dict[str, str]) -> dg.RunRequest:
    """One run over all changed months of a series; the same content is never asked for twice."""
    first, last = min(changed), max(changed)
    content = hashlib.sha256(json.dumps(changed, sort_keys=True).encode()).hexdigest()
    return dg.RunRequest(run_key=f"{key} {content}", tags=range_tags(Series.parse(key), first, last))
