"""From the journals of live engines to Parquet, month by month, and what Dagster is told of it."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, TypeVar

import dagster as dg
import msgspec
import numpy as np

from gal_friday_adapters import paths
from gal_friday_adapters.artifact_store import artifacts_of
from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.live_records import LiveRecords
from gal_friday_adapters.live_tables import (
    LiveTables,
    frame_of,
    predictions_frame,
    predictions_from,
)
from gal_friday_adapters.postgres.database import Database
from gal_friday_assets.describe import Metadata, numbers
from gal_friday_assets.partitions import month_bounds, months_by_series, series_in_run
from gal_friday_assets.resources import Settings
from gal_friday_core.candles import Candles, Series
from gal_friday_core.drift.records import labels_of
from gal_friday_core.errors import ArtifactError, DataError, RegistryError
from gal_friday_core.features.drivers import REACH, compute
from gal_friday_core.labels import Labels
from gal_friday_core.live_labels import UNKNOWN_OUTCOME, labelled
from gal_friday_core.live_orders import (
    STEPS,
    FillRow,
    Latency,
    OrderEvent,
    fills_of,
    latencies_of,
    order_events,
)
from gal_friday_core.live_parity import Compared, compare
from gal_friday_core.live_records import UNNOTED, Line, Predictions, Recorded
from gal_friday_core.predictor import Predictor
from gal_friday_core.scores import log_losses
from gal_friday_live.clock import SystemClock
from gal_friday_live.model_registry import ModelRegistry

PREDICTIONS, ORDERS, FILLS, LATENCIES, LABELS = "predictions", "orders", "fills", "latencies", "labels"
MILLISECOND_NS = 1_000_000
_CLOSED, _FEATURES, _SCORED, _JUDGED, _MEANT, _DURABLE, _ACKNOWLEDGED, _FILLED = STEPS
WAYS = {
    "features_ms": (_CLOSED, _FEATURES),
    "prediction_ms": (_FEATURES, _SCORED),
    "risk_ms": (_SCORED, _JUDGED),
    "order_ms": (_JUDGED, _MEANT),
    "durable_ms": (_MEANT, _DURABLE),
    "acknowledged_ms": (_MEANT, _ACKNOWLEDGED),
    "filled_ms": (_ACKNOWLEDGED, _FILLED),
    "whole_ms": (_CLOSED, _ACKNOWLEDGED),
}
"""Steps that are measured, by name."""

Result = TypeVar("Result")
Body = Callable[[LiveRecords, ModelRegistry], Awaitable[Result]]
Export = Callable[[LiveTables, Series, str], Metadata]


def converse(settings: Settings, body: Body[Result]) -> Result:
    """One conversation with the journal and the registry."""

    async def run() -> Result:
        manager = settings.manager
        async with Database(settings.database_url) as database:
            store = artifacts_of(manager.config)
            return await body(LiveRecords(database), ModelRegistry(manager, database, artifacts=store))

    return asyncio.run(run())


def tables(settings: Settings) -> LiveTables:
    """Where the Parquet files are."""
    return LiveTables(paths.lake_dir(settings.config))


def exported(context: dg.AssetExecutionContext, settings: Settings, export: Export) -> None:
    """Each month of the run, its figures told to Dagster."""
    store = tables(settings)
    for series, months in months_by_series(context.partition_keys).items():
        for month, key in months.items():
            context.add_asset_metadata(export(store, series, month), partition_key=key)


def predictions(settings: Settings) -> Export:
    """Everything that any model said."""

    def export(store: LiveTables, series: Series, month: str) -> Metadata:
        said = converse(settings, lambda records, _: records.predictions(series, *_closes(series, month)))
        store.write(PREDICTIONS, series, month, predictions_frame(said))
        models = ", ".join(sorted(set(said.model_id.tolist())))
        waits = {
            "received_ms": said.received_ns - said.t0_ns,
            "scored_ms": said.scored_ns - said.received_ns,
        }
        noted = said.received_ns != UNNOTED
        return {
            "dagster/row_count": len(said),
            "models": models,
            "sessions": len(set(said.session.tolist())),
            "shadow_share": float(np.mean(~said.heard)) if len(said) else 0.0,
            **_percentiles({name: wait[noted] for name, wait in waits.items()}),
        }

    return export


def features(settings: Settings) -> Export:
    """Bars as heard and features as used."""

    def export(store: LiveTables, series: Series, month: str) -> Metadata:
        parts = converse(settings, lambda records, _: records.features(series, *_closes(series, month)))
        names = store.write_features(series, month, parts)
        return {
            "dagster/row_count": sum(map(len, parts)),
            "tables": ", ".join(names),
            "sessions": len({part.session for part in parts}),
        }

    return export


def orders(settings: Settings) -> Export:
    """Intents and what was reported of them."""

    def export(store: LiveTables, series: Series, month: str) -> Metadata:
        found = order_events(_traded(settings, series, month))
        store.write(ORDERS, series, month, frame_of(OrderEvent, found))
        statuses = [one.event for one in found]
        return {
            "dagster/row_count": len(found),
            "orders": statuses.count("INTENT"),
            "rejected": statuses.count("REJECTED"),
            "unknown": statuses.count("UNKNOWN"),
            "errors": statuses.count("ERROR"),
        }

    return export


def fills(settings: Settings) -> Export:
    """Executions as they were booked."""

    def export(store: LiveTables, series: Series, month: str) -> Metadata:
        found = fills_of(_traded(settings, series, month))
        store.write(FILLS, series, month, frame_of(FillRow, found))
        return {
            "dagster/row_count": len(found),
            "realized": math.fsum(float(one.realized) for one in found),
            "bought": sum(one.side == "BUY" for one in found),
            "sold": sum(one.side == "SELL" for one in found),
        }

    return export


def latencies(settings: Settings) -> Export:
    """The way of each order, step by step."""

    def export(store: LiveTables, series: Series, month: str) -> Metadata:
        said = _stored_predictions(store, series, month)
        keys = zip(said.session.tolist(), said.t0_ns.tolist(), said.model_id.tolist(), strict=True)
        times = zip(said.received_ns.tolist(), said.scored_ns.tolist(), strict=True)
        found = latencies_of(_traded(settings, series, month), dict(zip(keys, times, strict=True)))
        store.write(LATENCIES, series, month, frame_of(Latency, found))
        return {"dagster/row_count": len(found), **_percentiles(dict(_ways(found)))}

    return export


def labels(settings: Settings, lake: CandleLake) -> Export:
    """What became of predictions, as far as it is known."""

    def export(store: LiveTables, series: Series, month: str) -> Metadata:
        said = _stored_predictions(store, series, month)
        models = converse(settings, lambda _, registry: _models(registry, said))
        became = labelled(said, _labels(lake, series, month, models), SystemClock().now_ns())
        frame = predictions_frame(said).with_columns(**became)
        store.write(LABELS, series, month, frame)
        known = became["outcome"] != UNKNOWN_OUTCOME
        won = became["net_return"][known] > 0
        losses = log_losses(said.probability[known], won)
        return {
            "dagster/row_count": len(said),
            "known": int(known.sum()),
            "unknown_models": ", ".join(sorted(set(said.model_id.tolist()) - set(models))),
            **numbers(
                {"winning_share": float(won.mean()), "log_loss": float(losses.mean())} if len(won) else {}
            ),
        }

    return export


def parity(
    context: dg.AssetCheckExecutionContext, settings: Settings, lake: CandleLake
) -> dg.AssetCheckResult:
    """Every stored row of the months of a run, against what its bars give."""
    found = [
        (series, compare(part, _bars(lake, series, part)))
        for series, month in months_in_run(context)
        for part in tables(settings).features(series, month)
    ]
    rows, differing = (sum(int(getattr(one, name)) for _, one in found) for name in ("rows", "differing"))
    named = [
        f"{series.key}, session {one.session}, {one}" for series, each in found for one in each.differences
    ]
    told = f"{rows:,} rows, bit for bit" if rows else "no features were recorded"
    return dg.AssetCheckResult(
        passed=not differing,
        description="; ".join(named[:3]) or told,
        metadata={
            "rows": rows, "differing": differing, "unjudged": sum(one.unjudged for _, one in found),
            "differences": dg.MetadataValue.md(_differences([each for _, each in found])),
        },
    )  # fmt: skip


def months_in_run(context: dg.AssetCheckExecutionContext) -> Iterator[tuple[Series, str]]:
    """Series and months that the run works on."""
    tags = context.run.tags
    single = tags.get("dagster/partition")
    first, last = (single or tags[f"dagster/asset_partition_range_{end}"] for end in ("start", "end"))
    for series in series_in_run(tags, context.instance.get_dynamic_partitions("pair")):
        yield from ((series, month) for month in _months(first.partition("|")[0], last.partition("|")[0]))


def _months(first: str, last: str) -> list[str]:
    months = np.arange(np.datetime64(first, "M"), np.datetime64(last, "M") + 1)
    return [str(month) for month in months]


def _closes(series: Series, month: str) -> tuple[int, int]:
    """Of the bars that open in a month, so that its rows are those of its candles."""
    start, end = month_bounds(month)
    return start + series.interval_ns, end + series.interval_ns


def _traded(settings: Settings, series: Series, month: str) -> list[Line]:
    return converse(settings, lambda records, _: records.traded(series, *_closes(series, month)))


def _stored_predictions(store: LiveTables, series: Series, month: str) -> Predictions:
    """As `predictions` left them; raises DataError where it did not run yet."""
    frame = store.read(PREDICTIONS, series, month)
    if frame is None:
        raise DataError(
            f"live_predictions of {month} of {series.key} do not exist yet: materialise them first"
        )
    return predictions_from(frame)


async def _models(registry: ModelRegistry, said: Predictions) -> dict[str, Predictor]:
    """Those that can still be had."""
    found = {}
    for model_id in sorted(set(said.model_id.tolist())):
        try:
            found[model_id] = await registry.by_id(model_id)
        except (RegistryError, ArtifactError):
            continue
    return found


def _labels(
    lake: CandleLake, series: Series, month: str, models: Mapping[str, Predictor]
) -> dict[str, Labels]:
    """Of every bar of the month, by the trade that each model was trained to judge."""
    if not models:
        return {}
    start, end = month_bounds(month)
    horizon = max(model.barriers.horizon_bars for model in models.values()) + 2
    candles = lake.read(series, start - REACH * series.interval_ns, end + horizon * series.interval_ns)
    table = compute(candles)
    return {model_id: labels_of(model, candles, table) for model_id, model in models.items()}


def _bars(lake: CandleLake, series: Series, part: Recorded) -> Candles:
    first, last = int(part.bars.ts[0]), int(part.bars.ts[-1])
    return lake.read(series, first - REACH * series.interval_ns, last + 1)


def _ways(found: list[Latency]) -> Iterator[tuple[str, Any]]:
    """Nanoseconds of each step, of the orders where both its ends were noted."""
    times = np.array([[getattr(one, step) for step in STEPS] for one in found], np.int64).reshape(
        -1, len(STEPS)
    )
    for name, (begin, end) in WAYS.items():
        left, right = times[:, STEPS.index(begin)], times[:, STEPS.index(end)]
        both = (left != UNNOTED) & (right != UNNOTED)
        yield name, right[both] - left[both]


def _percentiles(waits: Mapping[str, Any]) -> Metadata:
    """Median and the slowest in a hundred, in milliseconds; nothing of what nobody measured."""
    return {
        f"{name}_{label}": float(np.percentile(wait, share)) / MILLISECOND_NS
        for name, wait in waits.items()
        if len(wait)
        for label, share in (("p50", 50), ("p99", 99))
    }


def _differences(found: list[Compared]) -> str:
    """As a table in Markdown."""
    rows = [msgspec.structs.asdict(one) for each in found for one in each.differences]
    if not rows:
        return "none"
    names = list(rows[0])
    lines = ["| " + " | ".join(str(row[name]) for name in names) + " |" for row in rows]
    return "\n".join(["| " + " | ".join(names) + " |", "|" + "---|" * len(names), *lines])
