import asyncio
import json
from contextlib import aclosing

import numpy as np
import pytest

from gal_friday_adapters.postgres.connect import connect
from gal_friday_core import artifact
from gal_friday_core.errors import ArtifactError, RegistryError
from gal_friday_core.predictor import Predictor
from gal_friday_live.bus import PubSubManager
from gal_friday_live.ids import SequentialIds
from tests.core.model_files import model_files, rows
from tests.live.certified import certify
from tests.live.certified import promote as promote_certified
from tests.live.refused_model import refused_files
from tests.live.registry_talk import talks

TYPE = "kraken:BTC-USD:1m"


class FixedClock:
    def now_ns(self):
        return 1


@pytest.fixture
def talk(database_url, tmp_path):
    """Run one conversation with a registry on a fresh database."""
    return talks(database_url, tmp_path)


def damage(tmp_path):
    (path,) = (tmp_path / "artifacts").rglob("model.ubj")
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)


def test_the_model_that_is_served_is_the_one_that_was_registered(talk):
    async def body(registry):
        model_id = await registry.register_model(model_files(), {"metrics": {"auc": 0.61, "trades": 40}})
        assert await registry.production(TYPE) is None
        assert await registry.get_production_model(TYPE) is None
        assert await promote_certified(registry, model_id) is True
        assert await registry.promote_model(model_id, "production") is False
        return await registry.production(TYPE), await registry.by_id(model_id)

    served, by_id = talk(body)
    direct = Predictor.from_files(model_files(), model_id="x", model_type="x", version=1)
    assert (served.model_id, served.model_type, served.version) == (f"{TYPE}@v1", TYPE, 1)
    matrix = rows(200, seed=3)
    assert np.array_equal(served.predict(matrix), direct.predict(matrix))
    assert np.array_equal(by_id.predict(matrix), direct.predict(matrix))


def test_registering_identical_bytes_again_returns_the_same_id(talk):
    async def body(registry):
        ids = [await registry.register_model(model_files(), {}) for _ in range(2)]
        return [*ids, await registry.register_model(model_files(seed=8), {})]

    assert talk(body) == [f"{TYPE}@v1", f"{TYPE}@v1", f"{TYPE}@v2"]


def test_the_list_says_stage_verdict_and_metrics(talk):
    async def body(registry):
        await registry.register_model(model_files(), {"metrics": {"auc": 0.61, "unknown": None}})
        second = await registry.register_model(refused_files(), {"model_type": "other"})
        await registry.promote_model(f"{TYPE}@v1", "staging")
        assert [m["model_id"] for m in await registry.list_models("development")] == [second]
        assert [m["model_id"] for m in await registry.list_models(model_type=TYPE)] == [f"{TYPE}@v1"]
        assert await registry.get_model_metrics(f"{TYPE}@v1") == {"auc": 0.61}
        return await registry.list_models()

    first, second = talk(body)
    assert (first["stage"], first["verdict"], first["metrics"]) == (
        "staging", {"passed": True, "reasons": []}, {"auc": 0.61},
    )  # fmt: skip
    assert second["verdict"] == {"passed": False, "reasons": ["no better than the base rate", "12 trades"]}
    assert first["created_at"].endswith("Z")
    assert json.dumps([first, second])


def test_metadata_tells_origin_and_history(talk):
    async def body(registry):
        model_id = await registry.register_model(model_files(), {"data_version": "d1", "note": "first"})
        await registry.promote_model(
            model_id, "staging", actor="ada", reason="shadow it", evidence={"days": 3}
        )
        return await registry.get_model_metadata(model_id)

    found = talk(body)
    assert (found["data_version"], found["metadata"]["note"], found["lock_version"]) == ("d1", "first", 1)
    assert found["artifact"] == artifact.artifact_id(model_files())
    event = found["history"][-1]
    assert (event["previous_stage"], event["stage"], event["actor"], event["reason"]) == (
        "development", "staging", "ada", "shadow it",
    )  # fmt: skip
    assert (event["evidence"]["days"], event["evidence"]["verdict"]["passed"]) == (3, True)
    assert json.dumps(found)


def test_a_refused_model_stays_in_development_unless_overridden_by_name(talk):
    async def body(registry):
        model_id = await registry.register_model(refused_files(), {})
        with pytest.raises(RegistryError, match="for staging: no better than the base rate; 12 trades"):
            await registry.promote_model(model_id, "staging")
        await certify(registry, model_id, failed=("dsr", "pbo"))
        with pytest.raises(RegistryError, match="for production: dsr: bad; pbo: bad"):
            await registry.promote_model(model_id, "production")
        assert (await registry.get_model(model_id, "development")).stage == "development"
        await registry.promote_model(model_id, "production", override=("ada", "paper experiment"))
        return await registry.get_model_metadata(model_id)

    event = talk(body)["history"][-1]
    assert (event["override"], event["actor"], event["reason"]) == (True, "ada", "paper experiment")
    assert event["evidence"]["verdict"]["reasons"] == ["no better than the base rate", "12 trades"]
    assert event["evidence"]["refusal"] == ["dsr: bad", "pbo: bad"]


def test_a_model_without_a_verdict_is_refused_promotion(talk):
    files = artifact.seal({**model_files(), artifact.REPORT: artifact.to_json({})})

    async def body(registry):
        model_id = await registry.register_model(files, {})
        with pytest.raises(RegistryError, match="no validation verdict"):
            await registry.promote_model(model_id, "staging")

    talk(body)


