"""Predictions: shadows, several model types, rows that give none, and models that run in another process."""

import asyncio
import os
import signal
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import replace

import numpy as np
import pytest

from gal_friday_core.candles import Series
from gal_friday_core.errors import ArtifactError, SchemaMismatchError, StorageError
from gal_friday_core.features.book_set import BOOK_V1
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.schema import FeatureVector
from gal_friday_core.payloads import FeaturesCalculated
from gal_friday_core.predictor import Predictor
from gal_friday_core.times import SECOND_NS
from gal_friday_live.bus import PubSubManager
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.fixed_models import FixedModels
from gal_friday_live.ids import SequentialIds
from gal_friday_live.inference import Inference, Placement
from gal_friday_live.inference_pool import InferencePool
from gal_friday_live.journal_writer import JournalWriter
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.prediction_service import PredictionService
from gal_friday_live.tasks import TaskSupervisor
from tests.live.trading import collect, entries, trading
from tests.live.world import SERIES, START, files, manager, played, predictor


def typed(model_type, version=1, seed=3):
    """A model of the same series under a type of its own."""
    return Predictor.from_files(
        files(seed), model_id=f"{model_type}@v{version}", model_type=model_type, version=version
    )


class Room:
    """A prediction service alone with its bus."""

    def __init__(self, models, config=None, **ports):
        self.clock, self.journal, self.tasks = SimulatedClock(START), MemoryJournal(), TaskSupervisor()
        self.bus = PubSubManager(self.clock, SequentialIds(), spawn=self.tasks.start)
        self.published, self.errors = [], []
        self.bus.subscribe("PREDICTION_GENERATED", self.published.append)
        self.bus.subscribe("SYSTEM_ERROR", lambda event: self.errors.append(event.payload.message))
        self.service = PredictionService(
            config or manager(), self.bus, models=models, series=[SERIES], clock=self.clock, journal=self.journal,
            writer=JournalWriter(self.journal, self.tasks), tasks=self.tasks, **self.inference(ports),
        )  # fmt: skip

    def inference(self, ports):
        make = ports.pop("inference", None)
        return ports | ({"inference": make(self.tasks)} if make else {})

    async def __aenter__(self):
        await self.service.start()
        return self

    async def __aexit__(self, *_):
        await self.tasks.stop()
        await self.service.stop()

    def tell(self, values=None, schema=CANDLES_V1, moment=START, pair=SERIES.pair):
        values = np.linspace(0, 1, len(schema)) if values is None else values
        self.bus.emit(
            "FEATURES_CALCULATED",
            FeaturesCalculated(
                trading_pair=pair, exchange=SERIES.venue, timestamp_features_for=moment,
                features=FeatureVector(schema, values), reference_price=1,
            ),
        )  # fmt: skip

    def models(self):
        return [event.payload.model_id for event in self.published]


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - anything may be waited for, a process among them
            await asyncio.sleep(0.01)


async def test_a_shadow_is_scored_on_every_row_and_never_published():
    models, shadow = FixedModels(predictor()), predictor(version=2, seed=11)
    models.stage(shadow)
    async with Room(models) as room:
        for minute in range(3):
            room.tell(moment=START + minute)
        await room.tasks.settle()
        scored = await entries(room.journal, "SHADOW_PREDICTION")
    assert room.models() == [predictor().model_id] * 3
    assert [entry.record["model_id"] for entry in scored] == [shadow.model_id] * 3
    expected = shadow.predict_row(np.linspace(0, 1, len(CANDLES_V1)))
    assert [entry.record["value"] for entry in scored] == [expected] * 3
    assert room.service.model_ids == [predictor().model_id]
    assert room.service.scored == 3


async def test_an_engine_with_a_shadow_makes_the_same_orders_as_without():
    async def orders(models):
        journal = MemoryJournal()
        async with trading(models=models, journal=journal) as engine:
            await engine.run()
        return [entry.record for entry in await entries(journal, "ORDER_INTENT")], engine

    shadowed = FixedModels(predictor())
    shadowed.stage(predictor(version=2, seed=11))
    alone, _ = await orders(FixedModels(predictor()))
    beside, engine = await orders(shadowed)
    assert alone == beside
    assert engine.prediction.scored == len(played().bars)


