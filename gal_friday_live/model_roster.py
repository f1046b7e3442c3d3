"""Which models serve which series: those in production trade, those in staging are scored in their shadow."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gal_friday_core.candles import Series
from gal_friday_core.config import BarriersConfig
from gal_friday_core.errors import ArtifactError, ConfigError, RegistryError, SchemaMismatchError
from gal_friday_core.features.schema import FeatureSchema, FeatureVector
from gal_friday_core.ports import Models
from gal_friday_core.predictor import Predictor
from gal_friday_live.inference import Inference


@dataclass(frozen=True, slots=True)
class ModelOverride:
    """Lets a model that the gates refused trade paper money from `entry_threshold` on; `reason` goes to journal and summary."""

    model_id: str
    reason: str
    entry_threshold: float


@dataclass(frozen=True, slots=True)
class ActiveModel:
    """A model of one series, and the trade it was trained to judge. A `shadow` is scored and never traded."""

    predictor: Predictor
    entry_threshold: float
    barriers: BarriersConfig
    override: ModelOverride | None = None
    shadow: bool = False

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
    """A model that serves from now on, and whose place it took."""

    active: ActiveModel
    previous: str | None


class ModelRoster:
    """Reads the registry. `problems` tells what could not serve since it was last taken."""

    def __init__(
        self,
        models: Models,
        series: Iterable[Series],
        computed: Sequence[FeatureSchema],
        inference: Inference,
    ) -> None:
        self._models = models
        self._series = {item.key: item for item in series}
        self._computed = {schema.hash for schema in computed}
        self._first = computed[0].hash
        self._inference = inference
        self._traded: dict[str, dict[str, ActiveModel]] = {key: {} for key in self._series}
        self._shadows: dict[str, dict[str, ActiveModel]] = {key: {} for key in self._series}
        self._seen: dict[str, str | None] = {}  # model type → the production model that was read last
        self._serving: dict[tuple[str, str], tuple[ActiveModel, ...]] = {}
        self.by_id: dict[str, ActiveModel] = {}  # whatever served in this session
        self.problems: list[Exception] = []

    def serving(self, venue: str, pair: str) -> tuple[ActiveModel, ...]:
        """Those that trade, then their shadows."""
        return self._serving.get((venue, pair), ())

    async def start(self, override: ModelOverride | None) -> list[Swap]:
        """Everything that is to serve. With an override only that model trades.

        Raises ArtifactError, RegistryError or SchemaMismatchError where a model cannot.
        """
        swaps = []
        for key in self._series:
            for model_type in await self._models.types(key):
                predictor = await self._models.production(model_type)
                self._seen[model_type] = predictor.model_id if predictor else None
                if predictor is not None and override is None:
                    swaps.append(await self._trade(key, active_of(predictor)))
        if override is not None:
            swaps.append(await self._override(override))
        for key in self._series:
            swaps += await self._refresh_shadows(key)
        return swaps

    async def refresh(self, model_type: str) -> list[Swap]:
        """What a change of stage of that type brought; one that cannot serve is a problem, and the present one stays."""
        swaps = []
        for key in self._series:
            if model_type not in await self._models.types(key):
                continue
            try:
                swaps += await self._refresh_production(key, model_type)
            except (ArtifactError, RegistryError, SchemaMismatchError) as error:
                self.problems.append(error)
            swaps += await self._refresh_shadows(key)
        return swaps

    async def _refresh_production(self, key: str, model_type: str) -> list[Swap]:
        predictor = await self._models.production(model_type)
        if predictor is None or predictor.model_id == self._seen.get(model_type):
            return []
        swap = await self._trade(key, active_of(predictor))
        self._seen[model_type] = predictor.model_id
        return [swap]

    async def _refresh_shadows(self, key: str) -> list[Swap]:
        before, now, swaps = self._shadows[key], {}, []
        for model_type in await self._models.types(key):
            for predictor in await self._models.shadows(model_type):
                known = before.get(predictor.model_id)
                try:
                    now[predictor.model_id] = known or await self._admit(active_of(predictor, shadow=True))
                except (ArtifactError, SchemaMismatchError) as error:
                    self.problems.append(error)
                    continue
                if known is None:
                    swaps.append(Swap(now[predictor.model_id], None))
        self._shadows[key] = now
        self._line_up(key)
        for gone in before.keys() - now.keys():
            self._unload(key, gone)
        return swaps

    async def _override(self, override: ModelOverride) -> Swap:
        predictor = await self._models.by_id(override.model_id)
        key = predictor.metadata.series
        if key not in self._series:
            raise ConfigError(
                f"model {override.model_id} was trained for {key}, the engine trades {', '.join(self._series)}"
            )
        return await self._trade(key, active_of(predictor, override))

    async def _trade(self, key: str, active: ActiveModel) -> Swap:
        """From here on this model decides for its type: one assignment, between two events."""
        await self._admit(active)
        model_type = active.predictor.model_type
        before = self._traded[key].get(model_type)
        self._traded[key][model_type] = active
        self._line_up(key)
        if before is not None:
            self._unload(key, before.predictor.model_id)
        return Swap(active, before.predictor.model_id if before else None)

    async def _admit(self, active: ActiveModel) -> ActiveModel:
        if active.predictor.schema_hash not in self._computed:
            active.predictor.require_schema(self._first)
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
