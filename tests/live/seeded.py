"""A registry with a model that trades often, for engines in processes of their own.

`python -m tests.live.seeded DATA_DIR` prints its id; `--refused` leaves it for an override.
"""

import asyncio
import sys
from pathlib import Path

from gal_friday_adapters.artifact_store import ArtifactStore
from gal_friday_adapters.paths import artifacts_dir, postgres_dir
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.migrate import upgrade
from gal_friday_adapters.postgres.server import EmbeddedPostgres
from gal_friday_core.config import Config
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.model_registry import ModelRegistry
from tests.live.certified import promote as promote_certified
from tests.live.world import SERIES, files, market

OFTEN = {"threshold": 0.01, "horizon": 2}
"""Enters on whatever it says, and leaves after two bars: an order or two a minute of the market."""


async def seed_model(database_url, data_dir, *, promote=True, series=SERIES, **model) -> str:
    """Register a model for an engine on that data directory; in production, or in development for an override."""
    manager = ConfigurationManager.from_config(Config.model_validate({"storage": {"data_dir": data_dir}}))
    store = ArtifactStore(artifacts_dir(manager.config))
    async with Database(database_url) as database:
        registry = ModelRegistry(manager, database, artifacts=store)
        model_id = await registry.register_model(files(series=series, **{**OFTEN, **model}), {})
        if promote:
            await promote_certified(registry, model_id)
    return model_id


def candle_file(folder):
    """Six thousand minutes in Kraken's own format."""
    candles = market()
    path = folder / "XBTUSD_1.csv"
    columns = (candles.ts // 10**9, candles.open, candles.high, candles.low, candles.close, candles.volume)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    path.write_text("".join(f"{','.join(map(str, row))},7\n" for row in rows))
    return path


def main(folder: Path, *, promote: bool) -> None:
    config = Config.model_validate({"storage": {"data_dir": folder}})
    with EmbeddedPostgres(postgres_dir(config)) as server:
        upgrade(server.url())
        sys.stdout.write(asyncio.run(seed_model(server.url(), folder, promote=promote)) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), promote="--refused" not in sys.argv)
