"""What is known of a model beside the engine: its artifact, the lake's bars, and the predictions that were journalled."""

import asyncio

from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.live_records import LiveRecords
from gal_friday_adapters.postgres.database import Database
from gal_friday_core.candles import Series
from gal_friday_core.config import Config
from gal_friday_core.drift.delay import Scored
from gal_friday_core.drift.looks import Watched
from gal_friday_core.drift.records import Said, joined, labels_of, learnt_until, watched_of
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.drivers import compute
from gal_friday_core.predictor import Predictor
from gal_friday_live.model_registry import ModelRegistry


async def recorded(database: Database, model_id: str, start_ns: int, end_ns: int) -> Said:
    """What any engine journalled that the model said of bars that closed in [start, end), traded or not; each once."""
    found = await LiveRecords(database).said_by([model_id], start_ns, end_ns)
    return Said(found.t0_ns, found.probability)


class ModelRecords:
    """Implements `DriftRecords`. Everything after the bars that the model learnt from counts as recorded live."""

    def __init__(self, registry: ModelRegistry, database: Database, lake: CandleLake, config: Config) -> None:
        self._registry = registry
        self._database = database
        self._lake = lake
        self._config = config.drift

    async def watched(self, model_id: str, now_ns: int) -> Watched:
        """As of `now_ns`. Raises DataError, RegistryError, ArtifactError."""
        model = await self._registry.by_id(model_id)
        files = (await self._registry.get_model(model_id, stage=None)).files
        said = await self._said(model, now_ns)
        candles = await asyncio.to_thread(self._lake.read, Series.parse(model.metadata.series))
        return await asyncio.to_thread(watched_of, model, files, candles, said, self._config)

    async def scored(self, model_id: str, now_ns: int) -> Scored:
        """Its recorded predictions with what became of them."""
        model = await self._registry.by_id(model_id)
        return await asyncio.to_thread(self._joined, model, await self._said(model, now_ns))

    async def _said(self, model: Predictor, now_ns: int) -> Said:
        interval_ns = Series.parse(model.metadata.series).interval_ns
        return await recorded(
            self._database, model.model_id, learnt_until(model) + interval_ns + 1, now_ns + 1
        )

    def _joined(self, model: Predictor, said: Said) -> Scored:
        candles = self._lake.read(Series.parse(model.metadata.series))
        return joined(said, labels_of(model, candles, compute(candles, CANDLES_V1)))
