"""Restrictions of drifting models in PostgreSQL: only ever added, and told to whoever listens to the registry."""

from collections.abc import Sequence
from typing import Final

import msgspec
from psycopg.types.json import Jsonb

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.model_sql import LOCK_TYPE
from gal_friday_core.drift.ladder import Restriction

_ADD: Final = """
insert into model_restriction (model_type, model_id, step, size_factor, reason, actor, evidence)
values (%(model_type)s, %(model_id)s, %(step)s, %(size_factor)s, %(reason)s, %(actor)s, %(evidence)s)
"""

_OF_MODELS: Final = """
select model_type, model_id, step, size_factor, reason, actor, evidence,
       (extract(epoch from at) * 1000000)::bigint * 1000 as at_ns
from model_restriction
where %(model_id)s::text is null or model_id = %(model_id)s
order by seq
"""


class RestrictionRepository:
    """When a row was written, the database's clock says: rows of several writers are in one order."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, rows: Sequence[Restriction]) -> None:
        """Append them in one transaction. Raises StorageError; then none was.

        One writer at a time for a type: numbers are drawn before they can be seen, so that otherwise a row might
        appear in front of one that a reader has seen already.
        """
        async with self._database.transaction() as connection:
            for model_type in sorted({row.model_type for row in rows}):
                await connection.execute(LOCK_TYPE, {"model_type": model_type})
            for row in rows:
                values = msgspec.structs.asdict(row) | {
                    "evidence": Jsonb(row.evidence, dumps=msgspec.json.encode)
                }
                await connection.execute(_ADD, values)

    async def of_model(self, model_id: str | None = None) -> list[Restriction]:
        """All of a version, or of every version, in the order in which they were written."""
        async with self._database.connection() as connection:
            cursor = await connection.execute(_OF_MODELS, {"model_id": model_id})
            return [msgspec.convert(row, Restriction) for row in await cursor.fetchall()]
