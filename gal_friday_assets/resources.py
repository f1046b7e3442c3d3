"""What assets are given: the configuration and the stores, each the plain object of its room.

Settings come from the environment (`GAL_FRIDAY_CONFIG`, `GAL_FRIDAY_DATA_DIR`, `GAL_FRIDAY_DATABASE_URL`,
`GAL_FRIDAY__SECTION__KEY`), read when a run starts, so that a code server need not restart.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg

from gal_friday_adapters import paths
from gal_friday_adapters.artifact_store import ArtifactStore, artifacts_of
from gal_friday_adapters.lake import CandleLake, TableLake
from gal_friday_adapters.postgres.database import Database
from gal_friday_assets.alerting import PipelineAlerts
from gal_friday_assets.progress import Progress, told
from gal_friday_core.candles import Series
from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError
from gal_friday_core.features.registry import feature_set
from gal_friday_core.features.schema import FeatureSchema
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.model_registry import ModelRegistry

CONFIG_VARIABLE = "GAL_FRIDAY_CONFIG"

Result = TypeVar("Result")


class Settings:
    """The configuration of the whole product, validated when it is first read."""

    @property
    def manager(self) -> ConfigurationManager:
        manager = ConfigurationManager(os.environ.get(CONFIG_VARIABLE) or None)
        manager.load_config()
        return manager

    @property
    def config(self) -> Config:
        return self.manager.config

    @property
    def learnt_from(self) -> FeatureSchema:
        """The feature set that models are trained on."""
        return feature_set(self.config.training.feature_set)

    @property
    def traded(self) -> list[Series]:
        """What the configuration trades, hence what is topped up."""
        market = self.config.market
        return [Series(market.exchange, pair, market.interval) for pair in market.pairs]

    @property
    def database_url(self) -> str:
        """Raises ConfigError where there is none."""
        if (url := self.config.storage.database_url) is None:
            raise ConfigError("storage.database_url is unset: start through `gal-friday up`, or set it")
        return url.get_secret_value()

    def report_file(self, *parts: str) -> Path:
        """Where a page for people is written; its folder exists."""
        path = paths.reports_dir(self.config).joinpath(*(part.replace(":", "_") for part in parts))
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


@dg.resource(required_resource_keys={"settings"})
def lake(context: dg.InitResourceContext) -> CandleLake:
    """Candles by series and month."""
    return CandleLake(paths.lake_dir(context.resources.settings.config))


@dg.resource(required_resource_keys={"settings"})
def tables(context: dg.InitResourceContext) -> TableLake:
    """Feature tables and training sets."""
    return TableLake(paths.lake_dir(context.resources.settings.config))


@dg.resource(required_resource_keys={"settings"})
def artifacts(context: dg.InitResourceContext) -> ArtifactStore:
    """Model artifacts by content."""
    return artifacts_of(context.resources.settings.config)


@dataclass(frozen=True, slots=True)
class Registry:
    """The model registry, opened for one conversation at a time: assets are synchronous."""

    settings: Settings

    def call(self, conversation: Callable[[ModelRegistry], Awaitable[Result]]) -> Result:
        """Run one conversation with the registry and close the connections. Raises StorageError, RegistryError."""
        return asyncio.run(self._converse(conversation))

    async def _converse(self, conversation: Callable[[ModelRegistry], Awaitable[Result]]) -> Result:
        manager = self.settings.manager
        database = Database(self.settings.database_url)
        await database.open()
        try:
            store = artifacts_of(manager.config)
            return await conversation(ModelRegistry(manager, database, artifacts=store))
        finally:
            await database.close()


@dg.resource(required_resource_keys={"settings"})
def registry(context: dg.InitResourceContext) -> Registry:
    """Versions and stages of models."""
    return Registry(context.resources.settings)


@dg.resource
def progress(context: dg.InitResourceContext) -> Progress:
    """How far a long asset is, in the log of its run."""
    return told(context.log.info) if context.log is not None else told(lambda _: None)


def build_resources() -> dict[str, Any]:
    """The resources of the code location, by the names that assets ask for."""
    return {
        "settings": dg.ResourceDefinition.hardcoded_resource(Settings()),
        "lake": lake,
        "tables": tables,
        "artifacts": artifacts,
        "registry": registry,
        "alerts": dg.ResourceDefinition.hardcoded_resource(PipelineAlerts(Settings())),
        "progress": progress,
    }
