"""Experiments in PostgreSQL: designs that never change, an audit that is the truth, outcomes that count once.

Entry point: `ExperimentRepository`. Held by the database itself: an experiment that ended never begins again,
one at a time splits the traffic of a series, and nothing that was written is changed.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from gal_friday_adapters.live_records import LiveRecords
from gal_friday_adapters.postgres import experiment_sql as sql
from gal_friday_adapters.postgres.database import Connection, Database
from gal_friday_core.errors import ConfigError, RegistryError, StorageError
from gal_friday_core.experiments.design import Design, State


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """An experiment as it was designed, and where it stands."""

    experiment_id: str
    name: str
    series: str
    mode: str
    design: Design
    hash_key: str
    state: State
    created_at: datetime


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was decided about an experiment."""

    action: str
    state: State
    actor: str
    reason: str
    variant: str | None = None
    details: Mapping[str, Any] = {}


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """Which variant served a unit, and with which probability each would have."""

    unit: str
    at_ns: int
    variant: str
    propensity: dict[str, float]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a variant brought at a unit, which begins `at_ns`; finite, in the design's metric."""

    unit: str
    variant: str
    at_ns: int
    value: float


class ExperimentRepository:
    """Reads and writes of experiments. Every method raises StorageError where the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, experiment_id: str, design: Design, hash_key: str, actor: str) -> None:
        """Raises ConfigError for a name that is taken, RegistryError for a model that is not registered."""
        values = {
            "experiment_id": experiment_id,
            "name": design.name,
            "series": design.series,
            "mode": design.mode,
            "design": Jsonb(design, dumps=msgspec.json.encode),
            "hash_key": hash_key,
            "names": [variant.name for variant in design.variants],
            "models": [variant.model_id for variant in design.variants],
        }
        created = Step(action="CREATED", state="CREATED", actor=actor, reason="created")
        try:
            async with self._database.transaction() as connection:
                await connection.execute(sql.ADD, values)
                await connection.execute(sql.ADD_VARIANTS, values)
                await _add_event(connection, experiment_id, created)
        except StorageError as error:
            if isinstance(error.__cause__, psycopg.errors.UniqueViolation):
                raise ConfigError(
                    f"an experiment named {design.name!r} is there already: choose another name"
                ) from None
            if isinstance(error.__cause__, psycopg.errors.ForeignKeyViolation):
                models = ", ".join(variant.model_id for variant in design.variants)
                raise RegistryError(
                    f"experiment {design.name}: not all of {models} are registered; `gal-friday models list` shows those there are"
                ) from None
            raise

    async def step(self, experiment: Stored, step: Step) -> None:
        """Write what was decided. Raises RegistryError where the experiment's state does not allow it any more, or another
        experiment splits the same traffic.
        """
        try:
            async with self._database.transaction() as connection:
                await _add_event(connection, experiment.experiment_id, step)
        except StorageError as error:
            if isinstance(error.__cause__, psycopg.errors.UniqueViolation):
                raise RegistryError(
                    f"another experiment splits the traffic of {experiment.series} already: stop that one first"
                ) from None
            if isinstance(error.__cause__, psycopg.errors.IntegrityError):
                raise RegistryError(
                    f"experiment {experiment.name}: {step.action} came too late, its state has changed; look at "
                    f"`gal-friday experiments show {experiment.name}`"
                ) from None
            raise

    async def named(self, named: str) -> Stored:
        """By id or by name. Raises RegistryError for one that is not there."""
        found = await self._read(named=named)
        if not found:
            raise RegistryError(
                f"unknown experiment {named!r}: `gal-friday experiments list` shows those there are"
            )
        return found[0]

    async def all(self, state: State | None = None) -> list[Stored]:
        """In the order in which they were created."""
        return await self._read(state=state)

    async def events(self, experiment_id: str) -> list[dict[str, Any]]:
        """Everything that was decided, oldest first."""
        return await self._rows(sql.EVENTS, {"experiment_id": experiment_id})

    async def assign(self, experiment_id: str, assignments: Sequence[Assignment]) -> None:
        """Units that have an assignment keep it."""
        values = {
            "experiment_id": experiment_id,
            "units": [one.unit for one in assignments],
            "times": [one.at_ns for one in assignments],
            "variants": [one.variant for one in assignments],
            "propensities": [msgspec.json.encode(one.propensity).decode() for one in assignments],
        }
        async with self._database.transaction() as connection:
            await connection.execute(sql.ADD_ASSIGNMENTS, values)

    async def record(self, experiment_id: str, outcomes: Sequence[Outcome]) -> int:
        """How many of them are new; an outcome that is there already stays as it is."""
        values = {
            "experiment_id": experiment_id,
            "units": [one.unit for one in outcomes],
            "variants": [one.variant for one in outcomes],
            "times": [one.at_ns for one in outcomes],
            "values": [one.value for one in outcomes],
        }
        async with self._database.transaction() as connection:
            return (await connection.execute(sql.ADD_OUTCOMES, values)).rowcount

    async def assignments(self, experiment_id: str) -> list[Assignment]:
        """In the order of their units."""
        rows = await self._rows(sql.ASSIGNMENTS, {"experiment_id": experiment_id})
        return [Assignment(**row) for row in rows]

    async def outcomes(self, experiment_id: str) -> list[Outcome]:
        """In the order of their units."""
        return [Outcome(**row) for row in await self._rows(sql.OUTCOMES, {"experiment_id": experiment_id})]

    async def predictions(self, models: Sequence[str], start_ns: int, end_ns: int) -> list[dict[str, Any]]:
        """What models said in [start, end) in any session, traded or not: model_id, ts_ns, value; each moment once."""
        said = await LiveRecords(self._database).said_by(models, start_ns, end_ns)
        columns = (said.model_id.tolist(), said.t0_ns.tolist(), said.probability.tolist())
        return [
            {"model_id": model_id, "ts_ns": ts_ns, "value": value}
            for model_id, ts_ns, value in zip(*columns, strict=True)
        ]

    async def traded(self, start_ns: int, end_ns: int) -> list[dict[str, Any]]:
        """Assignments, intents and fills of every session in [start, end), each session in the order written."""
        return await self._rows(sql.TRADED, {"start": start_ns, "end": end_ns})

    async def _read(self, *, named: str | None = None, state: State | None = None) -> list[Stored]:
        rows = await self._rows(sql.EXPERIMENTS, {"named": named, "state": state})
        return [msgspec.convert(row, Stored) for row in rows]

    async def _rows(self, statement: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        async with self._database.connection() as connection:
            cursor = await connection.execute(statement, values)
            return await cursor.fetchall()


async def _add_event(connection: Connection, experiment_id: str, step: Step) -> None:
    values = {
        **msgspec.structs.asdict(step),
        "experiment_id": experiment_id,
        "details": Jsonb(step.details, dumps=msgspec.json.encode),
    }
    await connection.execute(sql.ADD_EVENT, values)
