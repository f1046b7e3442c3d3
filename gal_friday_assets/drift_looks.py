"""Looks for drift as the pipeline makes them: read, judged, answered, drawn, and told to Dagster in numbers."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg
import numpy as np

from gal_friday_adapters.artifact_store import artifacts_of
from gal_friday_adapters.drift_page import render
from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.postgres.database import Database
from gal_friday_assets.describe import Metadata, numbers
from gal_friday_assets.pages import link
from gal_friday_assets.resources import Settings
from gal_friday_core.candles import Series
from gal_friday_core.drift.finding import SEVERITIES
from gal_friday_core.drift.looks import Look
from gal_friday_core.drift.records import learnt_from, learnt_until
from gal_friday_core.errors import DataError
from gal_friday_core.features.streams import compute, is_of_bars
from gal_friday_core.predictor import Predictor
from gal_friday_core.retraining.policy import OPEN, due
from gal_friday_live.clock import SystemClock
from gal_friday_live.model_records import ModelRecords
from gal_friday_live.model_registry import ModelRegistry
from gal_friday_live.retraining_pipeline import RetrainingPipeline

Result = TypeVar("Result")
Body = Callable[[RetrainingPipeline, ModelRegistry], Awaitable[Result]]

SAMPLE_ROWS = 10_000
"""Rows a side that Evidently is shown: its page grows with them."""


def converse(settings: Settings, lake: CandleLake, body: Body[Result]) -> Result:
    """One conversation with everything that a retraining is decided by."""

    async def run() -> Result:
        manager = settings.manager
        async with Database(settings.database_url) as database:
            store = artifacts_of(manager.config)
            registry = ModelRegistry(manager, database, artifacts=store)
            records = ModelRecords(registry, database, lake, manager.config)
            pipeline = RetrainingPipeline(manager, registry, database=database, records=records)
            return await body(pipeline, registry)

    return asyncio.run(run())


def report(settings: Settings, lake: CandleLake, series: Series) -> Metadata:
    """One look at the model in production of a series: the ladder's step taken, training again asked for where it is due."""

    async def body(pipeline: RetrainingPipeline, registry: ModelRegistry) -> Metadata:
        model = await registry.production(series.key)
        if model is None:
            return {"model_id": "", "drift": False, "reason": "no model of the series is in production"}
        seen, answer = await pipeline.look(model.model_id)
        asked = _asked(answer, model, lake, settings)
        if asked is not None:
            answer["retraining"] = await pipeline.trigger_retraining(model.model_id, answer | asked)
        return described(seen, answer, write_page(settings, series, seen))

    return converse(settings, lake, body)


def _asked(
    answer: Mapping[str, Any], model: Predictor, lake: CandleLake, settings: Settings
) -> dict[str, Any] | None:
    """Why training again is called for: by drift, or else by age or new data."""
    if answer["cause"] is not None:
        return {"cause": answer["cause"], "reason": answer["reason"]}
    series = Series.parse(model.metadata.series)
    months = lake.months(series)
    newest = int(lake.times(series, months[-1])[-1]) if months else 0
    said = due(
        first_ns=int(model.metadata.data["first_ns"]), last_ns=learnt_until(model), newest_ns=newest,
        now_ns=SystemClock().now_ns(), config=settings.config.retraining,
    )  # fmt: skip
    return None if said is None else {"cause": said[0], "reason": said[1]}


def write_page(settings: Settings, series: Series, seen: Look) -> Path:
    """One page a model: the latest look, and beside it one for each look."""
    model = seen.model_id.rpartition("@")[2]
    page = settings.report_file(series.key, f"drift-{model}", f"{seen.at_ns}.html")
    text = render(seen)
    page.write_text(text, encoding="utf-8")
    latest = page.with_name("drift.html")
    beside = page.with_name("drift.html.new")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, latest)  # noqa: PTH105 - who reads it meanwhile reads the one before
    return page


