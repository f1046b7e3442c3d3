"""The lake decides which series exist: new ones become partitions, changed months become runs."""

import hashlib
import json

import dagster as dg

from gal_friday_adapters.lake import CandleLake
from gal_friday_assets.automation import sensor
from gal_friday_assets.feature_store import months_reached
from gal_friday_assets.partitions import pairs, range_tags
from gal_friday_core.candles import Series

Versions = dict[str, dict[str, str]]
"""Series key → month → content hash of its candles."""

Seen = dict[str, dict[str, list[str]]]
"""The same with the stamp of the file that the hash was read from: a file with the same stamp is not read again."""


@sensor(job_name="refresh", minimum_interval_seconds=60)
def pair_universe(context: dg.SensorEvaluationContext, lake: dg.ResourceParam[CandleLake]) -> dg.SensorResult:
    """Add a partition for each new series, and ask for a run over the months that changed since the last tick.

    The months after them are asked for too where their features reach back into what changed.
    """
    before = cursor_of(context.cursor)
    now = look(lake, before)
    known = set(context.instance.get_dynamic_partitions(str(pairs.name)))
    found = changes(versions(before), versions(now))
    return dg.SensorResult(
        run_requests=[
            request(lake, Series.parse(key), {month: now[key][month] for month in changed})
            for key, changed in found.items()
        ],
        dynamic_partitions_requests=[pairs.build_add_request(sorted(now.keys() - known))],
        cursor=json.dumps(now, sort_keys=True),
    )


def cursor_of(cursor: str | None) -> Seen:
    """What the last tick saw. A cursor of an earlier form counts as nothing seen."""
    seen = json.loads(cursor or "{}")
    plain = any(isinstance(entry, str) for months in seen.values() for entry in months.values())
    return {} if plain else seen


def look(lake: CandleLake, before: Seen) -> Seen:
    """What the lake holds now; only files that were replaced since are read."""
    now: Seen = {}
    for series in lake.series():
        known = before.get(series.key, {})
        months = now[series.key] = {}
        for month, stamp in lake.stamps(series).items():
            old = known.get(month)
            months[month] = old if old and old[0] == stamp else [stamp, lake.version(series, month)]
    return now


def versions(seen: Seen) -> Versions:
    """Without the stamps.

    >>> versions({"a": {"2017-01": ["12-3", "x"]}})
    {'a': {'2017-01': 'x'}}
    """
    return {key: {month: entry[1] for month, entry in months.items()} for key, months in seen.items()}


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


def request(lake: CandleLake, series: Series, changed: dict[str, list[str]]) -> dg.RunRequest:
    """One run over all months that changed or depend on them; the same files are never asked for twice.

    Stamps are part of the key: a month that was corrected and then put back has to be computed again as well.
    """
    months = months_reached(lake, series, list(changed))
    content = hashlib.sha256(json.dumps(changed, sort_keys=True).encode()).hexdigest()
    return dg.RunRequest(run_key=f"{series.key} {content}", tags=range_tags(series, months[0], months[-1]))
