"""From a request that is on record to a Dagster run that has started: `python benchmarks/bench_reaction.py`.

    python benchmarks/bench_reaction.py [--rounds 5]

A PostgreSQL server, Dagster's daemon and its code server run as processes of their own, with the sensor `retraining`
switched on. Each round writes a request for a retraining, as `drift_report` does, and waits for the run that it becomes: the
request's own time in the database against the start that Dagster noted. There is no data to learn from, so
each run then fails at its first step; its retraining is closed before the next round.
"""

import argparse
import asyncio
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

PATIENCE_S = 120
INSTANCE = [sys.executable, "-m", "gal_friday_assets.instance"]
TYPE = "kraken:BTC-USD:5m"
SETTINGS = {"GAL_FRIDAY__RETRAINING__COOL_DOWN_H": "0", "GAL_FRIDAY__RETRAINING__RUNS_A_WEEK": "100"}


async def registered(url: str) -> str:
    """A model to ask for a successor of."""
    from gal_friday_adapters.artifact_store import ArtifactStore
    from gal_friday_adapters.paths import artifacts_dir
    from gal_friday_adapters.postgres.database import Database
    from gal_friday_live.configuration import ConfigurationManager
    from gal_friday_live.model_registry import ModelRegistry
    from tests.core.model_files import model_files

    manager = ConfigurationManager()
    async with Database(url) as database:
        registry = ModelRegistry(manager, database, artifacts=ArtifactStore(artifacts_dir(manager.config)))
        return await registry.register_model(model_files(), {"model_type": TYPE})


async def asked(url: str, model_id: str, number: int) -> tuple[str, int]:
    """One more request; its id, and when it was on record."""
    from gal_friday_adapters.postgres.database import Database
    from gal_friday_adapters.postgres.retrainings import RetrainingRepository
    from gal_friday_core.retraining.policy import Request

    async with Database(url) as database:
        request = Request(
            model_type=TYPE, model_id=model_id, cause="drift", window=f"round {number} {uuid.uuid4()}",
            reason="a benchmark",
        )  # fmt: skip
        found = await RetrainingRepository(database).request(request, lambda _: "")
        return found.run_id, found.requested_ns


async def closed(url: str, run_id: str) -> None:
    from gal_friday_adapters.postgres.database import Database
    from gal_friday_adapters.postgres.retrainings import RetrainingRepository

    async with Database(url) as database:
        runs = RetrainingRepository(database)
        (found,) = [one for one in await runs.runs() if one.run_id == run_id]
        if found.state in {"REQUESTED", "STARTED"}:
            await runs.step(run_id, "FAILED", "the benchmark's round is over")


def started(instance, run_id: str) -> tuple[float, float]:
    """When Dagster made the run of a retraining, and when the run's own process began it."""
    import dagster as dg

    from gal_friday_assets.retraining_runs import TAG

    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        records = instance.get_run_records(dg.RunsFilter(tags={TAG: run_id}), limit=1)
        if records and records[0].start_time:
            return records[0].create_timestamp.timestamp(), records[0].start_time
        time.sleep(0.1)
    raise TimeoutError(f"no run of retraining {run_id} within {PATIENCE_S} s")


def measure(url: str, rounds: int) -> None:
    import dagster as dg

    from gal_friday_assets.partitions import PAIR

    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions(PAIR, [TYPE])
        model_id = asyncio.run(registered(url))
        made, begun = [], []
        for number in range(rounds + 1):
            run_id, at_ns = asyncio.run(asked(url, model_id, number))
            created, start = started(instance, run_id)
            asyncio.run(closed(url, run_id))
            if number:  # the first waits for the daemon and its code server to be up
                made.append(created - at_ns / 1e9)
                begun.append(start - at_ns / 1e9)
    print(f"{'':34}{'median':>9}{'least':>9}{'most':>9}   seconds, {rounds} rounds")
    for name, spent in (("request → run made", made), ("request → run started", begun)):
        print(f"{name:34}{statistics.median(spent):9.1f}{min(spent):9.1f}{max(spent):9.1f}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--rounds", type=int, default=5)
    rounds = arguments.parse_args().rounds
    folder = Path(tempfile.mkdtemp(prefix="reaction-"))
    os.environ |= {"GAL_FRIDAY_DATA_DIR": str(folder), **SETTINGS}
    from gal_friday_adapters.paths import dagster_home, postgres_dir
    from gal_friday_adapters.postgres.migrate import upgrade
    from gal_friday_adapters.postgres.server import EmbeddedPostgres
    from gal_friday_assets.instance import prepare_home

    with EmbeddedPostgres(postgres_dir()) as server:
        url = os.environ["GAL_FRIDAY_DATABASE_URL"] = server.url()
        upgrade(url)
        os.environ |= prepare_home(dagster_home(), url)
        with (folder / "daemon.log").open("wb") as log:
            _run(["dagster", "sensor", "start", "retraining"], log)  # as the switch in the UI does
            daemon = subprocess.Popen(
                [*INSTANCE, "dagster-daemon", "run"], stdout=log, stderr=log, start_new_session=True
            )
            try:
                measure(url, rounds)
            finally:
                os.killpg(daemon.pid, signal.SIGTERM)
                daemon.wait(30)
    shutil.rmtree(folder, ignore_errors=True)


def _run(command: list[str], log: Any) -> None:
    subprocess.run([*INSTANCE, *command], check=True, stdout=log, stderr=log)


if __name__ == "__main__":
    main()
