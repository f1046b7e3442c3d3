"""Feature vectors in, calibrated probabilities out, by every model that serves a series (001 §2.3).

A model runs inline where that is quicker than the way to another process, else in a pool (`inference`). A
promotion swaps models between two events; every prediction names the model that made it. Models in staging
are shadows: scored on the same rows and journalled, never published, so never traded. Where an experiment splits
the traffic, the model that serves the unit is heard instead, and the others of the experiment are its shadows.
"""

import math
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import stamina
from numpy.typing import NDArray

from gal_friday_core import payloads
from gal_friday_core.candles import Series
from gal_friday_core.config import Config
from gal_friday_core.drift.ladder import Restriction
from gal_friday_core.errors import StorageError
from gal_friday_core.events import Event
from gal_friday_core.experiments.traffic import Assigned, Traffic
from gal_friday_core.features.registry import feature_set
from gal_friday_core.payloads import FeaturesCalculated, ModelLifecycle, PredictionGenerated
from gal_friday_core.ports import Clock, Models
from gal_friday_core.times import SECOND_NS
from gal_friday_live.bus import PubSubManager
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.drift_watch import DriftWatch
from gal_friday_live.inference import Inference
from gal_friday_live.inference_pool import InferencePool
from gal_friday_live.journal_writer import JournalWriter, SessionJournal
from gal_friday_live.model_roster import ActiveModel, ModelOverride, ModelRoster, Swap
from gal_friday_live.tasks import TaskSupervisor

__all__ = ["ActiveModel", "ModelOverride", "PredictionService"]

SOURCE = "PredictionService"
ASSIGNMENT = "EXPERIMENT_ASSIGNMENT"
FLUSH_EVERY = 5_000
"""Predictions between two waits for the journal, so that a replay at full speed cannot outrun it."""


