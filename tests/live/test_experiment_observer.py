"""Outcomes of experiments, from what engines recorded and filled."""

import numpy as np
import pytest

from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_core.times import MINUTE_NS
from gal_friday_live.fixed_models import FixedModels
from gal_friday_live.memory_journal import MemoryJournal
from tests.live.experiment_room import SHADOW, SPLIT, V1, V2, rooms
from tests.live.trading import trading
from tests.live.world import CALM, SERIES, START, manager, market, predictor


@pytest.fixture
def room(database_url, tmp_path):
    return rooms(database_url, tmp_path)


async def test_shadow_outcomes_come_from_recorded_predictions_and_candles(room):
    candles = market()
    async with room() as here:
        here.lake.write(candles)
        models = [await here.registry.by_id(model_id) for model_id in (V1, V2)]
        journal = PostgresJournal(here.database, "00000000-0000-4000-8000-000000000001", here.clock)
        await journal.begin("paper", config_hash="x", code_version="x")
        rng = np.random.default_rng(4)
        closes = (candles.ts + MINUTE_NS)[3_000:4_000]
        for model, kind in zip(models, ("PREDICTION", "SHADOW_PREDICTION"), strict=True):
            for at, value in zip(closes, rng.random(1_000).tolist(), strict=True):
                note = {"model_id": model.model_id, "value": value, "pair": SERIES.pair}
                journal.note(kind, f"{at}#{model.model_id}", int(at), note)
        await journal.close()
        config = {**SHADOW, "block": None, "most_units": 100_000}
        stored = await _begun(here, config, int(closes[0]))
        seen = await here.manager._observer.observe(stored, int(closes[0]), int(candles.ts[-1]))
        again = await here.manager._observer.observe(stored, int(closes[0]), int(candles.ts[-1]))
        new = await here.manager._experiments.record(stored.experiment_id, seen[1])
        twice = await here.manager._experiments.record(stored.experiment_id, again[1])
        found = await here.manager.analyze_experiment("night")
    assert (new, twice) == (2_000, 0)
    assert [figure["units"] for figure in found["figures"]] == [1_000, 1_000]
    assert all(figure["wins"] + figure["losses"] > 3 for figure in found["figures"])
    assert found["block"] >= 5 * 60  # five trades of an hour
    assert found["comparisons"][0]["units"] == 1_000


async def _begun(here, config, start_ns):
    await here.manager.create_experiment(config)
    await here.manager.start_experiment("night")
    return await here.manager._experiments.named("night")


async def test_split_outcomes_come_from_the_fills_of_a_running_engine(room):
    async with room() as here:
        config = {**SPLIT, "unit": "hour", "guards": {"max_loss": 9, "silent_units": 900}}
        await here.manager.create_experiment(config)
        await here.manager.start_experiment("split")
        models, journal = FixedModels(predictor()), MemoryJournal()
        models.stage(predictor(version=2, seed=11))
        async with trading(
            manager(risk=CALM), models=models, journal=journal, experiments=here.traffic
        ) as engine:
            await engine.run()
        written = PostgresJournal(here.database, "00000000-0000-4000-8000-000000000002", here.clock)
        await written.begin("paper", config_hash="x", code_version="x")
        for entry in journal.entries:
            if entry.kind in {"SIGNAL", "ORDER_INTENT", "FILL", "EXPERIMENT_ASSIGNMENT"}:
                written.note(entry.kind, entry.key, entry.ts_ns, entry.record)
        await written.close()
        stored = await here.manager._experiments.named("split")
        seen = await here.manager._observer.observe(stored, START, engine.clock.now_ns())
        assignments, outcomes = seen
        await here.manager._experiments.assign(stored.experiment_id, assignments)
        await here.manager._experiments.record(stored.experiment_id, outcomes)
        found = await here.manager.analyze_experiment("split")
        answers = await here.manager._observer.answers(stored.design, START, engine.clock.now_ns())
    assert [one["variant"] for one in answers] == [one["variant"] for one in found["answers"]]
    assert all(one["approved"] >= one["filled"] > 0 for one in answers)
    assert sum(one["filled"] for one in answers) == sum(
        entry.record["purpose"] == "ENTRY" for entry in journal.entries if entry.kind == "ORDER_INTENT"
    )
    assert len(outcomes) == len(assignments) > 50
    assert {one.variant for one in outcomes} == {"champion", "challenger"}
    assert all(one.propensity == {"champion": 0.5, "challenger": 0.5} for one in assignments)
    earned = sum(one.value for one in outcomes)
    assert earned != 0
    assert sum(figure["total"] for figure in found["figures"]) == pytest.approx(earned)
    assert not found["alarms"]
    assert found["units"] == len(outcomes)
