"""An experiment manager with everything around it, on a real database."""

from contextlib import asynccontextmanager

import numpy as np

from gal_friday_adapters.artifact_store import ArtifactStore
from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.experiments import Outcome
from gal_friday_core.times import MINUTE_NS
from gal_friday_live.bus import PubSubManager
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.experiment_manager import ExperimentManager
from gal_friday_live.experiment_traffic import ExperimentTraffic
from gal_friday_live.ids import SequentialIds
from gal_friday_live.model_registry import ModelRegistry
from tests.live.certified import promote
from tests.live.world import SERIES, START, files, manager

V1, V2, V3 = (f"{SERIES.key}@v{number}" for number in (1, 2, 3))
SHADOW = {
    "name": "night",
    "series": SERIES.key,
    "variants": [{"name": "champion", "model_id": V1}, {"name": "challenger", "model_id": V2}],
    "block": 10,
    "most_units": 5_000,
}
SPLIT = {**SHADOW, "name": "split", "mode": "split"}


class Room:
    """A manager with everything around it. Its clock is that of the machine where nobody sets it."""

    def __init__(self, database, folder):
        config = manager()
        self.database = database
        self.clock = SimulatedClock(START + 6_000 * MINUTE_NS)
        self.registry = ModelRegistry(config, database, artifacts=ArtifactStore(folder / "artifacts"))
        self.lake = CandleLake(folder / "lake")
        self.traffic = ExperimentTraffic(database, self.registry, real_money=False)
        self.bus = PubSubManager(self.clock, SequentialIds())
        self.told = []
        self.bus.subscribe("EXPERIMENT", lambda event: self.told.append(event.payload))
        self.manager = ExperimentManager(
            config, database, registry=self.registry, lake=self.lake, bus=self.bus, traffic=self.traffic,
        )  # fmt: skip

    async def models(self, count=2):
        for seed in (3, 11, 12)[:count]:
            await self.registry.register_model(files(seed), {})
        await promote(self.registry, V1)
        for model_id in (V2, V3)[: count - 1]:
            await self.registry.promote_model(model_id, "staging")

    async def outcomes(self, experiment, variant, values, first=0):
        for unit, value in enumerate(values, start=first):
            told = {"unit": str(unit), "value": float(value), "timestamp": START + unit * MINUTE_NS}
            await self.manager.record_outcome(experiment, variant, told)

    async def stored(self, experiment, outcomes):
        """Unit, variant and value of each, in one statement, as the observer brings them."""
        found = await self.manager._experiments.named(experiment)
        await self.manager._experiments.record(
            found.experiment_id,
            [
                Outcome(unit=str(unit), variant=variant, at_ns=START + unit * MINUTE_NS, value=float(value))
                for unit, variant, value in outcomes
            ],
        )

    async def pairs(self, experiment, gain, units=400, seed=0):
        rng = np.random.default_rng(seed)
        market_moves = rng.standard_normal(units)
        for name, mean in (("champion", 0.0), ("challenger", gain)):
            values = market_moves + rng.standard_normal(units) * 0.5 + mean
            await self.stored(experiment, [(unit, name, value) for unit, value in enumerate(values)])


def rooms(database_url, folder):
    """What opens a room on that database, with so many models."""

    @asynccontextmanager
    async def opened(count=2):
        async with Database(database_url) as database:
            found = Room(database, folder)
            await found.models(count)
            yield found

    return opened