class PredictionService:
    """`predictions` counts what was published, `scored` what shadows said, `skipped` the rows that a model gave
    no prediction on, by reason.
    """

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
        inference: Inference | None = None,
        experiments: Traffic | None = None,
    ) -> None:
        settings = config.config
        computed = tuple(feature_set(name) for name in settings.features.sets)
        self._bus = event_bus
        self._models = models
        self._clock = clock
        self._journal = journal
        self._writer = writer
        self._tasks = tasks
        self._override = override
        self._computed = {schema.hash for schema in computed}
        self._take_limits(settings)
        config.on_reload(self._take_limits)
        self._inference = inference or Inference(tasks, InferencePool(process_pool_executor))
        self._drift = DriftWatch(models, event_bus, writer, clock)
        self._roster = ModelRoster(models, series, computed, self._inference, self._drift)
        self._trading: dict[str, ActiveModel] = {}
        self._experiments = experiments
        self._turns: dict[str, Assigned] = {}  # by pair: the assignment that was noted last
        self._subscription: str | None = None
        self._swaps = 0
        self._catches_up = False
        self.predictions = 0
        self.scored = 0
        self.skipped: Counter[str] = self._inference.skipped
        self.model_ids: list[str] = []

    def _take_limits(self, config: Config) -> None:
        self._max_age_ns = int(config.strategy.max_signal_age_s * SECOND_NS)

    async def start(self) -> None:
        """Load the models and listen for features and promotions.

        Raises ArtifactError, RegistryError or SchemaMismatchError where a model that is to trade cannot.
        """
        await self._roster.start(self._override)
        if self._override is not None:
            self._journal_override(self._override)
        await self._tell()
        self._subscription = self._bus.subscribe("FEATURES_CALCULATED", self._on_features)
        self._tasks.background(self._listen(), "promotions")
        if self._experiments is not None:
            await self._experiments.refresh()
            self._tasks.background(self._hear_of(self._experiments), "experiments")

    async def stop(self) -> None:
        if self._subscription is not None:
            self._bus.unsubscribe(self._subscription)
        self._inference.close()

    @property
    def trading(self) -> list[str]:
        """The models whose predictions may be traded now."""
        return [active.predictor.model_id for active in self._trading.values()]

    @property
    def override_reason(self) -> str | None:
        """Why a refused model trades, or None where none does."""
        trading = (active.override for active in self._trading.values())
        return next((override.reason for override in trading if override), None)

    def model(self, model_id: str) -> ActiveModel:
        """The conditions of a model that predicted in this session."""
        active = self._roster.by_id[model_id]
        if active.shadow and self._experiments is not None and self._experiments.takes_part(model_id):
            return replace(active, trial=True)
        return active

    def restriction(self, model_id: str) -> Restriction | None:
        """What drift restricts a model to. Raises KeyError for one that never served here."""
        return self._drift.held(model_id)

    def restrictions(self) -> list[Restriction]:
        """All that drift restricts now."""
        return self._drift.standing()

    def placements(self) -> dict[str, str]:
        """Where each model runs, and the measurement that decided it."""
        return self._inference.placements()

    def get_inference_metrics(self) -> dict[str, Any]:
        """Where each model runs and why, how long it takes, and what was left out; JSON-able."""
        return {
            **self._inference.metrics(),
            "predictions": self.predictions,
            "scored": self.scored,
            "skipped": dict(self.skipped),
        }

    async def handle_feature_event(self, event: Event) -> None:
        """Let every model of the pair that takes these features predict, unless one is unknown or they are old."""
        self._on_features(event)

    def _on_features(self, event: Event) -> None:
        row = event.payload
        assert isinstance(row, FeaturesCalculated)
        serving = self._roster.serving(row.exchange, row.trading_pair)
        reason = self._unusable(row, serving)
        if reason is not None:
            self.skipped[reason] += 1
            return
        schema_hash, values = row.features.schema.hash, row.features.values
        turn = None if self._experiments is None else self._assigned(self._experiments, row, serving)
        for active in serving:
            predictor = active.predictor
            if predictor.schema.hash != schema_hash:
                continue
            value = self._inference.predict(predictor, values)
            if value is None:
                told = partial(self._told_later, row, active, event, turn)
                self._inference.request(predictor, values, told)
            else:
                self._predicted(row, active, event, turn, value)

    def _assigned(
        self, experiments: Traffic, row: FeaturesCalculated, serving: tuple[ActiveModel, ...]
    ) -> Assigned | None:
        """Who is heard on this row, noted once a unit, which stays with its variant also where shares move meanwhile. A
        variant that cannot serve leaves the row to production, and no assignment: the experiment finds that it is dead.
        So does everything once the control is not in production any more.
        """
        pair = row.trading_pair
        turn = experiments.assigned(row.exchange, pair, row.timestamp_features_for)
        schema_hash = row.features.schema.hash
        if turn is None or self._override is not None:
            return None
        if turn.control not in {a.predictor.model_id for a in serving if not a.shadow}:
            self.skipped["CONTROL_REPLACED"] += 1
            return None
        noted = self._turns.get(pair)
        again = noted is not None and turn.same_unit(noted)
        if noted is not None and again and turn.propensity.get(noted.variant, 0) > 0:
            turn = noted
        if (turn.model_id, schema_hash) not in {
            (a.predictor.model_id, a.predictor.schema.hash) for a in serving
        }:
            self.skipped["VARIANT_ABSENT"] += 1
            return None
        if not again:
            self._turns[pair] = turn
            record = turn.record(row.exchange, pair)
            self._journal.note(ASSIGNMENT, f"{turn.experiment_id}:{turn.unit}", turn.at_ns, record)
        return turn

    def _unusable(self, row: FeaturesCalculated, serving: tuple[ActiveModel, ...]) -> str | None:
        if not serving:
            return "NO_MODEL"
        if row.features.schema.hash not in self._computed:
            return "SCHEMA_MISMATCH"
        if self._is_stale(row):
            return "FEATURES_STALE"
        return None if _all_known(row.features.values) else "FEATURES_UNKNOWN"

    def _is_stale(self, row: FeaturesCalculated) -> bool:
        """Too old for any signal that could come of it."""
        return self._clock.now_ns() - row.timestamp_features_for > self._max_age_ns

    def _told_later(
        self,
        row: FeaturesCalculated,
        active: ActiveModel,
        cause: Event,
        turn: Assigned | None,
        value: float,
    ) -> None:
        if self._is_stale(row):
            self.skipped["PREDICTION_STALE"] += 1
        else:
            self._predicted(row, active, cause, turn, value)

    def _predicted(
        self,
        row: FeaturesCalculated,
        active: ActiveModel,
        cause: Event,
        turn: Assigned | None,
        value: float,
    ) -> None:
        """Journal and publish; of one that is not heard, only journal."""
        if not 0 <= value <= 1:
            self.skipped["NOT_A_PROBABILITY"] += 1
            return
        predictor = active.predictor
        heard = not active.shadow if turn is None else turn.lets(predictor.model_id, shadow=active.shadow)
        self._note(row, active, value, cause.timestamp, heard=heard)
        if not heard:
            self.scored += 1
            return
        self.predictions += 1
        self._bus.emit(
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
            correlation_id=cause.correlation_id,
        )

    def _note(
        self, row: FeaturesCalculated, active: ActiveModel, value: float, received_ns: int, *, heard: bool
    ) -> None:
        moment, model_id = row.timestamp_features_for, active.predictor.model_id
        record = {
            "model_id": model_id,
            "exchange": row.exchange,
            "pair": row.trading_pair,
            "target": active.predictor.target,
            "value": value,
            "price": row.reference_price,
            "series": active.predictor.metadata.series,
            "threshold": active.entry_threshold,
            "received_ns": received_ns,
            "scored_ns": self._clock.now_ns(),
        }
        kind = "PREDICTION" if heard else "SHADOW_PREDICTION"
        self._journal.note(kind, f"{row.exchange}:{row.trading_pair}@{moment}#{model_id}", moment, record)
        if (self.predictions + self.scored) % FLUSH_EVERY == FLUSH_EVERY - 1:
            self._tasks.start(self._journal.flush(), "journal predictions")

    async def _hear_of(self, experiments: Traffic) -> None:
        async for change in experiments.changes():
            await self._bus.publish("EXPERIMENT", change, source="ExperimentManager")

    async def _listen(self) -> None:
        async for model_type in self._models.promotions():
            await self._refresh(model_type)
            await self._tell()
            if self._roster.late and not self._catches_up:
                self._catches_up = True
                self._tasks.background(self._catch_up(), "late models")

    async def _catch_up(self) -> None:
        """Fetch what could not be fetched when it was promoted, until it is there; later promotions wait for nothing."""
        async for attempt in stamina.retry_context(
            on=StorageError, attempts=None, timeout=None, wait_initial=0.2, wait_max=15.0, wait_jitter=0
        ):
            with attempt:
                for model_type in sorted(self._roster.late):
                    await self._refresh(model_type)
                await self._tell(again=True)
                if late := sorted(self._roster.late):
                    raise StorageError(
                        f"models of {', '.join(late)} cannot be fetched: look at the artifact store"
                    )
        self._catches_up = False

    # Without chance in the waits: a replay must ask again when the engine did.
    @stamina.retry(on=StorageError, attempts=None, timeout=None, wait_max=5.0, wait_jitter=0)
    async def _refresh(self, model_type: str) -> None:
        """A registry that is away for a moment must not make a change be missed."""
        await self._roster.refresh(model_type)

    async def _tell(self, *, again: bool = False) -> None:
        """Journal and publish who serves from now on, who does not any more, and who cannot; `again`: and still cannot."""
        swaps, problems = self._roster.taken()
        for swap in swaps:
            await self._announce(swap)
        for error in problems:
            if again and isinstance(error, StorageError):
                continue
            problem = payloads.SystemError(
                error_type=type(error).__name__, message=str(error), component=SOURCE, event_id=None
            )
            await self._bus.publish("SYSTEM_ERROR", problem, source=SOURCE)
        await self._drift.tell()

    async def _announce(self, swap: Swap) -> None:
        active, predictor = swap.active, swap.active.predictor
        self._swaps += 1
        self._keep_in_mind(swap)
        action = "RETIRED" if swap.retired else "DEPLOYED"
        record = {
            "model_id": predictor.model_id,
            "version": str(predictor.version),
            "stage": active.stage,
            "previous": swap.previous,
            "override": active.override is not None,
            "action": action,
        }
        key = f"{predictor.model_id}#{self._swaps}"
        self._writer.append("MODEL_SWAP", key, self._clock.now_ns(), record)
        change = ModelLifecycle(
            model_id=predictor.model_id,
            action=action,
            stage=active.stage,
            version=str(predictor.version),
            metadata=record,
        )
        await self._bus.publish("MODEL_LIFECYCLE", change, source=SOURCE)

    def _keep_in_mind(self, swap: Swap) -> None:
        """Which models trade, and which ever did."""
        active, model_type = swap.active, swap.active.predictor.model_type
        if active.shadow:
            return
        if swap.retired:
            self._trading.pop(model_type, None)
        else:
            self._trading[model_type] = active
            self.model_ids.append(active.predictor.model_id)

    def _journal_override(self, override: ModelOverride) -> None:
        record = {
            "model_id": override.model_id,
            "reason": override.reason,
            "entry_threshold": override.entry_threshold,
            "break_even": self.model(override.model_id).predictor.entry_threshold,
        }
        self._writer.append("MODEL_OVERRIDE", override.model_id, self._clock.now_ns(), record)


def _all_known(values: NDArray[np.float64]) -> bool:
    """Whether every value is finite. One unknown makes the sum of squares unknown too, which is quicker to see."""
    return math.isfinite(values.dot(values)) or bool(np.isfinite(values).all())
