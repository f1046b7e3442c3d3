"""One of several operators who work on the same models at once: waits for a line on standard input, acts, prints what came of it
and which changes the bus told of.

Arguments: database URL, artifact folder, seed, number of actions, model type, model ids.
"""

import asyncio
import json
import random
import sys
from collections import Counter
from pathlib import Path

from gal_friday_adapters.artifact_store import ArtifactStore
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.models import STAGES
from gal_friday_core.config import Config
from gal_friday_core.errors import RegistryError
from gal_friday_live.bus import PubSubManager
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.ids import SequentialIds
from gal_friday_live.model_registry import ModelRegistry
from tests.live.certified import certify

ACTIONS = (
    "promote",
    "override",
    "override",
    "stage",
    "demote",
    "demote",
    "rollback",
    "rollback",
    "certify",
    "refuse",
)


class FixedClock:
    def now_ns(self) -> int:
        return 1


async def act(
    registry: ModelRegistry, action: str, rng: random.Random, model_type: str, ids: list[str]
) -> str:
    """Do it on some model; what became of it where nobody objected."""
    model_id, decision = rng.choice(ids), ("racer", "because I say so")
    match action:
        case "promote":
            return _told(await registry.promote_model(model_id, "production", actor="racer"))
        case "override":
            return _told(await registry.promote_model(model_id, "production", override=decision))
        case "stage":
            below = [stage for stage in STAGES if stage != "production"]
            return _told(await registry.promote_model(model_id, rng.choice(below), override=decision))
        case "demote":
            await registry.demote_model(model_id, actor="racer")
        case "rollback":
            await registry.rollback_model(model_type, actor="racer", override=decision)
        case _:
            await certify(registry, model_id, failed=("dsr",) if action == "refuse" else ())
            return "certified"
    return "changed"


def _told(changed: bool) -> str:
    return "changed" if changed else "already"


async def main(url: str, artifacts: str, seed: str, count: str, model_type: str, *ids: str) -> None:
    rng, outcomes, told = random.Random(int(seed)), Counter[str](), []
    bus = PubSubManager(FixedClock(), SequentialIds())
    bus.subscribe("MODEL_LIFECYCLE", lambda event: told.append(event.payload))
    async with Database(url, size=1) as database:
        config = ConfigurationManager.from_config(Config())
        registry = ModelRegistry(config, database, artifacts=ArtifactStore(Path(artifacts)), bus=bus)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        for _ in range(int(count)):
            try:
                outcomes[await act(registry, rng.choice(ACTIONS), rng, model_type, [*ids])] += 1
            except RegistryError as error:
                outcomes["stale" if "came first" in str(error) else "refused"] += 1
    changes = [(change.model_id, change.previous_stage, change.stage) for change in told]
    sys.stdout.write(json.dumps({"outcomes": outcomes, "changes": changes}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
