"""Feature vectors in, calibrated probabilities out, by the production model of each series (001 §2.3).

Inference runs inline: compiled trees take a few microseconds, the hop to a process pool some hundred. A
promotion swaps the model between two events; every prediction names the model that made it.
"""

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np

from gal_friday_core import payloads
from gal_friday_core.candles import Series
from gal_friday_core.config import BarriersConfig
from gal_friday_core.errors import ArtifactError, ConfigError, RegistryError, SchemaMismatchError
from gal_friday_core.events import Event
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.payloads import FeaturesCalculated, ModelLifecycle, PredictionGenerated
from gal_friday_core.ports import Clock, Models
from gal_friday_core.predictor import Predictor
from gal_friday_live.bus import PubSubManager
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.journal_writer import JournalWriter, SessionJournal
from gal_friday_live.tasks import TaskSupervisor

SOURCE = "PredictionService"
FLUSH_EVERY = 5_000
"""Predictions between two waits for the journal, so that a replay at full speed cannot outrun it."""


@dataclass(frozen=True, slots=True)
class ModelOverride:
    """Lets a model that the gates refused trade paper money from `entry_threshold` on; `reason` goes to journal and summary."""

    model_id: str
    reason: str
    entry_threshold: float


@dataclass(frozen=True, slots=True)
class ActiveModel:
    """The model of one series, and the trade it was trained to judge."""

    predictor: Predictor
    entry_threshold: float
    barriers: BarriersConfig
    override: ModelOverride | None = None


