"""Operators in processes of their own promote, demote, roll back and certify the same models at once."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from gal_friday_adapters.artifact_store import ArtifactStore
from gal_friday_adapters.paths import keys_dir
from gal_friday_adapters.postgres.connect import connect
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.models import ModelMetadataRepository
from gal_friday_adapters.signing import SigningKeys
from gal_friday_core.config import Config
from gal_friday_live import promotion
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.model_registry import ModelRegistry
from tests.adapters.postgres.test_models import replayed, stages
from tests.bounded import line_of
from tests.core.model_files import model_files
from tests.live.certified import certify

ROOT = Path(__file__).resolve().parents[2]
TYPE = "kraken:BTC-USD:1m"
OPERATORS = 4
ACTIONS = 30


@pytest.fixture
def talk(database_url, tmp_path):
    def run(body):
        async def conversation():
            async with Database(database_url) as database:
                config = ConfigurationManager.from_config(Config())
                store = ArtifactStore(tmp_path / "artifacts")
                return await body(ModelRegistry(config, database, artifacts=store))

        return asyncio.run(conversation())

    return run


async def four_models(registry):
    """Two of them certified."""
    ids = [await registry.register_model(model_files(seed=seed), {}) for seed in (7, 8, 9, 10)]
    for model_id in ids[:2]:
        await certify(registry, model_id)
    return ids


def race(database_url, artifacts, ids):
    """What the operators were told, counted, and the changes that their buses told of."""
    script = Path(__file__).with_name("race_operator.py")
    operators = [
        subprocess.Popen(
            [sys.executable, script, database_url, artifacts, str(seed), str(ACTIONS), TYPE, *ids],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": str(ROOT)},
        )
        for seed in range(OPERATORS)
    ]
    try:
        assert [line_of(operator.stdout) for operator in operators] == ["ready\n"] * OPERATORS
        for operator in operators:
            operator.stdin.write("go\n")
            operator.stdin.flush()
        told = [json.loads(operator.communicate(timeout=300)[0]) for operator in operators]
    finally:
        for operator in operators:
            operator.kill()
            operator.communicate()
    changes = Counter(tuple(change) for one in told for change in one["changes"])
    return sum((Counter(one["outcomes"]) for one in told), Counter()), changes


def events(database_url):
    """Every change of stage after registration, oldest first."""
    with connect(database_url) as connection:
        rows = connection.execute(
            "select model_id, previous_stage, stage, override, evidence, lock_version from stage_event "
            "where previous_stage is not null order by seq"
        )
        return rows.fetchall()


def retold(told):
    """Who was in production before each of those who came, as the audit tells it; each rollback undid one promotion."""
    present, before, left = None, [], {}
    for model_id, previous, stage, _, evidence, lock in told:
        if previous == "production":
            assert present == model_id
            present, left = None, {lock: model_id}
        if stage == "production":
            assert present is None
            present = model_id
            if evidence.get("restored"):
                before.pop()
                assert (before[-1], left.get(lock)) == (model_id, evidence["instead_of"])
            elif before[-1:] != [model_id]:
                before.append(model_id)
    return present


async def overrides_that_verify(database_url, keys, ids):
    """How many came into production by a decision that was signed by name; raises where one is not what was signed."""
    count = 0
    async with Database(database_url) as database:
        repository = ModelMetadataRepository(database)
        for model_id in ids:
            model, history = await repository.version(model_id), await repository.history(model_id)
            for number, event in enumerate(history, 1):
                if event["stage"] == "production" and event["override"]:
                    promotion.check_override(keys, model, history[:number])
                    count += 1
    return count


def test_operators_at_once_leave_one_production_model_and_an_audit_that_tells_exactly_how(
    talk, database_url, tmp_path
):
    ids = talk(four_models)
    outcomes, changes = race(database_url, str(tmp_path / "artifacts"), ids)
    print(f"operators' race: {dict(outcomes)}")
    assert sum(outcomes.values()) == OPERATORS * ACTIONS
    assert outcomes["stale"] > 0
    found, told = stages(database_url), events(database_url)
    assert replayed(database_url) == found
    in_production = [model_id for model_id, stage in found.items() if stage == "production"]
    assert retold(told) == (in_production[0] if in_production else None)
    assert Counter((model_id, before, after) for model_id, before, after, *_ in told) == changes
    with connect(database_url) as connection:
        (lock,) = connection.execute("select lock_version from model_type").fetchone()
    assert {event[-1] for event in told} == set(range(1, lock + 1))
    served = talk(lambda registry: registry.production(TYPE))
    assert (served.model_id if served else None) == retold(told)
    keys = SigningKeys(keys_dir(tmp_path / "artifacts"))
    overridden = sum(override for _, _, stage, override, _, _ in told if stage == "production")
    assert asyncio.run(overrides_that_verify(database_url, keys, ids)) == overridden > 0
