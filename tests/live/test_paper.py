"""Paper trading against the real registry and journal: sessions, overrides, and promotion while it runs."""

import asyncio

import pytest

from gal_friday_adapters.artifact_store import ArtifactStore
from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.postgres.database import Database
from gal_friday_core.config import Config
from gal_friday_core.errors import DataError
from gal_friday_core.times import MINUTE_NS
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.model_registry import ModelRegistry
from gal_friday_live.paper import ModelOverride, build_paper_engine
from tests.live.certified import promote as promote_certified
from tests.live.world import CALM, SERIES, START, files, market

BARS = 3_000
FIRST_LIVE = START + 1_500 * MINUTE_NS


@pytest.fixture
def manager(tmp_path):
    return ConfigurationManager.from_config(
        Config.model_validate({"storage": {"data_dir": tmp_path}, "risk": CALM})
    )


@pytest.fixture
def lake(tmp_path):
    lake = CandleLake(tmp_path / "lake")
    lake.write(market()[:BARS])
    return lake


def registry(manager, database, tmp_path):
    return ModelRegistry(manager, database, artifacts=ArtifactStore(tmp_path / "artifacts"))


async def register(models, *, promote=True, **model):
    model_id = await models.register_model(files(**model), {})
    if promote:
        await promote_certified(models, model_id)
    return model_id


async def built(manager, database, lake, **changes):
    given = {"series": SERIES, "start_ns": FIRST_LIVE, **changes}
    return await build_paper_engine(manager, database=database, lake=lake, **given)


async def recorded(engine, kind):
    return [entry async for entry in engine.journal.read(kind=kind)]


def told_of_swap(engine):
    """Set once a new model is deployed."""
    swapped = asyncio.Event()

    async def told(_):
        swapped.set()

    engine.bus.subscribe("MODEL_LIFECYCLE", told)
    return swapped


class Patient:
    """A feed that waits before one bar: by then, at the latest, the engine must have swapped."""

    live = False

    def __init__(self, feed, at, swapped):
        self._feed, self._at, self._swapped = feed, at, swapped

    async def run(self, sink):
        count = 0
        async for candle in self._feed.candles():
            if count == self._at:
                async with asyncio.timeout(30):
                    await self._swapped.wait()
            count += 1
            sink.on_candle(candle)
            await sink.drained()

    async def close(self):
        await self._feed.close()


async def test_a_promotion_reaches_the_running_engine_and_no_event_is_lost(
    manager, database_url, lake, tmp_path
):
    async with Database(database_url) as database, Database(database_url) as other:
        first = await register(registry(manager, other, tmp_path))
        engine = await built(manager, database, lake)
        await engine.start()
        swapped, seen, elsewhere = told_of_swap(engine), [], []

        async def watch(event):
            seen.append(event.payload.model_id)
            if len(seen) == 500:
                elsewhere.append(asyncio.create_task(register(registry(manager, other, tmp_path), seed=11)))

        engine.bus.subscribe("PREDICTION_GENERATED", watch)
        engine.ingestor._feed = Patient(engine.ingestor._feed, 1_000, swapped)
        await engine.run()
        await engine.stop()
        second = elsewhere[0].result()
        swaps = [entry.record for entry in await recorded(engine, "MODEL_SWAP")]
        noted = {entry.ts_ns: entry.record["model_id"] for entry in await recorded(engine, "PREDICTION")}
    assert seen == [first] * seen.index(second) + [second] * (len(seen) - seen.index(second))
    assert 500 <= seen.index(second) <= 1_000
    assert len(seen) == engine.ingestor.published == BARS - 1_500
    assert [noted[moment] for moment in sorted(noted)] == seen
    assert [(swap["previous"], swap["model_id"]) for swap in swaps] == [(None, first), (first, second)]


async def test_a_refused_model_trades_under_an_override_that_the_session_names(
    manager, database_url, lake, tmp_path
):
    async with Database(database_url) as database:
        model_id = await register(registry(manager, database, tmp_path), promote=False, threshold=0.95)
        override = ModelOverride(model_id, "refused by the gates", 0.45)
        engine = await built(manager, database, lake, override=override)
        await engine.start()
        await engine.run()
        await engine.stop()
        (session,) = await engine.journal.sessions()
        (record,) = await recorded(engine, "MODEL_OVERRIDE")
    assert session["model_override"]["reason"] == record.record["reason"] == "refused by the gates"
    assert session["mode"] == "paper-replay"
    summary = engine.summary()
    assert summary["override"] == "refused by the gates"
    assert summary["orders"] > 0
    assert summary["model_ids"] == [model_id]


async def test_a_promotion_ends_an_override(manager, database_url, lake, tmp_path):
    async with Database(database_url) as database:
        models = registry(manager, database, tmp_path)
        refused = await register(models, promote=False, threshold=0.95)
        engine = await built(
            manager, database, lake, override=ModelOverride(refused, "refused by the gates", 0.45)
        )
        await engine.start()
        assert engine.summary()["override"] == "refused by the gates"
        swapped = told_of_swap(engine)
        better = await register(models, seed=11)
        async with asyncio.timeout(30):
            await swapped.wait()
        await engine.stop()
    assert engine.prediction.model_ids == [refused, better]
    assert engine.summary()["override"] is None


async def test_an_empty_stretch_is_one_clear_error(manager, database_url, lake):
    async with Database(database_url) as database:
        with pytest.raises(DataError, match=r"no candles of kraken:BTC-USD:1m from .*months 2024-03"):
            await built(manager, database, lake, start_ns=START + 10**18)
