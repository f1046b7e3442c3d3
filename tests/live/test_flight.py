"""A recorded engine and its replay: what it said then it says again, byte for byte; what differs is named."""

import gzip
import json
import os
import re
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.simulated_kraken.demo import KEY, SECRET
from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError, DataError, StorageError
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.experiment_manager import ExperimentManager
from gal_friday_live.flight.flight import flights, replay
from gal_friday_live.flight.record import FlightRecord
from gal_friday_live.live_request import LiveRequest
from gal_friday_live.model_registry import ModelRegistry
from gal_friday_live.risk_manager import RiskManager
from gal_friday_live.simulated_venue import CASH, Simulation, simulated_server
from tests.conftest import ROOT
from tests.live.running import SPEED, running
from tests.live.seeded import candle_file, seed_model
from tests.live.world import SERIES

FAULTS = "disconnect=0.003,duplicate=0.1,checksum=0.003,lost_response=0.05,reject=0.05"


@pytest.fixture
def manager(tmp_path):
    return ConfigurationManager.from_config(
        Config.model_validate({"storage": {"data_dir": tmp_path / "data"}})
    )


async def flown(manager, database_url, tmp_path):
    """Two runs of one account through faults: the second finds what the first left, and its operator is busy.

    An experiment splits the traffic, until it is stopped in the second run.
    """
    champion = await seed_model(database_url, manager.config.storage.data_dir)
    challenger = await seed_model(database_url, manager.config.storage.data_dir, promote=False, seed=11)
    folder = tmp_path / "flights"
    await experiment(manager, database_url, champion, challenger)
    simulation = Simulation(candles=candle_file(tmp_path), speed=SPEED, funds=CASH, faults=FAULTS)
    async with simulated_server(simulation).server as server:
        request = LiveRequest(venue=server.url, record=folder)
        async with running(manager, request, database_url) as first:
            assert first.told["record"].startswith(str(folder))
            await first.until(lambda status: status["orders"] >= 2 and status["fills"] >= 2)
            await first.end()
        async with running(manager, request, database_url) as second:
            await second.until(lambda status: status["orders"] >= 1)
            async with deciding(manager, database_url) as (experiments, _):
                await experiments.stop_experiment("split", actor="ada")
            await out_of_reach(second, database_url)
            await second.ask("positions")
            await second.ask("halt", reason="enough for today", who="ada")
            with suppress(ConfigError):  # whether every check is clean depends on the faults
                await second.ask("resume", reason="looked at it", who="ada")
            await second.ask("reload", who="ada")
            await second.end()
    return flights(folder)


async def out_of_reach(engine, database_url):
    """The registry does not answer for a while, just when the engine looks whether another model serves."""
    asked, types = [], ModelRegistry.types

    async def away(registry, series):
        asked.append(series)
        if len(asked) <= 3:
            raise StorageError("nobody answers")
        return await types(registry, series)

    with pytest.MonkeyPatch.context() as planted:
        planted.setattr(ModelRegistry, "types", away)
        async with Database(database_url) as database, database.connection() as connection:
            await connection.execute("select pg_notify('model_promoted', %s)", (SERIES.key,))
        await engine.until(lambda _: len(asked) > 3)


@asynccontextmanager
async def deciding(manager, database_url):
    """Who decides about experiments, beside the engine."""
    async with Database(database_url) as database:
        registry = ModelRegistry(manager, database)
        yield ExperimentManager(manager, database, registry=registry), registry


async def experiment(manager, database_url, champion, challenger):
    """A minute is the one's, the next perhaps the other's."""
    async with deciding(manager, database_url) as (experiments, registry):
        await registry.promote_model(challenger, "staging")
        models = {"champion": champion, "challenger": challenger}
        variants = [{"name": name, "model_id": model_id} for name, model_id in models.items()]
        design = {"name": "split", "series": SERIES.key, "mode": "split", "block": 10, "variants": variants}
        await experiments.create_experiment(design)
        await experiments.start_experiment("split")


async def test_live_runs_are_replayed_byte_for_byte_and_a_changed_engine_is_found(
    manager, database_url, tmp_path, monkeypatch
):
    first, second = await flown(manager, database_url, tmp_path)
    said = Counted.of(first, second)
    for flight in (first, second):
        replayed = replay(flight)
        assert str(replayed.difference or replayed.ended) == ""
        assert replayed.unread == 0
        assert replayed.compared["note EXPERIMENT_ASSIGNMENT"] >= 1
    assert said.kinds >= {"answer", "call", "heard", "now", "server", "time"}
    nothing_secret_is_in(first, second)
    in_another_process_too(first)
    a_smaller_order_is_found(first, monkeypatch)
    a_record_that_was_cut_off_is_replayed_as_far_as_it_goes(first, tmp_path)
    lost_records_end_the_replay(second, tmp_path)


class Counted:
    """Which kinds of things were let in."""

    def __init__(self, kinds):
        self.kinds = kinds

    @classmethod
    def of(cls, *flights):
        return cls({step.let_in.kind for flight in flights for step in FlightRecord(flight).steps()})


def lines(flight):
    return b"".join(gzip.decompress(part.read_bytes()) for part in sorted(flight.glob("*.gz")))


def rewritten(flight, text, folder):
    folder.mkdir()
    (folder / "part-000001.jsonl").write_bytes(text)
    if (flight / "attached").exists():
        (folder / "attached").symlink_to(flight / "attached")
    return folder


def nothing_secret_is_in(*found):
    for flight in found:
        text = lines(flight)
        tokens = set(re.findall(rb'token\\*":\s*\\*"([^"\\]+)', text))
        assert tokens == {f"hidden-{number + 1}".encode() for number in range(len(tokens))} != set()
        assert KEY.encode() not in text
        assert SECRET.encode() not in text
        assert flight.stat().st_mode & 0o077 == 0


def in_another_process_too(flight):
    """Where sets and dictionaries have another order."""
    ran = subprocess.run(
        [sys.executable, "-m", "gal_friday_live.cli", "replay", str(flight), "--json"],
        cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": "7"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (told,) = json.loads(ran.stdout)["flights"]
    assert told["alike"]
    assert told["orders"] >= 2
    assert told["compared"]["features"] >= 2
    assert told["compared"]["note PREDICTION"] >= 2


def a_smaller_order_is_found(flight, monkeypatch):
    take = RiskManager._take_limits

    def more_timid(self, config):
        risk = config.risk.model_copy(update={"risk_per_trade": config.risk.risk_per_trade / 2})
        take(self, config.model_copy(update={"risk": risk}))

    with monkeypatch.context() as planted:
        planted.setattr(RiskManager, "_take_limits", more_timid)
        replayed = replay(flight)
    assert replayed.difference is not None
    assert replayed.difference.what in {"journal ORDER_INTENT", "note SIGNAL"}
    assert replayed.difference.then != replayed.difference.now


def a_record_that_was_cut_off_is_replayed_as_far_as_it_goes(flight, tmp_path):
    text = lines(flight)
    cut = rewritten(flight, text[: len(text) * 2 // 3], tmp_path / "cut")
    replayed = replay(cut)
    assert replayed.difference is None
    assert 0 < replayed.steps < replay(flight).steps


def lost_records_end_the_replay(flight, tmp_path):
    text = lines(flight).splitlines(keepends=True)
    text.insert(len(text) // 2, b'{"kind":"gap","ts":1.0,"dropped":3}\n')
    with pytest.raises(DataError, match="3 records were lost"):
        replay(rewritten(flight, b"".join(text), tmp_path / "gap"))


def test_a_folder_without_a_flight_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no flight record"):
        flights(tmp_path)
