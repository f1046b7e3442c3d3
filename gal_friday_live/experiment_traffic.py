"""Which variant of a running experiment serves this decision: known in memory, answered without waiting.

Follows the database: an experiment that is started, stopped or given other shares counts from the next row on.
With real money only experiments take part that were not designed for paper, and whose challengers each hold a
certificate that passed.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import msgspec
import stamina

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.experiments import ExperimentRepository, Stored
from gal_friday_core.candles import Series
from gal_friday_core.errors import GalFridayError, StorageError
from gal_friday_core.experiments.traffic import Running, Splits
from gal_friday_core.payloads import Experiment
from gal_friday_core.times import DAY_NS, HOUR_NS
from gal_friday_live.model_registry import ModelRegistry

CHANNEL = "experiment_changed"

log = logging.getLogger(__name__)


class ExperimentTraffic(Splits):
    """What `PredictionService` asks. `real_money` holds back what was not certified."""

    def __init__(self, database: Database, registry: ModelRegistry, *, real_money: bool) -> None:
        super().__init__()
        self._database = database
        self._experiments = ExperimentRepository(database)
        self._registry = registry
        self._real_money = real_money

    async def refresh(self) -> None:
        """Read what is running. Raises StorageError."""
        found = {}
        for stored in await self._experiments.all("RUNNING"):
            if stored.mode == "split" and await self._may_run(stored):
                series = Series.parse(stored.series)
                events = await self._experiments.events(stored.experiment_id)
                found[series.venue, series.pair] = running_of(stored, events)
        self.running = found

    async def changes(self) -> AsyncGenerator[Experiment, None]:
        """What is decided from now on; what is running is read before each is told, and after every lost connection."""
        async with aclosing(self.renewals()) as found:
            async for change in found:
                if change is not None:
                    yield change

    async def renewals(self) -> AsyncGenerator[Experiment | None, None]:
        """The same, and None whenever what is running was read again without a decision."""
        async with aclosing(self._database.listen(CHANNEL)) as hints:
            async for hint in hints:
                yield await self._read_again(hint)

    @stamina.retry(on=StorageError, attempts=None, timeout=None, wait_max=5.0)
    async def _read_again(self, experiment_id: str) -> Experiment | None:
        """A database that is away for a moment must not make a stop be missed."""
        await self.refresh()
        if not experiment_id:
            return None
        stored = await self._experiments.named(experiment_id)
        events = await self._experiments.events(experiment_id)
        return payload_of(stored, events, events[-1]["action"])

    async def _may_run(self, stored: Stored) -> bool:
        if not self._real_money:
            return True
        if stored.design.paper_only:
            log.warning("experiment %s is for paper money: it takes no part here", stored.name)
            return False
        for variant in stored.design.challengers:
            if not await self._is_certified(variant.model_id):
                log.warning(
                    "experiment %s: %s holds no certificate that passed", stored.name, variant.model_id
                )
                return False
        return True

    async def _is_certified(self, model_id: str) -> bool:
        try:
            certificate = await self._registry.get_certificate(model_id)
        except StorageError:
            raise
        except GalFridayError as error:
            log.warning("%s: its certificate cannot be read: %s", model_id, error)
            return False
        return certificate is not None and certificate.passed


def payload_of(stored: Stored, events: list[dict[str, Any]], action: str) -> Experiment:
    """The event of the specification. Its p-value is the least of the analysis that ended the experiment."""
    ended = next(
        (event["details"].get("analysis") for event in events if event["action"] == "COMPLETED"), None
    )
    return Experiment(
        experiment_id=stored.experiment_id,
        action=action,
        variants=tuple(msgspec.to_builtins(variant) for variant in stored.design.variants),
        traffic_split=shares_of(stored, events),
        statistical_significance=None
        if ended is None
        else min(one["p_value"] for one in ended["comparisons"]),
    )


def running_of(stored: Stored, events: list[dict[str, Any]]) -> Running:
    """The experiment with the shares that were decided last."""
    return Running(
        experiment_id=stored.experiment_id,
        hash_key=stored.hash_key,
        unit_ns=unit_ns(stored),
        shares=shares_of(stored, events),
        models={variant.name: variant.model_id for variant in stored.design.variants},
    )


def unit_ns(stored: Stored) -> int:
    """The length of a unit; each begins at a multiple of it."""
    lengths = {"hour": HOUR_NS, "day": DAY_NS}
    return lengths.get(stored.design.unit) or Series.parse(stored.series).interval_ns


def shares_of(stored: Stored, events: list[dict[str, Any]]) -> dict[str, float]:
    """By variant, in the design's order; a variant that was stopped has none."""
    decided = [event["details"]["shares"] for event in events if "shares" in event["details"]]
    if decided:
        return {variant.name: decided[-1].get(variant.name, 0.0) for variant in stored.design.variants}
    if stored.design.mode == "split":
        return stored.design.split()
    return {variant.name: float(place == 0) for place, variant in enumerate(stored.design.variants)}
