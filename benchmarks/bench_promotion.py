"""How long after a promotion the running engine predicts by the new model.

    python benchmarks/bench_promotion.py [PROMOTIONS]

A process of its own promotes one of two models of 300 trees, certified against each other, PROMOTIONS times (200), as
`gal-friday models promote` does once its database is open: files, signatures and certificate verified, one
transaction. Here a prediction service on the real registry, in an embedded PostgreSQL, hears of it, verifies the same
again, and swaps. Both read the machine's monotonic clock. Prints p50 and p99 from the call to the swap and from the
commit to the swap: of models that neither process has parsed before, then of models that both know, then of
demotions and rollbacks.
"""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import xgboost

sys.path.insert(0, str(Path(__file__).parents[1]))

from gal_friday_adapters.artifact_store import ArtifactStore
from gal_friday_adapters.paths import artifacts_dir
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.migrate import upgrade
from gal_friday_adapters.postgres.server import EmbeddedPostgres
from gal_friday_core import artifact
from gal_friday_core.config import Config
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_live import model_registry
from gal_friday_live.bus import PubSubManager
from gal_friday_live.clock import SystemClock
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.ids import SequentialIds
from gal_friday_live.journal_writer import JournalWriter
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.model_registry import ModelRegistry
from gal_friday_live.prediction_service import PredictionService
from gal_friday_live.tasks import TaskSupervisor
from tests.live.certified import certificate_of
from tests.live.world import SERIES, files

TREES, DEPTH = 300, 6
DEMOTIONS = 25


def registry(database, data_dir):
    manager = ConfigurationManager.from_config(Config.model_validate({"storage": {"data_dir": data_dir}}))
    return ModelRegistry(manager, database, artifacts=ArtifactStore(artifacts_dir(manager.config))), manager


def large(seed):
    """A model as training makes it, of full trees."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(20_000, len(CANDLES_V1)))
    labels = matrix[:, 0] + matrix[:, 1] * matrix[:, 2] + rng.normal(size=len(matrix)) > 0.3
    settings = {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "max_depth": DEPTH,
        "nthread": 1,
        "eta": 0.05,
    }
    trees = xgboost.train(settings, xgboost.DMatrix(matrix, labels), TREES)
    return artifact.seal({**files(seed), artifact.MODEL: bytes(trees.save_raw("ubj"))})


async def two_models(models):
    """Registered, each certified against the other."""
    ids = [await models.register_model(large(seed), {}) for seed in (1, 2)]
    for model_id, other in (ids, ids[::-1]):
        known = (await models.get_model_metadata(model_id))["artifact"]
        await models.certify_model(model_id, certificate_of(SERIES.key, known, incumbent=other))
    return ids


async def operator(url, data_dir, kept):
    """The other process: a line in is something to do, a line out when it was asked and when it was committed."""
    model_registry.KEPT = int(kept)
    async with Database(url, size=2) as database:
        models, _ = registry(database, data_dir)
        for line in sys.stdin:
            verb, what = line.split()
            called = time.monotonic_ns()
            if verb == "promote":
                await models.promote_model(what, "production", actor="bench")
            elif verb == "demote":
                await models.demote_model(what, actor="bench")
            else:
                await models.rollback_model(what, actor="bench")
            sys.stdout.write(json.dumps([called, time.monotonic_ns()]) + "\n")
            sys.stdout.flush()


class Watched:
    """A prediction service, and when it last changed what it trades."""

    def __init__(self, models, manager):
        self.tasks = TaskSupervisor()
        clock, journal = SystemClock(), MemoryJournal()
        bus = PubSubManager(clock, SequentialIds(), spawn=self.tasks.start)
        bus.subscribe("MODEL_LIFECYCLE", self._told)
        self.service = PredictionService(
            manager, bus, models=models, series=[SERIES], clock=clock, journal=journal,
            writer=JournalWriter(journal, self.tasks), tasks=self.tasks,
        )  # fmt: skip
        self.changed = asyncio.Event()
        self.at_ns = 0

    def _told(self, event):
        if event.payload.stage == "production" and event.payload.action in {"DEPLOYED", "RETIRED"}:
            self.at_ns = time.monotonic_ns()
            self.changed.set()


async def ask(process, watched, *words):
    """(from the call, from the commit) to the swap, in ms."""
    watched.changed.clear()
    process.stdin.write((" ".join(words) + "\n").encode())
    answer = asyncio.ensure_future(process.stdout.readline())
    await asyncio.wait_for(watched.changed.wait(), 30)
    called, committed = json.loads(await answer)
    return (watched.at_ns - called) / 1e6, (watched.at_ns - committed) / 1e6


def report(what, measured):
    for since, values in zip(("call", "commit"), zip(*measured, strict=True), strict=True):
        cuts = statistics.quantiles(values, n=100, method="inclusive")
        print(
            f"{what}, {since} -> swapped: p50 {cuts[49]:7.1f} ms   p99 {cuts[98]:7.1f} ms   max {max(values):7.1f} ms"
        )


async def measure(url, data_dir, promotions, kept):
    """With `kept` 1, each of two models in turn is new every time."""
    model_registry.KEPT = kept
    async with Database(url) as database:
        models, manager = registry(database, data_dir)
        ids = await two_models(models)
        watched = Watched(models, manager)
        await watched.service.start()
        process = await asyncio.create_subprocess_exec(
            sys.executable, __file__, "--operator", url, data_dir, str(kept),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        for number in range(4):
            await ask(process, watched, "promote", ids[number % 2])  # warm
        swaps = [await ask(process, watched, "promote", ids[number % 2]) for number in range(promotions)]
        demoted, restored = [], []
        for _ in range(DEMOTIONS if kept > 1 else 0):
            demoted.append(await ask(process, watched, "demote", ids[1]))
            await ask(process, watched, "promote", ids[1])
            restored.append(await ask(process, watched, "rollback", SERIES.key))
            await ask(process, watched, "promote", ids[1])
        process.stdin.close()
        await process.wait()
        await watched.tasks.stop()
        await watched.service.stop()
    report("promotion of a known model" if kept > 1 else "promotion of a new model", swaps)
    if demoted:
        report("demotion", demoted)
        report("rollback", restored)


def main():
    if sys.argv[1:2] == ["--operator"]:
        asyncio.run(operator(*sys.argv[2:]))
        return
    promotions = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder, "postgres")) as server:
        upgrade(server.url())
        for kept in (1, model_registry.KEPT):
            asyncio.run(measure(server.url(), folder, promotions, kept))


if __name__ == "__main__":
    main()
