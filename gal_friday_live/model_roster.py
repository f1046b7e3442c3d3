"""Which models serve which series: those in production trade, those in staging are scored in their shadow."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gal_friday_core.candles import Series
from gal_friday_core.config import BarriersConfig
from gal_friday_core.errors import (
    ArtifactError,
    ConfigError,
    RegistryError,
    SchemaMismatchError,
    StorageError,
)
from gal_friday_core.features.schema import FeatureSchema, FeatureVector
from gal_friday_core.ports import Models
from gal_friday_core.predictor import Predictor
from gal_friday_live.drift_watch import DriftWatch
from gal_friday_live.inference import Inference

UNFIT = (ArtifactError, RegistryError, SchemaMismatchError)
"""What a model does that cannot serve."""


@dataclass(frozen=True, slots=True)
class ModelOverride:
    """Lets a model that the gates refused trade paper money from `entry_threshold` on; `reason` goes to journal and summary."""

    model_id: str
    reason: str
    entry_threshold: float


@dataclass(frozen=True, slots=True)
class ActiveModel:
    """A model of one series, and the trade it was trained to judge. A `shadow` is scored and never traded, but for
    one on `trial`: an experiment gives it its share.
    """

    predictor: Predictor
    entry_threshold: float
    barriers: BarriersConfig
    override: ModelOverride | None = None
    shadow: bool = False
    trial: bool = False

    def is_asked(self, features: FeatureVector | None) -> bool:
        """Whether the model knows bars like this one: its primary rule, where it was trained on one, fires."""
        primary = self.predictor.metadata.primary
        return primary is None or (features is not None and primary.fires_on(features))

    @property
    def stage(self) -> str:
        if self.shadow:
            return "staging"
        return "development" if self.override else "production"


@dataclass(frozen=True, slots=True)
class Swap:
    """A model that serves from now on, and whose place it took; or one that `retired`, and none took its place."""

    active: ActiveModel
    previous: str | None = None
    retired: bool = False


class ModelRoster:
    """Reads the registry. `swaps` and `problems` tell what changed, and what could not serve, until they are taken."""

    def __init__(
        self,
        models: Models,
        series: Iterable[Series],
        computed: Sequence[FeatureSchema],
        inference: Inference,
        drift: DriftWatch,
    ) -> None:
        self._models = models
        self._drift = drift
        self._series = {item.key: item for item in series}
        self._computed = {schema.hash for schema in computed}
        self._first = computed[0].hash
        self._inference = inference
        self._traded: dict[str, dict[str, ActiveModel]] = {key: {} for key in self._series}
        self._shadows: dict[str, dict[str, ActiveModel]] = {key: {} for key in self._series}
        # By series and model type: the production model that was read last.
        self._seen: dict[tuple[str, str], str | None] = {}
        self._serving: dict[tuple[str, str], tuple[ActiveModel, ...]] = {}
        self.by_id: dict[str, ActiveModel] = {}  # whatever served in this session
        self._swaps: list[Swap] = []
        self._problems: list[Exception] = []
        self._turn = asyncio.Lock()
        self.late: set[str] = set()
        """Model types of which files could not be fetched when they were asked for: to be refreshed again."""

    def serving(self, venue: str, pair: str) -> tuple[ActiveModel, ...]:
        """Those that trade, then their shadows."""
        return self._serving.get((venue, pair), ())

    def taken(self) -> tuple[list[Swap], list[Exception]]:
        """What changed and what could not serve since this was last asked."""
        told = self._swaps, self._problems
        self._swaps, self._problems = [], []
        return told

    async def start(self, override: ModelOverride | None) -> None:
        """Everything that is to serve. With an override only that model trades. A shadow that cannot is a problem.

        Raises ArtifactError, RegistryError or SchemaMismatchError where a model that is to trade cannot.
        """
        for key in self._series:
            for model_type in await self._models.types(key):
                predictor = await self._production(key, model_type)
                self._seen[key, model_type] = predictor.model_id if predictor else None
                if predictor is not None and override is None:
                    await self._trade(key, active_of(predictor))
        if override is not None:
            await self._override(override)
        for key in self._series:
            await self._refresh_shadows(key)

    async def refresh(self, model_type: str) -> None:
        """Follow a change of stage of that type; one that cannot serve is a problem, and the present one stays.

        One whose files cannot be fetched now makes the type `late`. Raises StorageError where the registry does not
        answer; then it may be asked again.
        """
        async with self._turn:  # what was read first must not be put in force last
            self.late.discard(model_type)
            await self._refresh(model_type)

    async def _refresh(self, model_type: str) -> None:
        for key in self._series:
            served = (*self._traded[key].values(), *self._shadows[key].values())
            before = {active.predictor.model_type for active in served}
            if model_type not in {*before, *await self._models.types(key)}:
                continue
            try:
                await self._refresh_production(key, model_type)
            except UNFIT as error:
                self._cannot_serve(model_type, error)
            await self._refresh_shadows(key)
            for active in (*self._traded[key].values(), *self._shadows[key].values()):
                if active.predictor.model_type == model_type:
                    await self._drift.read(active.predictor.model_id)

    def _cannot_serve(self, model_type: str, error: Exception) -> None:
        self._problems.append(error)
        if isinstance(error, StorageError):
            self.late.add(model_type)

    async def _production(self, key: str, model_type: str) -> Predictor | None:
        """A type may have models of several series; here those of one count."""
        predictor = await self._models.production(model_type)
        return predictor if predictor is not None and predictor.metadata.series == key else None

    async def _refresh_production(self, key: str, model_type: str) -> None:
        predictor = await self._production(key, model_type)
        found = None if predictor is None else predictor.model_id
        last = self._seen.get((key, model_type))
        if found == last:
            return
        if predictor is not None:
            await self._trade(key, active_of(predictor))
        else:
            self._retire(key, model_type, last)
        self._seen[key, model_type] = found

    def _retire(self, key: str, model_type: str, model_id: str | None) -> None:
        """It opens nothing more; under an override another model may be trading, which goes on."""
        active = self._traded[key].get(model_type)
        if active is None or active.predictor.model_id != model_id:
            return
        del self._traded[key][model_type]
        self._line_up(key)
        self._unload(key, active.predictor.model_id)
        self._swaps.append(Swap(active, retired=True))

    async def _refresh_shadows(self, key: str) -> None:
        before, now = self._shadows[key], dict[str, ActiveModel]()
        for model_type in await self._models.types(key):
            for model_id in await self._models.shadows(model_type):
                if (active := await self._shadow(key, model_type, model_id)) is not None:
                    now[model_id] = active
        self._shadows[key] = now
        self._line_up(key)
        self._swaps += [Swap(active) for name, active in now.items() if name not in before]
        trading = {active.predictor.model_id for active in self._traded[key].values()}
        for gone in before.keys() - now.keys():
            self._unload(key, gone)
            if gone not in trading:
                self._swaps.append(Swap(before[gone], retired=True))

    async def _shadow(self, key: str, model_type: str, model_id: str) -> ActiveModel | None:
        """A model in staging, ready to be scored; None where it is of another series, or cannot serve.

        One whose files were damaged since goes on as it was read.
        """
        known = self._shadows[key].get(model_id)
        try:
            predictor = await self._models.by_id(model_id)
            if predictor.metadata.series != key:
                return None
            return known or await self._admit(active_of(predictor, shadow=True))
        except UNFIT as error:
            self._cannot_serve(model_type, error)
            return known

    async def _override(self, override: ModelOverride) -> None:
        predictor = await self._models.by_id(override.model_id)
        key = predictor.metadata.series
        if key not in self._series:
            raise ConfigError(
                f"model {override.model_id} was trained for {key}, the engine trades {', '.join(self._series)}"
            )
        await self._trade(key, active_of(predictor, override))

    async def _trade(self, key: str, active: ActiveModel) -> None:
        """From here on this model decides for its type: one assignment, between two events."""
        await self._admit(active)
        model_type = active.predictor.model_type
        before = self._traded[key].get(model_type)
        self._traded[key][model_type] = active
        self._line_up(key)
        if before is not None:
            self._unload(key, before.predictor.model_id)
        self._swaps.append(Swap(active, before.predictor.model_id if before else None))

    async def _admit(self, active: ActiveModel) -> ActiveModel:
        if active.predictor.schema_hash not in self._computed:
            active.predictor.require_schema(self._first)
        await self._drift.read(active.predictor.model_id)
        await self._inference.load(active.predictor)
        self.by_id[active.predictor.model_id] = active
        return active

    def _unload(self, key: str, model_id: str) -> None:
        """A shadow that was promoted goes on serving."""
        traded = (active.predictor.model_id for active in self._traded[key].values())
        if model_id not in {*traded, *self._shadows[key]}:
            self._inference.unload(model_id)

    def _line_up(self, key: str) -> None:
        series = self._series[key]
        traded = self._traded[key]
        ids = {active.predictor.model_id for active in traded.values()}
        shadows = (active for model_id, active in self._shadows[key].items() if model_id not in ids)
        self._serving[series.venue, series.pair] = (*traded.values(), *shadows)


def active_of(
    predictor: Predictor, override: ModelOverride | None = None, *, shadow: bool = False
) -> ActiveModel:
    """The model with the threshold it enters at: its own, or the override's."""
    threshold = predictor.entry_threshold if override is None else override.entry_threshold
    return ActiveModel(predictor, threshold, predictor.barriers, override, shadow)