def described(seen: Look, answer: Mapping[str, Any], page: Path) -> Metadata:
    """Severities as numbers from 0 (LOW) to 3, so that Dagster draws them; findings in words, which no table has room for."""
    lines = [
        f"- **{one.drift_type}** {one.severity if one.metrics['judged'] else 'undecided'}, confidence "
        f"{one.confidence:.3f}, {one.recommendation}: {one.metrics['reason']}"
        for one in seen.findings
    ]
    measured: dict[str, Any] = {}
    for one in seen.findings:
        name = one.drift_type.lower()
        measured |= {f"{name}_severity": SEVERITIES.index(one.severity), f"{name}_confidence": one.confidence}
        measured |= {f"{name}_{key}": value for key, value in one.metrics.items()}
    held = answer["restriction"]
    return {
        "page": link(page),
        "drift_page": dg.MetadataValue.path(page),
        "model_id": seen.model_id,
        "drift": any(one.threshold_exceeded for one in seen.findings),
        "reason": "; ".join(str(one.metrics["reason"]) for one in seen.findings if one.threshold_exceeded)
        or "nothing that could be judged has drifted",
        "step": held["step"] if held else "none",
        "retraining": answer.get("retraining", "none"),
        "findings": dg.MetadataValue.md("\n".join(lines)),
        **numbers(measured),
    }


def reviewed(settings: Settings, lake: CandleLake, series: Series) -> Metadata:
    """How the shadow of the series' retraining stands, if one has a shadow; what is decided is done."""

    async def body(pipeline: RetrainingPipeline, _: ModelRegistry) -> Metadata:
        runs = [one for one in await pipeline.runs(series.key) if one.state in OPEN]
        if not runs:
            return {"retraining": "", "state": "none", "reason": "no retraining is under way"}
        found = await pipeline.review(runs[-1])
        after = next(one for one in await pipeline.runs(series.key) if one.run_id == runs[-1].run_id)
        told: Metadata = {
            "retraining": after.run_id, "state": after.state, "reason": after.said,
            "successor": after.successor or "", "incumbent": after.model_id,
        }  # fmt: skip
        return told | ({} if found is None else numbers(found["shadow"]) | {"reasons": found["reasons"]})

    return converse(settings, lake, body)


def evidently_page(settings: Settings, lake: CandleLake, series: Series) -> Metadata:
    """Evidently's own report of the features, over the same two windows, as one file. It opens by its path: it needs
    scripts, which the reports' server does not let run.
    """

    async def body(_: RetrainingPipeline, registry: ModelRegistry) -> Predictor | None:
        return await registry.production(series.key)

    model = converse(settings, lake, body)
    if model is None:
        return {"model_id": "", "reason": "no model of the series is in production"}
    if not is_of_bars(model.schema):
        raise DataError(
            f"{model.model_id} takes features that the lake's bars do not give: it is not watched"
        )
    table = compute(lake.read(series), model.schema)
    now = table.ts > learnt_until(model)
    before = (table.ts >= learnt_from(model)) & (table.ts < model.metadata.holdout_start_ns)
    sides = [table.values[rows & table.finite_rows()][-SAMPLE_ROWS:] for rows in (now, before)]
    if not all(len(side) for side in sides):
        return {"model_id": model.model_id, "reason": "no bars yet that the model did not learn from"}
    page = settings.report_file(series.key, f"drift-v{model.version}", "evidently.html")
    shares = _evidently(sides, table.schema.names, page)
    return {
        "model_id": model.model_id,
        "evidently": link(page),
        "evidently_page": dg.MetadataValue.path(page),
        "reason": "",
        "drifted": sum(value >= settings.config.drift.min_shift for value in shares.values()),
        "features": len(shares),
        "largest_distance": max(shares.values()),
    }


def _evidently(sides: list[np.ndarray[Any, Any]], names: tuple[str, ...], page: Path) -> dict[str, float]:
    """Wasserstein distance of each feature in standard deviations, as Evidently has it."""
    os.environ["DO_NOT_TRACK"] = "1"
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    said = DataDefinition(numerical_columns=list(names))
    current, reference = (
        Dataset.from_pandas(pd.DataFrame(rows, columns=list(names)), data_definition=said) for rows in sides
    )
    found = Report([DataDriftPreset(num_method="wasserstein")]).run(current, reference)
    found.save_html(str(page))
    metrics = (one for one in found.dict()["metrics"] if "column" in one["config"])
    return {one["config"]["column"]: float(one["value"]) for one in metrics}
