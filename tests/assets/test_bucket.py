"""The pipeline with its lake in a bucket, and an engine elsewhere that serves from there: by configuration alone."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.locations import ObjectUrl
from gal_friday_adapters.object_store import ObjectStore
from gal_friday_adapters.paths import DATA_DIR_VARIABLE, artifacts_dir, keys_dir, lake_dir
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.signing import SigningKeys
from gal_friday_assets.definitions import defs
from gal_friday_assets.partitions import PAIR, range_tags
from gal_friday_assets.resources import Settings
from gal_friday_core.config import Config
from gal_friday_core.errors import ArtifactError
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.model_registry import ModelRegistry
from tests.assets.conftest import BARS, SERIES, market
from tests.bucket_server import BucketServer
from tests.core.model_files import model_files
from tests.live.certified import promote

PLACES = ("LAKE", "ARTIFACTS", "REPORTS", "STATEMENTS")
TYPE = "kraken:BTC-USD:1m"


@pytest.fixture
def in_bucket(
    data_home: Path, bucket: ObjectUrl, bucket_server: BucketServer, monkeypatch: pytest.MonkeyPatch
) -> ObjectUrl:
    monkeypatch.setenv("GAL_FRIDAY__OBJECT_STORE__ENDPOINT_URL", bucket_server.endpoint)
    for place in PLACES:
        monkeypatch.setenv(f"GAL_FRIDAY__STORAGE__{place}", f"{bucket}/{place.lower()}")
    return bucket


def refreshed(config: Config) -> None:
    """Candles into the lake, and the assets `candles` and `feature_table` of all their months."""
    lake = CandleLake(lake_dir(config))
    lake.write(market(np.zeros(BARS)))
    months = lake.months(SERIES)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(PAIR, [SERIES.key])
        tags = range_tags(SERIES, months[0], months[-1])
        result = defs.resolve_job_def("refresh").execute_in_process(instance=instance, tags=tags)
    assert result.success
    assert len(result.asset_materializations_for_node("feature_table")) == len(months)


def test_features_in_a_bucket_are_the_bytes_that_a_disk_would_hold(
    in_bucket: ObjectUrl, data_home: Path, monkeypatch: pytest.MonkeyPatch
):
    refreshed(Settings().config)
    assert not (data_home / "lake").exists()
    store = ObjectStore(in_bucket / "lake")
    held = {name: found.content for name in store.names("") if (found := store.get(name))}
    assert {name.split("/")[0] for name in held} == {"candles", "tables"}
    monkeypatch.delenv("GAL_FRIDAY__STORAGE__LAKE")
    refreshed(Settings().config)
    root = data_home / "lake"
    assert held == {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.parquet")}


def test_an_engine_serves_from_the_bucket_what_another_machine_registered_if_it_trusts_its_key(
    in_bucket: ObjectUrl,
    data_home: Path,
    database_url: str,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
):
    async def registered(registry: ModelRegistry) -> str:
        model_id = await registry.register_model(model_files(), {})
        await promote(registry, model_id)
        return str(model_id)

    async def served(registry: ModelRegistry) -> str:
        found = await registry.production(TYPE)
        assert found is not None
        return str(found.model_id)

    model_id = talk(database_url, registered)
    assert all(name.startswith("artifacts/") for name in ObjectStore(in_bucket).names(""))
    assert not (data_home / "artifacts").exists()
    config = Settings().config
    own = SigningKeys(keys_dir(artifacts_dir(config), config)).public_key()
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(tmp_path_factory.mktemp("engine")))
    with pytest.raises(ArtifactError, match="no signature by a key that is trusted here"):
        talk(database_url, served)
    monkeypatch.setenv("GAL_FRIDAY__STORAGE__TRUSTED_KEYS", f'["{own}"]')
    assert talk(database_url, served) == model_id
    monkeypatch.setenv("GAL_FRIDAY__OBJECT_STORE__ENDPOINT_URL", "http://127.0.0.1:9")  # where nobody is
    monkeypatch.setenv("GAL_FRIDAY__OBJECT_STORE__RETRIES", "0")
    assert talk(database_url, served) == model_id
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(tmp_path_factory.mktemp("another")))
    with pytest.raises(ArtifactError, match=r"model .*s3://.*at http://127\.0\.0\.1:9; is it up"):
        talk(database_url, served)


def talk(url: str, conversation: Callable[[ModelRegistry], Awaitable[Any]]) -> Any:
    """One conversation with the registry that the environment configures."""

    async def run() -> Any:
        manager = ConfigurationManager()
        manager.load_config()
        async with Database(url) as database:
            return await conversation(ModelRegistry(manager, database))

    return asyncio.run(run())
