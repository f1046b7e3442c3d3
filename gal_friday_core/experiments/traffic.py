"""Which variant of a running experiment serves a decision, and what the engine may ask about it."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

import msgspec

from gal_friday_core.experiments.assignment import assign
from gal_friday_core.payloads import Experiment


class Assigned(msgspec.Struct, frozen=True, kw_only=True):
    """Who serves a unit. `models` are all that take part: those that do not serve predict, and are not heard.

    `control` is the model that all are compared with; there is nothing to compare once it is not in production.
    """

    experiment_id: str
    unit: str
    at_ns: int
    variant: str
    model_id: str
    control: str
    models: frozenset[str]
    propensity: Mapping[str, float]

    def record(self, exchange: str, pair: str) -> dict[str, Any]:
        """What the journal keeps of it."""
        return {
            "experiment_id": self.experiment_id,
            "unit": self.unit,
            "exchange": exchange,
            "pair": pair,
            "variant": self.variant,
            "model_id": self.model_id,
            "propensity": dict(self.propensity),
        }

    def same_unit(self, other: "Assigned") -> bool:
        """Of the same experiment."""
        return (self.experiment_id, self.unit) == (other.experiment_id, other.unit)

    def lets(self, model_id: str, *, shadow: bool) -> bool:
        """Whether the model is heard now; those that take no part go on as they did."""
        return model_id == self.model_id if model_id in self.models else not shadow


class Traffic(Protocol):
    """Running experiments that split traffic, as the engine sees them: asked without waiting."""

    def assigned(self, venue: str, pair: str, moment_ns: int) -> Assigned | None:
        """Who serves the unit of that moment; None where nothing splits the pair's traffic."""
        ...

    def takes_part(self, model_id: str) -> bool:
        """Whether the model may trade its share although it is not in production."""
        ...

    async def refresh(self) -> None:
        """Read what is running. Raises StorageError."""
        ...

    def changes(self) -> AsyncIterator[Experiment]:
        """What is decided about experiments from now on, each once what is running has been read again."""
        ...


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A running experiment that splits traffic, ready to assign. `models` by variant, the control first."""

    experiment_id: str
    hash_key: str
    unit_ns: int
    shares: dict[str, float]
    models: dict[str, str]

    def assigned(self, pair: str, moment_ns: int) -> Assigned:
        """Of the unit that the moment belongs to; the same for every moment of it while the shares stay."""
        at_ns = moment_ns // self.unit_ns * self.unit_ns
        unit = f"{pair}@{at_ns}"
        variant = assign(self.hash_key, unit, tuple(self.shares.items()))
        return Assigned(
            experiment_id=self.experiment_id, unit=unit, at_ns=at_ns, variant=variant, model_id=self.models[variant],
            control=next(iter(self.models.values())), models=frozenset(self.models.values()), propensity=self.shares,
        )  # fmt: skip


class Splits:
    """The experiments that run now, by venue and pair: who serves a decision follows from them alone."""

    def __init__(self) -> None:
        self.running: Mapping[tuple[str, str], Running] = {}

    def assigned(self, venue: str, pair: str, moment_ns: int) -> Assigned | None:
        """Who serves the unit of that moment; None where nothing splits the pair's traffic."""
        running = self.running.get((venue, pair))
        return None if running is None else running.assigned(pair, moment_ns)

    def takes_part(self, model_id: str) -> bool:
        """Whether a running experiment lets the model trade its share."""
        return any(model_id in running.models.values() for running in self.running.values())
