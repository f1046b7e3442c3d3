"""What drift restricts, as the engine knows it: read from the registry, obeyed by the risk check, told on the bus."""

import logging

import msgspec

from gal_friday_core.drift.ladder import HALT_REASON, Restriction, in_force
from gal_friday_core.payloads import DriftDetection, ModelLifecycle, PotentialHaltTrigger
from gal_friday_core.ports import Clock, Models
from gal_friday_live.bus import PubSubManager
from gal_friday_live.journal_writer import JournalWriter

log = logging.getLogger(__name__)

SOURCE = "PredictionService"
KIND = "MODEL_RESTRICTION"


class DriftWatch:
    """`read` before a model serves and at each hint of the registry; `tell` what came since the last reading.

    The roster reads before a model is lined up, so that none trades in the moment before its restriction is known.
    """

    def __init__(self, models: Models, event_bus: PubSubManager, writer: JournalWriter, clock: Clock) -> None:
        self._models = models
        self._bus = event_bus
        self._writer = writer
        self._clock = clock
        self._held: dict[str, Restriction | None] = {}
        self._rows: dict[str, int] = {}
        self._news: list[tuple[int, Restriction]] = []

    def held(self, model_id: str) -> Restriction | None:
        """What holds for a version that serves. Raises KeyError for one that was never read."""
        return self._held[model_id]

    def standing(self) -> list[Restriction]:
        """All that holds."""
        return [held for held in self._held.values() if held is not None]

    async def read(self, model_id: str) -> None:
        """Take over what holds now. A halt that holds already when the model is first read halts anew.

        Raises StorageError where the registry does not answer.
        """
        rows = list(await self._models.restrictions(model_id))
        held = in_force(rows, model_id)
        known = self._rows.get(model_id)
        if known is None:
            known = rows.index(held) if held is not None and held.step == "halt" else len(rows)
        self._news += list(enumerate(rows))[known:]
        self._held[model_id], self._rows[model_id] = held, len(rows)

    async def tell(self) -> None:
        """Journal and publish each new row: a halt where it asks for one, what follows, and the drift that was detected."""
        news, self._news = self._news, []
        for number, row in news:
            self._writer.append(
                KIND, f"{row.model_id}#{number}@{row.at_ns}", self._clock.now_ns(), msgspec.to_builtins(row)
            )
            if row.step == "halt":
                trigger = PotentialHaltTrigger(reason=f"{HALT_REASON}: {row.reason}", source=SOURCE)
                await self._bus.publish("POTENTIAL_HALT_TRIGGER", trigger, source=SOURCE)
            if row.step != "note":
                await self._bus.publish("MODEL_LIFECYCLE", _change(row), source=SOURCE)
            if (finding := _finding(row)) is not None:
                await self._bus.publish("DRIFT_DETECTION", finding, source="RetrainingPipeline")


def _finding(row: Restriction) -> DriftDetection | None:
    """What was detected; None without evidence, and for that of a version of this program which says it otherwise."""
    if not row.evidence:
        return None
    try:
        return msgspec.convert(row.evidence, DriftDetection)
    except msgspec.ValidationError as error:
        log.warning("%s: the evidence for %s cannot be read: %s", row.model_id, row.step, error)
        return None


def _change(row: Restriction) -> ModelLifecycle:
    return ModelLifecycle(
        model_id=row.model_id,
        action="RELEASED" if row.step == "release" else "RESTRICTED",
        stage="production",
        version=row.model_id.rpartition("@v")[2],
        metadata={
            "step": row.step, "size_factor": str(row.size_factor), "reason": row.reason, "actor": row.actor,
        },
    )  # fmt: skip