async def test_a_shadow_that_is_promoted_trades_and_one_that_arrives_while_running_is_scored():
    models, second, third = (
        FixedModels(predictor()),
        predictor(version=2, seed=11),
        predictor(version=3, seed=12),
    )
    models.stage(second)
    async with Room(models) as room:
        models.promote(second)
        models.stage(third)
        await until(lambda: third.model_id in room.service.get_inference_metrics()["models"])
        room.tell()
        await room.tasks.settle()
        scored = [entry.record["model_id"] for entry in await entries(room.journal, "SHADOW_PREDICTION")]
    assert room.models() == [second.model_id]
    assert scored == [third.model_id]
    assert set(room.service.get_inference_metrics()["models"]) == {second.model_id, third.model_id}


async def test_a_model_that_is_demoted_predicts_no_more_and_one_in_its_place_goes_on():
    models, staged = FixedModels(predictor(), typed("breakout")), predictor(version=2, seed=11)
    models.stage(staged)
    async with Room(models) as room:
        told = collect(room, "MODEL_LIFECYCLE")
        models.demote(predictor().model_id)
        models.demote(staged.model_id)
        models.demote("breakout@v1")
        await until(lambda: len(told) == 3)
        room.tell()
        models.promote(staged)
        await until(lambda: len(told) == 4)
        room.tell()
        await room.tasks.settle()
        swaps = [entry.record for entry in await entries(room.journal, "MODEL_SWAP")]
    assert [(event.payload.action, event.payload.model_id, event.payload.stage) for event in told] == [
        ("RETIRED", predictor().model_id, "production"), ("RETIRED", staged.model_id, "staging"),
        ("RETIRED", "breakout@v1", "production"), ("DEPLOYED", staged.model_id, "production"),
    ]  # fmt: skip
    assert [swap["action"] for swap in swaps] == ["DEPLOYED"] * 3 + ["RETIRED"] * 3 + ["DEPLOYED"]
    assert room.models() == [staged.model_id]
    assert room.service.skipped == {"NO_MODEL": 1}
    assert set(room.service.get_inference_metrics()["models"]) == {staged.model_id}


async def test_a_model_that_goes_back_to_staging_is_scored_on():
    models = FixedModels(predictor())
    async with Room(models) as room:
        models.demote(predictor().model_id)
        models.stage(predictor())
        await until(lambda: room.service.get_inference_metrics()["models"] and not room.service.trading)
        room.tell()
    assert (room.models(), room.service.scored) == ([], 1)


class Damaged(FixedModels):
    """Some versions do not verify any more."""

    altered = frozenset[str]()

    async def by_id(self, model_id):
        if model_id in self.altered:
            raise ArtifactError(f"{model_id}: model.ubj was altered")
        return await super().by_id(model_id)


async def test_a_damaged_shadow_hides_no_other_of_its_type_and_holds_nothing_up():
    second, third, fourth, fifth = (predictor(version=n, seed=9 + n) for n in (2, 3, 4, 5))
    models = Damaged(predictor())
    models.stage(second)
    models.stage(third)
    models.altered = {second.model_id}
    async with Room(models) as room:
        scored = room.service.get_inference_metrics
        assert set(scored()["models"]) == {predictor().model_id, third.model_id}
        assert [error.split(":")[-1] for error in room.errors] == [" model.ubj was altered"]
        models.stage(fourth)
        await until(lambda: fourth.model_id in scored()["models"])
        models.promote(fifth)
        await until(lambda: room.service.trading == [fifth.model_id])
        assert set(scored()["models"]) == {fifth.model_id, third.model_id, fourth.model_id}


async def test_a_shadow_that_is_damaged_later_goes_on_as_it_was_read():
    second = predictor(version=2, seed=11)
    models = Damaged(predictor())
    models.stage(second)
    async with Room(models) as room:
        models.altered = {second.model_id}
        models.promote(predictor())  # a hint about the type
        await until(lambda: room.errors)
        room.tell()
        await room.tasks.settle()
    assert room.service.scored == 1


