"""Late and corrected history: a model that learnt from candles which the lake no longer holds is trained again."""

import json
from typing import Any, NotRequired, TypedDict

import dagster as dg

from gal_friday_adapters.lake import CandleLake, TableLake
from gal_friday_assets.automation import sensor
from gal_friday_assets.feature_store import outdated_months
from gal_friday_assets.lineage import said
from gal_friday_assets.partitions import month_bounds, pairs
from gal_friday_assets.resources import Settings
from gal_friday_assets.retraining_runs import ask, run_for
from gal_friday_core.candles import Candles, Series
from gal_friday_core.features.schema import FeatureSchema
from gal_friday_core.times import to_iso
from gal_friday_live.clock import SystemClock

Months = dict[str, list[str]]
"""Month → stamp of its file, and hash of those of its bars that were learnt from."""


class Dealt(TypedDict):
    """What was looked at once and needs no second look: for a model that learnt from `learnt`, these months.

    `waiting`: the version of corrected candles that could not be learnt from yet.
    """

    learnt: str
    months: Months
    waiting: NotRequired[str]


Seen = dict[str, Dealt]


@sensor(job_name="retrain", minimum_interval_seconds=300)
def corrected_history(
    context: dg.SensorEvaluationContext,
    settings: dg.ResourceParam[Settings],
    lake: dg.ResourceParam[CandleLake],
    tables: dg.ResourceParam[TableLake],
) -> dg.SensorResult:
    """Ask for a new candidate of each series whose candles changed within the span that its last one learnt from.

    Bars that came after that span are no correction: the weekly retrain learns from them. Features are waited for, and
    so is what holds a retraining back.
    """
    before: Seen = json.loads(context.cursor or "{}")
    now: Seen = {}
    corrected: dict[str, str] = {}
    schema = settings.learnt_from
    for key in context.instance.get_dynamic_partitions(str(pairs.name)):
        learnt = said(context.instance, "candidate_model", key)
        if learnt is None:
            continue
        version, dealt = look(
            lake, tables, Series.parse(key), learnt["trained_on"], before.get(key), schema=schema
        )
        if version is not None:
            corrected[key] = version
        if dealt is not None:
            now[key] = dealt
    requests = []
    for key, version in corrected.items():
        asked = ask(settings, lake, [key], _why(version))[key]
        if asked is not None and asked.state == "HELD_BACK":
            now[key]["waiting"] = version  # stays in the cursor, and is asked for again
            continue
        now[key].pop("waiting", None)
        requests.append(run_for(context.instance, key, asked, f"{key} {version}"))
    return dg.SensorResult(
        run_requests=[one for one in requests if one is not None], cursor=json.dumps(now, sort_keys=True)
    )


def _why(version: str) -> dict[str, str]:
    """The same correction asks once a day."""
    return {
        "cause": "correction",
        "reason": f"candles that the last candidate learnt from were corrected: {version[:12]}",
        "window": f"{version} {to_iso(SystemClock().now_ns())[:10]}",
    }


def look(
    lake: CandleLake,
    tables: TableLake,
    series: Series,
    learnt: dict[str, Any],
    before: Dealt | None,
    *,
    schema: FeatureSchema,
) -> tuple[str | None, Dealt | None]:
    """The version of corrected candles to learn from, if any; and what needs no second look, None while features are missing.

    Only files that were replaced since are read, and the whole series where one of them changed within the span.
    """
    learnt_months = months_of(lake, series, learnt)
    stamps = {month: stamp for month, stamp in lake.stamps(series).items() if month in learnt_months}
    if before is not None and before["learnt"] == learnt["candles_sha256"]:
        months = unchanged(lake, series, learnt, stamps, before["months"])
        if months is not None:
            return before.get("waiting"), before | {"months": months}
    candles = lake.read(series)
    version = within(candles, learnt).fingerprint()
    corrected = version != learnt["candles_sha256"]
    if corrected and outdated_months(tables, candles, schema):
        return None, None
    months = {month: [stamp, part(candles, month, learnt)] for month, stamp in stamps.items()}
    return version if corrected else None, Dealt(learnt=learnt["candles_sha256"], months=months)


def unchanged(
    lake: CandleLake, series: Series, learnt: dict[str, Any], stamps: dict[str, str], known: Months
) -> Months | None:
    """The same months with the stamps of now; None where bars within the span came, went or changed."""
    if stamps.keys() != known.keys():
        return None
    now: Months = {}
    for month, stamp in stamps.items():
        old_stamp, content = known[month]
        if stamp != old_stamp and part(lake.read_month(series, month), month, learnt) != content:
            return None
        now[month] = [stamp, content]
    return now


def months_of(lake: CandleLake, series: Series, learnt: dict[str, Any]) -> list[str]:
    """Stored months that have a share in the span that was learnt from."""
    first_ns, last_ns = learnt["first_ns"], learnt["last_ns"]
    bounds = {month: month_bounds(month) for month in lake.months(series)}
    return [month for month, (start, end) in bounds.items() if start <= last_ns and end > first_ns]


def part(candles: Candles, month: str, learnt: dict[str, Any]) -> str:
    """Hash of the bars of a month that lie within the span."""
    return within(candles.between(*month_bounds(month)), learnt).fingerprint()


def within(candles: Candles, learnt: dict[str, Any]) -> Candles:
    """The bars that were learnt from, as they are now."""
    return candles.between(learnt["first_ns"], learnt["last_ns"] + 1)
