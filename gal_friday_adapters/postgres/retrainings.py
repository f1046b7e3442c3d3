"""Retrainings in PostgreSQL: requests that count once, and an append-only account of what became of each."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from psycopg.types.json import Jsonb

from gal_friday_adapters.postgres.database import Connection, Database
from gal_friday_core.errors import RegistryError
from gal_friday_core.retraining.policy import NEXT, Request, Retraining, State

# One at a time decides, so that no two requests spend the same budget.
_LOCK: Final = "select pg_advisory_xact_lock(hashtextextended('retraining', 0))"

_ADD: Final = """
insert into retraining_run (run_id, model_type, model_id, cause, cause_window, reason, info)
values (%(run_id)s, %(model_type)s, %(model_id)s, %(cause)s, %(window)s, %(reason)s, %(info)s)
"""

_ADD_EVENT: Final = """
insert into retraining_event (run_id, state, said, details) values (%(run_id)s, %(state)s, %(said)s, %(details)s)
"""

_RUNS: Final = """
select r.run_id::text, r.model_type, r.model_id, r.cause, r.cause_window as window, r.reason,
       (extract(epoch from r.at) * 1000000)::bigint * 1000 as requested_ns,
       e.states[array_upper(e.states, 1)] as state, e.said[array_upper(e.said, 1)] as said, e.started_ns,
       coalesce((e.details ->> 'cpu_s')::float8, 0) as cpu_s,
       e.details ->> 'successor' as successor, e.details ->> 'dagster_run' as dagster_run
from retraining_run r
join lateral (
    select array_agg(state order by seq) as states, array_agg(said order by seq) as said,
           min((extract(epoch from at) * 1000000)::bigint * 1000) filter (where state = 'STARTED') as started_ns,
           (select jsonb_object_agg(d.key, d.value order by n.seq) from retraining_event n, jsonb_each(n.details) d
            where n.run_id = r.run_id) as details
    from retraining_event where run_id = r.run_id
) e on true
where %(model_type)s::text is null or r.model_type = %(model_type)s
order by r.at, r.run_id
"""

_EVENTS: Final = """
select state, said, details, (extract(epoch from at) * 1000000)::bigint * 1000 as at_ns
from retraining_event where run_id = %(run_id)s order by seq
"""

_INFO: Final = "select info from retraining_run where run_id = %(run_id)s"


class RetrainingRepository:
    """Reads and writes of retrainings. Every method raises StorageError where the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def request(self, asked: Request, judge: Callable[[Sequence[Retraining]], str]) -> Retraining:
        """The retraining of this request, which is new unless its cause asked in the same window before.

        `judge` says, given all that was asked before, why it is held back; empty where it is not.
        """
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK)
            past = await _runs(connection)
            same = (asked.model_type, asked.cause, asked.window)
            known = next((one for one in past if (one.model_type, one.cause, one.window) == same), None)
            if known is not None:
                return known
            why = judge(past)
            run_id = str(uuid.uuid4())
            values = msgspec.structs.asdict(asked) | {"run_id": run_id, "info": _jsonb(asked.info)}
            await connection.execute(_ADD, values)
            await _add_event(connection, run_id, "HELD_BACK" if why else "REQUESTED", why or asked.reason, {})
            return next(one for one in await _runs(connection) if one.run_id == run_id)

    async def step(
        self, run_id: str, state: State, said: str, details: Mapping[str, Any] | None = None
    ) -> bool:
        """Write what became of it; False where it was so already. Raises RegistryError where nothing leads there."""
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK)
            found = next((one for one in await _runs(connection) if one.run_id == run_id), None)
            if found is None:
                raise RegistryError(f"no retraining {run_id} was ever asked for")
            if found.state == state:
                return False
            if state not in NEXT[found.state]:
                raise RegistryError(f"retraining {run_id} is {found.state}: it cannot become {state}")
            await _add_event(connection, run_id, state, said, details or {})
            return True

    async def runs(self, model_type: str | None = None) -> list[Retraining]:
        """All, or those of a type, in the order they were asked for."""
        async with self._database.connection() as connection:
            return await _runs(connection, model_type)

    async def events(self, run_id: str) -> list[dict[str, Any]]:
        """What became of one, step by step: state, said, details, at_ns."""
        async with self._database.connection() as connection:
            return await (await connection.execute(_EVENTS, {"run_id": run_id})).fetchall()

    async def info(self, run_id: str) -> dict[str, Any]:
        """What the request came with: the findings of the look that asked, where one did."""
        async with self._database.connection() as connection:
            cursor = await connection.execute(_INFO, {"run_id": run_id})
            row = await cursor.fetchone()
        return {} if row is None else dict(row["info"])


async def _runs(connection: Connection, model_type: str | None = None) -> list[Retraining]:
    cursor = await connection.execute(_RUNS, {"model_type": model_type})
    return [msgspec.convert(row, Retraining) for row in await cursor.fetchall()]


async def _add_event(
    connection: Connection, run_id: str, state: State, said: str, details: Mapping[str, Any]
) -> None:
    values = {"run_id": run_id, "state": state, "said": said, "details": _jsonb(details)}
    await connection.execute(_ADD_EVENT, values)


def _jsonb(value: Mapping[str, Any]) -> Jsonb:
    return Jsonb(value, dumps=msgspec.json.encode)