async def test_a_model_that_does_not_verify_leaves_the_incumbent_at_work():
    class Edited(FixedModels):
        async def production(self, model_type):
            if self.edited:
                raise ArtifactError("certificate: altered")
            return await super().production(model_type)

    models = Edited(predictor())
    models.edited = False
    async with Room(models) as room:
        models.edited = True
        models.promote(predictor(version=2, seed=11))
        await until(lambda: room.errors)
        room.tell()
    assert room.errors == ["certificate: altered"]
    assert room.models() == [predictor().model_id]


async def test_a_registry_that_is_away_for_a_moment_is_asked_again():
    class Away(FixedModels):
        asked = 0

        async def shadows(self, model_type):
            self.asked += 1
            if self.asked == 2:
                raise StorageError("the database went away")
            return await super().shadows(model_type)

    models = Away(predictor())
    async with Room(models) as room:
        models.promote(predictor(version=2, seed=11))
        await until(lambda: len(room.service.model_ids) == 2)
        room.tell()
    assert models.asked == 3
    assert room.models() == [f"{SERIES.key}@v2"]
    assert room.tasks.failed == 0


async def test_several_model_types_of_one_pair_each_predict():
    other = typed("breakout")
    async with Room(FixedModels(predictor(), other)) as room:
        room.tell()
    assert sorted(room.models()) == sorted([predictor().model_id, "breakout@v1"])


async def test_rows_without_a_prediction_are_counted_by_reason():
    values = np.linspace(0, 1, len(CANDLES_V1))
    unknown = values.copy()
    unknown[3] = np.nan
    async with Room(FixedModels(predictor())) as room:
        room.tell(unknown)
        room.tell(schema=BOOK_V1)
        room.tell(pair="ETH/USD")
        room.clock.advance_to(START + 31 * SECOND_NS)
        room.tell()
    assert room.published == []
    assert dict(room.service.skipped) == {
        "FEATURES_UNKNOWN": 1,
        "SCHEMA_MISMATCH": 1,
        "NO_MODEL": 1,
        "FEATURES_STALE": 1,
    }


async def test_a_feature_set_that_no_model_takes_is_no_fault():
    async with Room(
        FixedModels(predictor()), config=manager(features={"sets": ["candles-v1", "book-v1"]})
    ) as room:
        room.tell(schema=BOOK_V1)
        room.tell()
    assert room.models() == [predictor().model_id]
    assert not room.service.skipped


async def test_a_model_on_features_that_the_engine_does_not_compute_does_not_start():
    with pytest.raises(SchemaMismatchError):
        async with Room(FixedModels(predictor()), config=manager(features={"sets": ["book-v1"]})):
            pass


async def test_a_shadow_that_cannot_serve_is_reported_and_the_rest_goes_on():
    class Wrong(FixedModels):
        async def by_id(self, model_id):
            shadow = await super().by_id(model_id)
            schema = type(shadow.schema)(
                shadow.schema.name, shadow.schema.revision + 1, shadow.schema.features
            )
            return replace(shadow, schema=schema)

    models = Wrong(predictor())
    models.stage(predictor(version=2))
    async with Room(models) as room:
        assert "was trained on candles-v1" in room.errors[0]
        models.promote(predictor(version=3, seed=11))
        await until(lambda: room.service.trading == [f"{SERIES.key}@v3"])
        room.tell()
    assert room.models() == [f"{SERIES.key}@v3"]
    assert "was trained on candles-v1" in room.errors[0]


class Slow(Inference):
    """As if the trees took longer than the way to another process."""

    def _measure(self, predictor, values):
        return 10**12


async def test_a_slow_model_is_predicted_in_a_spawned_process_with_the_same_bits():
    async with Room(FixedModels(predictor()), inference=lambda tasks: Slow(tasks, InferencePool())) as room:
        rows = np.random.default_rng(1).normal(size=(5, len(CANDLES_V1)))
        for number, row in enumerate(rows):
            room.tell(row, moment=START + number)
            await room.tasks.settle()
        figures = room.service.get_inference_metrics()["models"][predictor().model_id]
    assert [event.payload.prediction_value for event in room.published] == predictor().predict(rows).tolist()
    assert figures["placement"] == "pool"
    assert "in the pool" in room.service.placements()[predictor().model_id]
    assert figures["hop_ns"] > 0
    assert figures["p99_ns"] >= figures["p50_ns"] > 0
    assert figures["queue_age_p99_ns"] > 0