def test_altered_files_are_not_registered(talk, tmp_path):
    files = {**model_files(), artifact.CALIBRATION: b'{"slope": 1.0, "intercept": 9.0}'}

    async def body(registry):
        with pytest.raises(ArtifactError, match=r"calibration\.json.*altered"):
            await registry.register_model(files, {})
        return await registry.list_models()

    assert talk(body) == []
    assert not (tmp_path / "artifacts").exists()


def test_a_damaged_artifact_is_neither_served_nor_promoted(talk, tmp_path):
    async def body(registry):
        model_id = await registry.register_model(model_files(), {})
        damage(tmp_path)
        with pytest.raises(ArtifactError, match=r"model\.ubj.*altered") as caught:
            await registry.promote_model(model_id, "production")
        assert "\n" not in str(caught.value)
        assert model_id in str(caught.value)
        with pytest.raises(ArtifactError, match=r"model\.ubj"):
            await registry.by_id(model_id)
        return await registry.list_models()

    assert [model["stage"] for model in talk(body)] == ["development"]


def test_a_production_model_damaged_later_raises_instead_of_vanishing(talk, tmp_path):
    async def body(registry):
        await promote_certified(registry, await registry.register_model(model_files(), {}))
        damage(tmp_path)
        with pytest.raises(ArtifactError, match=r"model\.ubj"):
            await registry.production(TYPE)

    talk(body)


def test_get_model_asks_for_production_unless_told_otherwise(talk):
    async def body(registry):
        model_id = await registry.register_model(model_files(), {})
        with pytest.raises(RegistryError, match="in stage development, not production"):
            await registry.get_model(model_id)
        assert (await registry.get_model(model_id, stage=None)).files == model_files()
        with pytest.raises(RegistryError, match="unknown stage 'live'"):
            await registry.promote_model(model_id, "live")
        with pytest.raises(RegistryError, match="unknown model"):
            await registry.get_model("nobody@v1")

    talk(body)


def test_each_change_is_an_event(talk):
    bus, seen = PubSubManager(FixedClock(), SequentialIds()), []

    async def remember(event):
        seen.append((event.source_module, event.payload))

    async def body(registry):
        bus.subscribe("MODEL_LIFECYCLE", remember)
        first = await registry.register_model(model_files(), {})
        await registry.register_model(model_files(), {})  # known already: no event
        second = await registry.register_model(model_files(seed=8), {})
        for model_id in (first, second, second):
            await promote_certified(registry, model_id)

    talk(body, bus=bus)
    assert {source for source, _ in seen} == {"ModelRegistry"}
    assert [(p.action, p.version, p.previous_stage, p.stage) for _, p in seen] == [
        ("REGISTERED", "1", None, "development"),
        ("REGISTERED", "2", None, "development"),
        ("PROMOTED", "1", "development", "production"),
        ("ARCHIVED", "1", "production", "archived"),
        ("PROMOTED", "2", "development", "production"),
    ]


def test_promotions_are_heard_also_those_made_while_nobody_could_listen(talk, database_url):
    cut = """
        select pg_terminate_backend(pid) from pg_stat_activity
        where query like 'listen %' and datname = current_database()
    """

    async def body(registry):
        first = await registry.register_model(model_files(), {})
        second = await registry.register_model(model_files(seed=8), {})
        async with aclosing(registry.promotions()) as promotions, asyncio.timeout(30):
            assert await anext(promotions) == TYPE  # everything, once: what was missed before
            await promote_certified(registry, first)
            assert await anext(promotions) == TYPE
            assert (await registry.production(TYPE)).model_id == first
            with connect(database_url) as connection:
                assert len(connection.execute(cut).fetchall()) == 1
            await promote_certified(registry, second)
            assert await anext(promotions) == TYPE
            assert (await registry.production(TYPE)).model_id == second

    talk(body)


def test_models_in_staging_are_shadows_and_listeners_are_told_of_them(talk):
    async def body(registry):
        first = await registry.register_model(model_files(), {})
        second = await registry.register_model(model_files(seed=8), {})
        other = await registry.register_model(model_files(seed=9), {"model_type": "breakout"})
        assert await registry.types(TYPE) == [TYPE]
        async with aclosing(registry.promotions()) as promotions, asyncio.timeout(30):
            assert {await anext(promotions), await anext(promotions)} == {TYPE, "breakout"}
            await registry.promote_model(second, "staging")
            assert await anext(promotions) == TYPE
            await registry.promote_model(other, "staging")
            assert await anext(promotions) == "breakout"
            await promote_certified(registry, first)
            assert await anext(promotions) == TYPE
            assert await registry.types(TYPE) == ["breakout", TYPE]
            assert await registry.shadows(TYPE) == [second]
            assert await registry.shadows("breakout") == [other]
            await registry.promote_model(second, "archived")
            assert await anext(promotions) == TYPE
            assert await registry.shadows(TYPE) == []

    talk(body)


def test_a_listener_that_is_cancelled_lets_go_of_its_connection(talk, database_url):
    async def listen(registry, ready):
        async for _ in registry.promotions():
            ready.set()

    async def body(registry):
        await registry.register_model(model_files(), {})
        ready = asyncio.Event()
        task = asyncio.create_task(listen(registry, ready))
        async with asyncio.timeout(30):
            await ready.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()

    talk(body)
    with connect(database_url) as connection:
        left = connection.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and query ilike 'listen %'"
        )
        assert left.fetchone() == (0,)