class PredictionService:
    """`predictions` counts what was published, `skipped` the vectors without a prediction, by reason."""

    def __init__(
        self,
        config: ConfigurationManager,
        event_bus: PubSubManager,
        process_pool_executor: Executor | None = None,
        *,
        models: Models,
        series: Iterable[Series],
        clock: Clock,
        journal: SessionJournal,
        writer: JournalWriter,
        tasks: TaskSupervisor,
        override: ModelOverride | None = None,
    ) -> None:
        del config, process_pool_executor  # every model served here is quicker inline
        self._bus = event_bus
        self._models = models
        self._series = {item.key: item for item in series}
        self._clock = clock
        self._journal = journal
        self._writer = writer
        self._tasks = tasks
        self._override = override
        self._active: dict[tuple[str, str], ActiveModel] = {}
        self._by_id: dict[str, ActiveModel] = {}
        self._production: dict[str, str | None] = {}
        self._subscription: str | None = None
        self.predictions = 0
        self.skipped: Counter[str] = Counter()
        self.model_ids: list[str] = []

    async def start(self) -> None:
        """Load the models and listen for features and promotions.

        Raises ArtifactError, RegistryError or SchemaMismatchError where a model cannot serve.
        """
        for model_type in self._series:
            predictor = await self._models.production(model_type)
            self._production[model_type] = predictor.model_id if predictor else None
            if predictor is not None and self._override is None:
                await self._deploy(_active(predictor))
        if self._override is not None:
            await self._deploy_override(self._override)
        self._subscription = self._bus.subscribe("FEATURES_CALCULATED", self.handle_feature_event)
        self._tasks.background(self._listen(), "promotions")

    async def stop(self) -> None:
        if self._subscription is not None:
            self._bus.unsubscribe(self._subscription)

    @property
    def override_reason(self) -> str | None:
        """Why a refused model trades, or None where none does."""
        trading = (active.override for active in self._active.values())
        return next((override.reason for override in trading if override), None)

    def model(self, model_id: str) -> ActiveModel:
        """The conditions of a model that predicted in this session."""
        return self._by_id[model_id]

    async def handle_feature_event(self, event: Event) -> None:
        """Predict, unless a feature is unknown or of another schema than the model's."""
        row = event.payload
        assert isinstance(row, FeaturesCalculated)
        active = self._active.get((row.exchange, row.trading_pair))
        reason = _unusable(row, active)
        if active is None or reason is not None:
            self.skipped[reason or "NO_MODEL"] += 1
            return
        predictor = active.predictor
        value = predictor.predict_row(row.features.values)
        if not 0 <= value <= 1:
            self.skipped["NOT_A_PROBABILITY"] += 1
            return
        self.predictions += 1
        self._note(row, predictor.model_id, value)
        await self._bus.publish(
            "PREDICTION_GENERATED",
            PredictionGenerated(
                trading_pair=row.trading_pair,
                exchange=row.exchange,
                timestamp_prediction_for=row.timestamp_features_for,
                model_id=predictor.model_id,
                prediction_target=predictor.target,
                prediction_value=value,
                associated_features=row.features,
                reference_price=row.reference_price,
            ),
            source=SOURCE,
        )

    def _note(self, row: FeaturesCalculated, model_id: str, value: float) -> None:
        moment = row.timestamp_features_for
        record = {
            "model_id": model_id,
            "pair": row.trading_pair,
            "value": value,
            "price": row.reference_price,
        }
        self._journal.note("PREDICTION", f"{row.exchange}:{row.trading_pair}@{moment}", moment, record)
        if self.predictions % FLUSH_EVERY == 0:
            self._tasks.start(self._journal.flush(), "journal predictions")

    async def _listen(self) -> None:
        async for model_type in self._models.promotions():
            if model_type in self._series:
                await self._refresh(model_type)

    async def _refresh(self, model_type: str) -> None:
        """Take over a new production model; one that cannot serve is reported, and the present one stays."""
        try:
            predictor = await self._models.production(model_type)
            if predictor is None or predictor.model_id == self._production[model_type]:
                return
            await self._deploy(_active(predictor))
        except (ArtifactError, RegistryError, SchemaMismatchError) as error:
            await self._bus.publish(
                "SYSTEM_ERROR",
                payloads.SystemError(
                    error_type=type(error).__name__, message=str(error), component=SOURCE, event_id=None
                ),
                source=SOURCE,
            )
            return
        self._production[model_type] = predictor.model_id

    async def _deploy_override(self, override: ModelOverride) -> None:
        predictor = await self._models.by_id(override.model_id)
        if predictor.model_type not in self._series:
            raise ConfigError(
                f"model {override.model_id} was trained for {predictor.model_type}, "
                f"the engine trades {', '.join(self._series)}"
            )
        active = _active(predictor, override)
        record = {
            "model_id": override.model_id,
            "reason": override.reason,
            "entry_threshold": active.entry_threshold,
            "break_even": predictor.entry_threshold,
        }
        self._writer.append("MODEL_OVERRIDE", override.model_id, self._clock.now_ns(), record)
        await self._deploy(active)

    async def _deploy(self, active: ActiveModel) -> None:
        """From here on every prediction of the series carries the new id: one assignment, between two events."""
        predictor = active.predictor
        predictor.require_schema(CANDLES_V1.hash)
        series = self._series[predictor.model_type]
        before = self._active.get((series.venue, series.pair))
        self._by_id[predictor.model_id] = active
        self._active[series.venue, series.pair] = active
        self.model_ids.append(predictor.model_id)
        record = {
            "model_id": predictor.model_id,
            "previous": before.predictor.model_id if before else None,
            "override": active.override is not None,
        }
        key = f"{predictor.model_id}#{len(self.model_ids)}"
        self._writer.append("MODEL_SWAP", key, self._clock.now_ns(), record)
        change = ModelLifecycle(
            model_id=predictor.model_id,
            action="DEPLOYED",
            stage="development" if active.override else "production",
            version=str(predictor.version),
            metadata=record,
        )
        await self._bus.publish("MODEL_LIFECYCLE", change, source=SOURCE)


def _active(predictor: Predictor, override: ModelOverride | None = None) -> ActiveModel:
    threshold = predictor.entry_threshold if override is None else override.entry_threshold
    return ActiveModel(predictor, threshold, predictor.barriers, override)


def _unusable(row: FeaturesCalculated, active: ActiveModel | None) -> str | None:
    if active is None:
        return "NO_MODEL"
    vector, schema = row.features, active.predictor.schema
    if vector.schema is not schema and vector.schema.hash != schema.hash:
        return "SCHEMA_MISMATCH"
    return None if np.isfinite(vector.values).all() else "FEATURES_UNKNOWN"
