"""One contender of the promotion race: waits for a line on standard input, promotes, prints what became of it.

Arguments: database URL, seed, number of promotions, model ids.
"""

import asyncio
import json
import random
import sys
from collections import Counter

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.models import STAGES, ModelMetadataRepository, StageChange
from gal_friday_core.errors import RegistryError


async def main(url: str, seed: str, count: str, *model_ids: str) -> None:
    rng = random.Random(int(seed))
    outcomes: Counter[str] = Counter()
    async with Database(url, size=1) as database:
        repository = ModelMetadataRepository(database)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        for _ in range(int(count)):
            stage = rng.choice((*STAGES, "production", "production"))
            change = StageChange(
                model_id=rng.choice(model_ids), stage=stage, actor=f"racer {seed}", reason="race"
            )
            try:
                outcomes["changed" if (await repository.promote(change)).changed else "already"] += 1
            except RegistryError:
                outcomes["stale"] += 1
    sys.stdout.write(json.dumps(outcomes))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