async def test_a_pool_whose_worker_dies_is_rebuilt_and_the_row_is_predicted():
    pool = InferencePool()
    async with Room(FixedModels(predictor()), inference=lambda tasks: Slow(tasks, pool)) as room:
        (worker,) = pool._executor._processes
        os.kill(worker, signal.SIGKILL)
        room.tell()
        await room.tasks.settle()
        assert pool.rebuilt == 1
        room.tell(moment=START + 1)
        await room.tasks.settle()
    assert len(room.published) == 2
    assert room.service.get_inference_metrics()["pool_rebuilt"] == 1


class ByHand(Executor):
    """An executor whose answers come when the test says so; knows every model."""

    def __init__(self):
        self.asked = []

    def submit(self, work, *arguments):
        future = Future()
        if work.__name__ == "_echo":
            future.set_result(arguments[0])
        else:
            self.asked.append((arguments[1], future))
        return future

    def shutdown(self, wait=True, *, cancel_futures=False):
        pass


async def test_a_request_that_waits_is_dropped_for_a_newer_one():
    executor = ByHand()
    async with Room(
        FixedModels(predictor()), inference=lambda tasks: Slow(tasks, InferencePool(executor))
    ) as room:
        for number in range(4):
            room.tell(np.full(len(CANDLES_V1), float(number)), moment=START + number)
        for answer in (0.25, 0.75):
            await until(lambda: executor.asked)
            _, future = executor.asked.pop()
            future.set_result(answer)
            await until(
                lambda answer=answer: room.published and room.published[-1].payload.prediction_value == answer
            )
        await room.tasks.settle()
    moments = [event.payload.timestamp_prediction_for - START for event in room.published]
    assert moments == [0, 3]
    assert room.service.skipped == {"SUPERSEDED": 2}


async def test_an_answer_that_comes_too_late_is_not_published():
    executor = ByHand()
    async with Room(
        FixedModels(predictor()), inference=lambda tasks: Slow(tasks, InferencePool(executor))
    ) as room:
        room.tell()
        await until(lambda: executor.asked)
        room.clock.advance_to(START + 40 * SECOND_NS)
        executor.asked.pop()[1].set_result(0.5)
        await room.tasks.settle()
    assert room.published == []
    assert room.service.skipped == {"PREDICTION_STALE": 1}


async def test_a_row_that_two_pools_break_on_is_counted_and_the_engine_goes_on():
    class Breaking(ByHand):
        def submit(self, work, *arguments):
            if work.__name__ == "_echo":
                return super().submit(work, *arguments)
            raise BrokenExecutor("planted")

    pool = InferencePool(make=Breaking)
    async with Room(FixedModels(predictor()), inference=lambda tasks: Slow(tasks, pool)) as room:
        room.tell()
        await room.tasks.settle()
    assert room.service.skipped == {"POOL_BROKEN": 1}
    assert not room.errors


@pytest.mark.parametrize(
    ("inline_ns", "hop_ns", "inline"),
    [(4_000, None, True), (90_000, 200_000, True), (300_000, 200_000, False)],
)
def test_the_quicker_way_is_chosen_and_both_times_are_shown(inline_ns, hop_ns, inline):
    placement = Placement(inline_ns, hop_ns)
    assert placement.is_inline == inline
    assert f"{inline_ns / 1000:.1f} us" in str(placement)
    assert str(placement).startswith("inline" if inline else "in the pool")


async def test_the_registry_names_types_by_series():
    other = predictor(series=Series("kraken", "ETH/USD", "1m"))
    models = FixedModels(predictor(), other, typed("breakout"))
    assert await models.types(SERIES.key) == ["breakout", SERIES.key]
    assert await models.types("kraken:XRP-USD:1m") == ["kraken:XRP-USD:1m"]


async def test_engine_collects_predictions_of_all_types():
    async with trading(models=FixedModels(predictor(), typed("breakout", seed=11))) as engine:
        events = collect(engine, "PREDICTION_GENERATED")
        await engine.run()
    assert len(events) == 2 * len(played().bars)
