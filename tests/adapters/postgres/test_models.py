import asyncio
import json
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from gal_friday_adapters.postgres.connect import connect
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.models import ModelMetadataRepository, NewModel, StageChange
from gal_friday_adapters.signing import Signature
from gal_friday_core.errors import RegistryError, StorageError
from tests.bounded import line_of

ROOT = Path(__file__).resolve().parents[3]
RACERS = 4
RACES = 25
SIGNATURE = Signature("ab" * 32, bytes(64))
"""The database keeps it, and asks nothing of it."""


def new_model(number, *, model_type="kraken:BTC-USD:1m", passed=True, **changes):
    values = {
        "model_type": model_type, "artifact": f"{number:064x}", "size": 1000, "schema_hash": "s",
        "data_version": "d", "code_version": "c", "config_hash": "h", "passed": passed,
        "reasons": () if passed else ("log loss is no better than the base rate", "only 12 trades"),
        "metadata": {"seed": number}, "metrics": {"auc": 0.1 + 0.2, "trades": 12.0}, "actor": "test",
    }  # fmt: skip
    return NewModel(**{**values, **changes})


CERTIFICATE = """
{"artifact_sha256": "%064x", "model_type": "kraken:BTC-USD:1m", "passed": %s}
"""
"""All that the database asks of one."""


async def register(repository, number, *, passed=True):
    """A model with its certificate."""
    model_id, _ = await repository.register(new_model(number, passed=passed), SIGNATURE)
    document = CERTIFICATE % (number, "true" if passed else "false")
    await repository.add_certificate(model_id, document.encode(), SIGNATURE)
    return model_id


def to(model_id, stage="production", **changes):
    return StageChange(model_id=model_id, stage=stage, actor="ada", reason="a test", **changes)


def with_repository(url, body):
    async def run():
        async with Database(url) as database:
            return await body(ModelMetadataRepository(database))

    return asyncio.run(run())


def stages(url):
    with connect(url) as connection:
        return dict(connection.execute("select model_id, stage from stage_current").fetchall())


def replayed(url):
    """The stages as the audit tells them; checks on the way that each event begins where the last one ended."""
    found = {}
    with connect(url) as connection:
        events = connection.execute("select model_id, previous_stage, stage from stage_event order by seq")
        for model_id, previous, stage in events:
            assert found.get(model_id) == previous
            found[model_id] = stage
            assert list(found.values()).count("production") <= 1
    return found


def test_versions_count_up_within_a_type(database_url):
    async def body(repository):
        ids = [(await repository.register(new_model(n), SIGNATURE))[0] for n in (1, 2)]
        ids.append((await repository.register(new_model(1, model_type="kraken:ETH-USD:1m"), SIGNATURE))[0])
        return ids

    assert with_repository(database_url, body) == [
        "kraken:BTC-USD:1m@v1", "kraken:BTC-USD:1m@v2", "kraken:ETH-USD:1m@v1",
    ]  # fmt: skip


def test_a_version_reads_as_it_was_registered(database_url):
    async def body(repository):
        model_id, is_new = await repository.register(new_model(7, passed=False), SIGNATURE)
        assert is_new
        return await repository.version(model_id)

    model = with_repository(database_url, body)
    assert model.metrics == {"auc": 0.1 + 0.2, "trades": 12.0}
    assert (model.passed, model.reasons) == (
        False,
        ("log loss is no better than the base rate", "only 12 trades"),
    )
    assert (model.stage, model.lock_version, model.metadata) == ("development", 0, {"seed": 7})


def test_the_same_artifact_registered_at_the_same_time_is_one_version(database_url):
    async def body(repository):
        return await asyncio.gather(*(repository.register(new_model(1), SIGNATURE) for _ in range(8)))

    found = with_repository(database_url, body)
    assert {model_id for model_id, _ in found} == {"kraken:BTC-USD:1m@v1"}
    assert sum(is_new for _, is_new in found) == 1


def test_different_artifacts_registered_at_the_same_time_get_different_versions(database_url):
    async def body(repository):
        return await asyncio.gather(*(repository.register(new_model(n), SIGNATURE) for n in range(1, 9)))

    found = with_repository(database_url, body)
    assert sorted(model_id for model_id, _ in found) == [f"kraken:BTC-USD:1m@v{n}" for n in range(1, 9)]


def test_another_verdict_for_the_same_artifact_is_refused(database_url):
    async def body(repository):
        await repository.register(new_model(1, passed=False), SIGNATURE)
        with pytest.raises(RegistryError, match="another verdict"):
            await repository.register(new_model(1, passed=True), SIGNATURE)
        return await repository.version("kraken:BTC-USD:1m@v1")

    assert with_repository(database_url, body).passed is False


