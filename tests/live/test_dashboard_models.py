"""The model page: stages, gates, calibration, drift, shadow and experiments, as registry and journal have them."""

import json
from contextlib import asynccontextmanager
from itertools import pairwise

import msgspec
import pytest

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.experiments import ExperimentRepository, Outcome
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_adapters.postgres.prediction_pairs import Pair, PredictionPairs
from gal_friday_core import artifact
from gal_friday_core.drift.finding import found
from gal_friday_core.drift.ladder import Decision
from gal_friday_core.evidence.report import (
    CalibrationBin,
    Canary,
    Choice,
    Combinatorial,
    Evidence,
    Quality,
    SharpeFamily,
)
from gal_friday_core.times import MINUTE_NS
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.dashboard import model_figures
from gal_friday_live.dashboard.pages import model
from gal_friday_live.dashboard.view import Reading, View
from gal_friday_live.experiment_manager import ExperimentManager
from gal_friday_live.ids import derived
from gal_friday_live.model_registry import ModelRegistry
from tests.live.certified import certify, promote
from tests.live.dashboard_world import NOW_NS, looking, manager_of
from tests.live.world import SERIES, START, files

V1, V2 = f"{SERIES.key}@v1", f"{SERIES.key}@v2"
BINS = (CalibrationBin(events=200, said=0.2, seen=0.25), CalibrationBin(events=200, said=0.6, seen=0.55))


def nothing_of(kind, **known):
    """One of the parts of the evidence where nothing was measured."""
    blank = {"int": 0, "str": "", "bool": True}
    fields = {
        one.name: blank.get(getattr(one.type, "__name__", ""))
        for one in msgspec.structs.fields(kind)
        if one.required
    }
    return kind(**fields | known)


def with_evidence(seed):
    """The seeded model, with what a training would have kept of its calibration."""
    evidence = Evidence(
        days=(), sharpe=nothing_of(SharpeFamily), choice=nothing_of(Choice),
        combinatorial=nothing_of(Combinatorial, paths=()), stress=(), slices=(), importance=(), calibration=BINS,
        canary=nothing_of(Canary, features=(), suspects=()), quality=nothing_of(Quality, missing_share=0.0, reasons=()),
    )  # fmt: skip
    plain = {name: data for name, data in files(seed).items() if name != artifact.MANIFEST}
    return artifact.seal(plain | {artifact.EVIDENCE: evidence.to_bytes()})


@asynccontextmanager
async def registry_of(folder, database_url):
    """A registry with one model in production that kept its calibration, and one in the shadow that did not."""
    manager = manager_of(folder)
    async with Database(database_url) as database:
        registry = ModelRegistry(manager, database)
        await registry.register_model(with_evidence(3), {"metrics": {"log_loss_gain": 0.0123}})
        await registry.register_model(files(11), {})
        await promote(registry, V1)
        await certify(registry, V2, failed=("net_profit",))
        await registry.promote_model(V2, "staging")
        yield manager, database, registry


async def page_of(manager, database_url, reading=None, **query):
    async with looking(manager, database_url, reading, **query) as view:
        return await model.render(view)


async def test_the_model_in_production_is_shown_first_and_each_gate_with_its_verdict(tmp_path, database_url):
    async with registry_of(tmp_path, database_url) as (manager, _, _):
        page = await page_of(manager, database_url)
        refused = await page_of(manager, database_url, model=V2)
    assert page.index(f">{V1}<") < page.index(f">{V2}<")
    assert "16 of 16 gates" in page
    assert "✕\u00a0failed" not in page
    assert "15 of 16 gates" in refused
    assert "net_profit: bad" in refused
    assert "Earns more than it costs" in refused
    assert f"<h2>{V2}</h2>" in refused


async def test_a_model_that_nobody_knows_is_not_looked_for(tmp_path, database_url):
    async with registry_of(tmp_path, database_url) as (manager, _, _):
        page = await page_of(manager, database_url, model="<script>alert(1)</script>")
    assert "<script" not in page
    assert f"<h2>{V1}</h2>" in page


async def test_calibration_comes_from_the_artifact_and_its_absence_is_said(tmp_path, database_url):
    async with registry_of(tmp_path, database_url) as (manager, _, _):
        drawn = {}
        for model_id in (V1, V2, "nobody"):
            async with looking(manager, database_url, model=model_id) as view:
                drawn[model_id] = await model.calibration(view)
    ideal, seen = drawn[V1]["data"]
    assert (seen["x"], seen["y"]) == ([0.2, 0.6], [0.25, 0.55])
    assert seen["error_y"]["array"][0] == pytest.approx(1.96 * (0.25 * 0.75 / 200) ** 0.5)
    assert ideal["x"] == ideal["y"] == [0.2, 0.6]
    assert "train it again" in drawn[V2]["empty"]
    assert "unknown model" in drawn["nobody"]["empty"]
    json.dumps(drawn, allow_nan=False)


async def test_drift_is_told_with_what_was_done_about_it(tmp_path, database_url):
    finding = found(
        V1, "CONCEPT_DRIFT", "HIGH", confidence=0.98, reason="wins fell from .52 to .41", metrics={}
    )
    async with registry_of(tmp_path, database_url) as (manager, _, registry):
        assert "No drift beyond a threshold" in await page_of(manager, database_url)
        await registry.restrict_model(V1, [Decision("shrink", finding, "CONCEPT_DRIFT HIGH")], actor="test")
        page = await page_of(manager, database_url)
        async with looking(manager, database_url) as view:
            drawn = await model.drift(view)
    assert "wins fell from .52 to .41" in page
    assert "shrink" in page
    assert [trace["y"] for trace in drawn["data"]] == [["Concept"]]


