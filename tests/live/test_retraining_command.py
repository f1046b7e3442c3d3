"""A retraining looked up afterwards: asked for, judged, promoted, and taken over by an engine."""

import asyncio
import json
import uuid

import pytest
from typer.testing import CliRunner

from gal_friday_adapters.artifact_store import ArtifactStore
from gal_friday_adapters.paths import artifacts_dir
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_core.errors import RegistryError
from gal_friday_live.cli import app
from gal_friday_live.clock import SystemClock
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.model_registry import ModelRegistry
from gal_friday_live.retraining_pipeline import RetrainingPipeline
from tests.core.model_files import model_files
from tests.live.certified import certify, promote
from tests.live.test_retraining_pipeline import NEW, OLD, SMALL, TYPE, Seen


def command(*arguments):
    result = CliRunner().invoke(app, ["retraining", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


@pytest.fixture
def world(database_url, tmp_path, monkeypatch):
    """A model in production, a candidate whose certificate passed; runs a conversation about them."""
    monkeypatch.setenv("GAL_FRIDAY_DATABASE_URL", database_url)
    monkeypatch.setenv("GAL_FRIDAY_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("GAL_FRIDAY__RETRAINING__PROMOTE", "auto")
    for name, value in SMALL.items():
        monkeypatch.setenv(f"GAL_FRIDAY__RETRAINING__{name.upper()}", str(value))

    def run(body):
        async def conversation():
            manager = ConfigurationManager()
            manager.load_config()
            store = ArtifactStore(artifacts_dir(manager.config))
            async with Database(database_url) as database:
                registry = ModelRegistry(manager, database, artifacts=store)
                records = Seen(v1=0.1, v2=0.2)
                pipeline = RetrainingPipeline(manager, registry, database=database, records=records)
                return await body(pipeline, registry, database)

        return asyncio.run(conversation())

    async def models(_, registry, __):
        await promote(registry, await registry.register_model(model_files(seed=3), {}))
        await registry.register_model(model_files(seed=8), {})
        await certify(registry, NEW)

    run(models)
    return run


async def drifts_and_is_replaced(pipeline, _, database):
    found = await pipeline.detect_drift(OLD)
    run_id = await pipeline.trigger_retraining(OLD, found)
    await pipeline.begun(run_id, "the run")
    await pipeline.trained(run_id, NEW, cpu_s=90)
    (run,) = await pipeline.runs(TYPE)
    await pipeline.review(run)
    journal = PostgresJournal(database, str(uuid.uuid4()), SystemClock())
    await journal.begin("paper", config_hash="c", code_version="v")
    swap = {"model_id": NEW, "stage": "production", "action": "DEPLOYED"}
    await journal.append("MODEL_SWAP", f"{NEW}#1", 7, swap)
    return run_id


def test_a_retraining_is_told_from_drift_to_the_engine_that_swapped(world):
    run_id = world(drifts_and_is_replaced)
    (listed,) = json.loads(command("list", "--json"))
    assert (listed["run_id"], listed["state"], listed["successor"]) == (run_id, "PROMOTED", NEW)
    found = json.loads(command("show", run_id[:8], "--json"))
    assert (found["model_id"], found["cause"], found["dagster_run"]) == (OLD, "drift", "the run")
    assert found["certificate"]["passed"]
    assert found["successor_stage"] == "production"
    assert "DATA_DRIFT" in [one["drift_type"] for one in found["findings"]]
    assert found["answers"]["signals"] == 0
    moments = [(one["what"], one["whom"]) for one in found["timeline"]]
    steps = [one for one in moments if one[1] == OLD]
    assert steps[0][0] in {"note", "shrink", "shadow_only"}
    assert [what for what, _ in steps if what.isupper()] == ["REQUESTED", "STARTED"]
    after = moments[moments.index(("REQUESTED", OLD)) :]
    assert [one for one in after if one[1] == NEW] == [
        ("development → staging", NEW), ("SHADOW", NEW),
        ("staging → production", NEW), ("PROMOTED", NEW), ("engine", NEW),
    ]  # fmt: skip
    assert ("production → archived", OLD) in moments
    assert found["timeline"][-1]["said"] == "trades with it"
    times = [one["at"] for one in found["timeline"]]
    assert times == sorted(times)


def test_tables_say_cause_states_verdict_and_how_long_each_step_took(world):
    run_id = world(drifts_and_is_replaced)
    listed = command("list")
    assert run_id[:8] in listed
    assert "PROMOTED" in listed
    text = command("show", run_id)
    for said in (
        "trained again, PROMOTED",
        "asked for by drift",
        "90.0 s",
        "Certificate",
        "00:00:0",
        "trades with it",
    ):
        assert said in text


def test_one_asked_for_by_name_waits_for_its_run_and_a_second_for_the_first(world):
    asked = json.loads(command("ask", OLD, "--reason", "new fees", "--json"))
    assert (asked["state"], asked["cause"], asked["reason"]) == ("REQUESTED", "operator", "new fees")
    assert asked["run_id"] in command("ask", OLD)
    (shown,) = json.loads(command("list", "--state", "REQUESTED", "--type", TYPE, "--json"))
    assert shown["run_id"] == asked["run_id"]
    found = json.loads(command("show", asked["run_id"], "--json"))
    assert [one["what"] for one in found["timeline"]] == ["REQUESTED"]
    assert (found["successor"], found["certificate"], found["findings"]) == (None, None, [])


def test_nothing_asked_for_and_unknown_names_are_said_plainly(world):
    assert "No retraining was ever asked for" in command("list")
    with pytest.raises(RegistryError, match="no retraining 'abc'"):
        command("show", "abc")
    with pytest.raises(RegistryError, match="unknown model"):
        command("ask", f"{TYPE}@v9")
    command("ask", OLD)
    command("ask", NEW)
    with pytest.raises(RegistryError, match="2 retrainings begin with ''"):
        command("show", "")