def test_promotion_archives_the_model_it_replaces(database_url):
    async def body(repository):
        first, second = [await register(repository, n) for n in (1, 2)]
        await repository.promote(to(first))
        done = await repository.promote(to(second))
        assert (done.changed, done.archived, done.previous_stage) == (True, first, "development")
        assert (await repository.production("kraken:BTC-USD:1m")).model_id == second
        return await repository.history(first)

    history = with_repository(database_url, body)
    assert [(event["previous_stage"], event["stage"]) for event in history] == [
        (None, "development"), ("development", "production"), ("production", "archived"),
    ]  # fmt: skip
    assert stages(database_url) == replayed(database_url)


def test_promotion_to_the_present_stage_changes_nothing(database_url):
    async def body(repository):
        model_id = await register(repository, 1)
        first, second = [await repository.promote(to(model_id)) for _ in range(2)]
        assert (first.changed, second.changed) == (True, False)
        return await repository.history(model_id)

    assert len(with_repository(database_url, body)) == 2


def test_a_refused_model_is_not_promoted_and_the_reasons_are_said(database_url):
    async def body(repository):
        model_id = await register(repository, 1, passed=False)
        with pytest.raises(RegistryError, match=r"no better than the base rate; only 12 trades"):
            await repository.promote(to(model_id, "staging"))
        with pytest.raises(RegistryError, match=r"refused for production: luck; too short"):
            await repository.promote(to(model_id, refusal=("luck", "too short")))

    with_repository(database_url, body)
    assert set(stages(database_url).values()) == {"development"}


def test_an_override_is_marked_in_the_audit_only_where_it_was_needed(database_url):
    async def body(repository):
        refused, passed = await register(repository, 1, passed=False), await register(repository, 2)
        for model_id, refusal in ((refused, ("luck",)), (passed, ())):
            await repository.promote(to(model_id, override=True, refusal=refusal, evidence={"ticket": 9}))
        return [(await repository.history(model_id))[1] for model_id in (refused, passed)]

    refused, passed = with_repository(database_url, body)
    assert (refused["override"], refused["actor"], refused["evidence"]) == (True, "ada", {"ticket": 9})
    assert passed["override"] is False


def test_a_promotion_that_rests_on_old_knowledge_is_stale(database_url):
    async def body(repository):
        first, second = [await register(repository, n) for n in (1, 2)]
        seen = (await repository.version(second)).lock_version
        await repository.promote(to(first))
        for expected in (seen, seen + 5):
            with pytest.raises(RegistryError, match="came first"):
                await repository.promote(to(second, expected_lock=expected))
        await repository.promote(to(second, expected_lock=seen + 1))

    with_repository(database_url, body)
    assert stages(database_url)["kraken:BTC-USD:1m@v2"] == "production"


def test_an_unknown_model_is_a_registry_error(database_url):
    async def body(repository):
        with pytest.raises(RegistryError, match="unknown model 'nobody@v1'"):
            await repository.promote(to("nobody@v1"))

    with_repository(database_url, body)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_the_database_takes_no_metric_that_is_not_a_number(database_url, value):
    async def body(repository):
        with pytest.raises(StorageError, match="metric_value_check"):
            await repository.register(new_model(1, metrics={"auc": value}), SIGNATURE)
        assert await repository.versions() == []

    with_repository(database_url, body)


APPEND_ONLY = ("artifact", "model_version", "model_certificate", "metric", "stage_event")


@pytest.mark.parametrize("table", [*APPEND_ONLY, "stage_current"])
@pytest.mark.parametrize("change", ["delete from {}", "truncate {} cascade", "update {} set {} = {}"])
def test_nobody_rewrites_the_registry(database_url, table, change):
    with_repository(database_url, lambda repository: register(repository, 1))
    column = "sha256" if table == "artifact" else "model_id"
    with connect(database_url) as connection, pytest.raises(psycopg.IntegrityError, match="refused"):
        connection.execute(change.format(table, column, column))
    assert stages(database_url) == {"kraken:BTC-USD:1m@v1": "development"}


EVENT = """
insert into stage_event (model_id, model_type, stage, previous_stage, actor, reason, override, lock_version)
values ('kraken:BTC-USD:1m@v1', 'kraken:BTC-USD:1m', %s, 'staging', 'mallory', 'because', %s, 1)
"""


def test_the_gate_holds_in_the_database_too(database_url):
    with_repository(database_url, lambda repository: register(repository, 1, passed=False))
    with connect(database_url) as connection:
        with pytest.raises(psycopg.IntegrityError, match="did not pass its validation gates"):
            connection.execute(EVENT, ("staging", False))
        with pytest.raises(psycopg.IntegrityError, match="no certificate that passed"):
            connection.execute(EVENT, ("production", False))
        connection.execute(EVENT, ("production", True))
    assert replayed(database_url) == stages(database_url) == {"kraken:BTC-USD:1m@v1": "production"}