async def said(journal, kind, model_id, values, threshold):
    await journal.begin("paper", config_hash="0" * 64, code_version="test")
    for minute, value in enumerate(values):
        moment = START + minute * MINUTE_NS
        record = {
            "model_id": model_id,
            "value": value,
            "threshold": threshold,
            "pair": SERIES.pair,
            "series": SERIES.key,
        }
        await journal.append(kind, f"{SERIES.venue}:{SERIES.pair}@{moment}#{model_id}", moment, record)


async def test_a_shadow_is_laid_beside_production_on_the_bars_that_both_scored(tmp_path, database_url):
    query = {"control": V1, "other": V2}
    async with registry_of(tmp_path, database_url) as (manager, database, _):
        async with looking(manager, database_url, **query) as view:
            assert "No bar yet" in (await model.pairs(view))["empty"]
        first, second = (
            PostgresJournal(database, derived("test", name), SimulatedClock(START)) for name in ("one", "two")
        )
        await said(first, "PREDICTION", V1, [0.2, 0.4, 0.6, 0.8], 0.5)
        await said(second, "PREDICTION", V1, [0.2, 0.4, 0.6, 0.8], 0.5)  # the same bars, played again
        await said(first, "SHADOW_PREDICTION", V2, [0.3, 0.7, 0.7], 0.65)
        assert f"What {V2} said of each bar" in await page_of(manager, database_url)
        async with looking(manager, database_url, **query) as view:
            drawn, numbers = await model.pairs(view), await model.shadow(view)
        found_pairs = await PredictionPairs(database).between(SERIES, V1, V2, START, START + MINUTE_NS)
    (bars,) = drawn["data"]
    assert (bars["x"], bars["y"]) == ([0.2, 0.4, 0.6], [0.3, 0.7, 0.7])
    assert len(drawn["layout"]["shapes"]) == 3
    told = dict(numbers["parts"][0]["rows"])
    assert told["Bars that both scored"] == "3"
    assert [told[f"{who} have bought"] for who in ("Both would",)] == ["1"]
    assert (told["Only production would have"], told["Only the shadow would have"]) == ("0", "1")
    assert numbers["parts"][1]["rows"][0][0] == "Not known yet"
    assert found_pairs == [Pair(START, 0.2, 0.3, 0.5, 0.65)]


async def test_an_experiment_shows_its_confidence_sequence_and_what_to_do(tmp_path, database_url):
    design = {
        "name": "night", "series": SERIES.key, "block": 10, "most_units": 5_000,
        "variants": [{"name": "champion", "model_id": V1}, {"name": "challenger", "model_id": V2}],
    }  # fmt: skip
    async with registry_of(tmp_path, database_url) as (manager, database, registry):
        experiments = ExperimentManager(manager, database, registry=registry)
        name = await experiments.create_experiment(design)
        assert "not started" in await page_of(manager, database_url)
        await experiments.start_experiment(name)
        await ExperimentRepository(database).record(
            name,
            [
                Outcome(
                    unit=str(unit),
                    variant=variant,
                    at_ns=START + unit * MINUTE_NS,
                    value=(unit % 7) / 7 + gain,
                )
                for unit in range(400)
                for variant, gain in (("champion", 0.0), ("challenger", 0.5 + unit * unit % 11 / 20))
            ],
        )
        page = await page_of(manager, database_url)
        async with looking(manager, database_url, experiment=name, variant="challenger") as view:
            drawn = await model.experiment(view)
        async with looking(manager, database_url, experiment=name, variant="nobody") as view:
            missing = await model.experiment(view)
    assert "night" in page
    assert "better" in page
    assert f"Consider {V2}" in page
    band, line = drawn["data"]
    assert len(band["x"]) == 2 * len(line["x"]) > 10
    assert all(low <= mean <= high for mean, (low, high) in zip(line["y"], line["customdata"], strict=True))
    assert "no challenger" in missing["empty"]
    json.dumps(drawn, allow_nan=False)


async def test_an_override_that_trades_is_named_and_so_is_nothing_in_production(tmp_path, database_url):
    manager = manager_of(tmp_path)
    async with Database(database_url) as database:
        await ModelRegistry(manager, database).register_model(files(3), {})
    page = await page_of(manager, database_url)
    told = {"engine": {"override": "to see the whole path"}}
    trial = await page_of(manager, database_url, Reading("live", NOW_NS, told, NOW_NS))
    assert "No model is in production" in page
    assert "It has none" in page
    assert "<code>gal-friday models certify" in page
    assert "under a named override: to see the whole path" in trial


async def test_without_a_database_or_a_model_the_page_says_what_to_do(tmp_path, database_url):
    manager = manager_of(tmp_path)
    nothing = View(manager=manager, database=None, reading=Reading("gone", NOW_NS), now_ns=NOW_NS)
    assert "gal-friday up" in await model.render(nothing)
    assert "gal-friday up" in await page_of(manager, database_url)


def test_a_long_comparison_is_thinned_evenly_and_keeps_its_newest_bar():
    every = [Pair(ts, 0.1, 0.2, None, None) for ts in range(10_001)]
    few = model_figures.thinned(every, 100)
    assert len(few) <= 101
    assert few[-1] == every[-1]
    assert len({after.ts_ns - before.ts_ns for before, after in pairwise(few)}) == 1