@pytest.mark.parametrize(
    ("number", "passed"),
    [(1, "false"), (1, '"true"'), (2, "true")],
    ids=["refused", "no truth value", "another model"],
)
def test_the_latest_certificate_is_what_the_database_asks_for(database_url, number, passed):
    async def body(repository):
        model_id = await register(repository, 1)
        await repository.add_certificate(model_id, (CERTIFICATE % (number, passed)).encode(), SIGNATURE)

    with_repository(database_url, body)
    with connect(database_url) as connection:
        with pytest.raises(psycopg.IntegrityError, match="no certificate that passed"):
            connection.execute(EVENT, ("production", False))
        connection.execute(EVENT, ("staging", False))


def test_a_certificate_that_is_the_latest_already_is_not_stored_twice(database_url):
    async def body(repository):
        model_id = await register(repository, 1)
        for passed in ("true", "false", "true", "true"):
            await repository.add_certificate(model_id, (CERTIFICATE % (1, passed)).encode(), SIGNATURE)
        return await repository.certificate(model_id)

    latest = with_repository(database_url, body)
    assert (latest.document, latest.signature) == ((CERTIFICATE % (1, "true")).encode(), SIGNATURE)
    with connect(database_url) as connection:
        assert connection.execute("select count(*) from model_certificate").fetchone() == (3,)


def test_a_certificate_that_refuses_a_model_in_production_is_not_stored(database_url):
    async def body(repository):
        model_id = await register(repository, 1)
        await repository.promote(to(model_id))
        document = (CERTIFICATE % (1, "false")).encode()
        with pytest.raises(
            RegistryError, match=r"v1 is in production, and this certificate refuses it: luck"
        ):
            await repository.add_certificate(model_id, document, SIGNATURE, ("luck",))
        await repository.promote(to(model_id, "staging"))
        await repository.add_certificate(model_id, document, SIGNATURE, ("luck",))

    with_repository(database_url, body)


def test_a_refusal_that_came_after_the_last_look_stops_a_promotion(database_url):
    async def body(repository):
        model_id = await register(repository, 1)
        await repository.add_certificate(
            model_id, (CERTIFICATE % (1, "false")).encode(), SIGNATURE, ("luck",)
        )
        with pytest.raises(RegistryError, match=r"no certificate that passed.*`gal-friday models show`"):
            await repository.promote(to(model_id))

    with_repository(database_url, body)
    assert set(stages(database_url).values()) == {"development"}


def test_no_stage_without_its_event(database_url):
    with_repository(database_url, lambda repository: repository.register(new_model(1), SIGNATURE))
    with (
        connect(database_url) as connection,
        pytest.raises(psycopg.IntegrityError, match="follows stage_event"),
    ):
        connection.execute("insert into stage_current values ('kraken:BTC-USD:1m@v1', 'x', 'production')")


def test_two_production_models_of_a_type_cannot_be(database_url):
    async def body(repository):
        await register(repository, 1)
        await repository.promote(to(await register(repository, 2)))

    with_repository(database_url, body)
    with (
        connect(database_url) as connection,
        pytest.raises(psycopg.errors.UniqueViolation, match="one_production"),
    ):
        connection.execute(EVENT, ("production", False))


def test_processes_that_promote_at_once_leave_one_production_model_and_an_exact_audit(database_url):
    async def body(repository):
        return [await register(repository, n) for n in range(1, 5)]

    ids = with_repository(database_url, body)
    script = Path(__file__).with_name("race_promoter.py")
    racers = [
        subprocess.Popen(
            [sys.executable, script, database_url, str(seed), str(RACES), *ids],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": str(ROOT)},
        )
        for seed in range(RACERS)
    ]
    try:
        assert [line_of(racer.stdout) for racer in racers] == ["ready\n"] * RACERS
        for racer in racers:
            racer.stdin.write("go\n")
            racer.stdin.flush()
        outcomes = [json.loads(racer.communicate(timeout=60)[0]) for racer in racers]
    finally:
        for racer in racers:
            racer.kill()
            racer.communicate()
    total = {
        name: sum(outcome.get(name, 0) for outcome in outcomes) for name in ("changed", "already", "stale")
    }
    print(f"promotion race: {total}")
    assert sum(total.values()) == RACERS * RACES
    assert replayed(database_url) == stages(database_url)
    with connect(database_url) as connection:
        assert connection.execute("select lock_version from model_type").fetchone() == (total["changed"],)
        swaps = connection.execute(
            "select count(distinct lock_version) from stage_event where reason = 'race'"
        )
        assert swaps.fetchone() == (total["changed"],)
