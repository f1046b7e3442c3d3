"""A module's own table, written with tags, and every module's, read (004): `DirectTableCommunicator`.

Statements are fixed; a table is looked up in a list, never put into one. What a module may not write is refused here,
by the triggers, and by the rights of its login.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import msgspec
import psycopg

from gal_friday_adapters.postgres.database import Connection, Database, cut_after
from gal_friday_adapters.strands.statements import ANSWERING, CLEAN, PROTOCOL, READ, RECENT
from gal_friday_adapters.strands.writing import strand_of, write
from gal_friday_core.errors import ContractError, SchemaMismatchError
from gal_friday_core.strands.strands import KINDS, Strand, Table
from gal_friday_core.strands.tags import MODULES, Module, Tags

PROTOCOL_VERSION: Final = 1
"""The form of the tables that this code reads and writes."""
ANSWER_S: Final = 10.0
"""A server that does not answer for so long is a lost one."""
CLEANING_S: Final = 300.0
"""The first cleaning in months takes long."""
MORE_TIME: Final = "set local statement_timeout = '300s'"


class DirectTableCommunicator:
    """Writes one module's table and reads all three; each write is durable when it returns.

    Every method raises StorageError where the database does not answer.
    """

    def __init__(self, database: Database, module_type: Module) -> None:
        if module_type not in MODULES:
            raise ContractError(f"unknown module {module_type!r}: use one of {', '.join(MODULES)}")
        self._database = database
        self.module_type = module_type

    async def write_with_tags(self, strand: Strand) -> str:
        """Write a strand of this module's; its id. Raises ContractError for tags that the module may not say.

        A plan of a signal that was written before, or a verdict on a plan, gives that one's id: write again after an
        error, it is doubled by nothing.
        """
        [written] = await self.write_many([strand])
        return written

    async def write_many(self, strands: Sequence[Strand]) -> list[str]:
        """All of them or none, by one statement with one notification; their ids, in order."""
        async with self._statement() as connection:
            return await write(connection, self.module_type, strands)

    async def read_by_id(self, table_name: str, record_id: str) -> Strand | None:
        """Raises ContractError for a table that holds no strands."""
        found = await self._read(READ, table_name, {"id": record_id})
        return found[0] if found else None

    async def read_recent_by_tags(
        self, table_name: str, tags: Sequence[str], limit: int = 10
    ) -> list[Strand]:
        """The newest with all of these tags, newest first. Raises ContractError for unknown tags and tables."""
        asked = Tags.parse(list(tags))
        said = msgspec.json.encode(list(tags)).decode()
        values = {"tags": said, "original": asked.original, "limit": limit}
        return await self._read(ANSWERING if asked.original else RECENT, table_name, values)

    async def check_schema(self) -> None:
        """Raises SchemaMismatchError where the database's strands are not of the form that this code knows."""
        async with self._statement() as connection:
            await check_protocol(connection)

    async def clean(self, days: int) -> int:
        """Remove finished strands older than so many days, at least 1; how many. For the decision maker's login."""
        async with self._database.transaction() as connection:
            with cut_after(connection, CLEANING_S):
                await connection.execute(MORE_TIME)
                row = await (await connection.execute(CLEAN, {"days": days})).fetchone()
        assert row is not None
        return int(row["removed"])

    async def _read(
        self, statements: Mapping[Table, str], table_name: str, values: dict[str, Any]
    ) -> list[Strand]:
        if table_name not in KINDS:
            raise ContractError(f"{table_name!r} holds no strands: use one of {', '.join(KINDS)}")
        table = cast("Table", table_name)
        async with self._statement() as connection:
            rows = await (await connection.execute(statements[table], values)).fetchall()
        return [strand_of(table, row["strand"]) for row in rows]

    @asynccontextmanager
    async def _statement(self) -> AsyncIterator[Connection]:
        """A connection for one statement, which is durable when it returns."""
        async with self._database.autocommit() as connection:
            with cut_after(connection, ANSWER_S):
                yield connection


async def check_protocol(connection: Connection) -> None:
    """Raises SchemaMismatchError where strands are missing or of another form, saying what to do."""
    try:
        row = await (await connection.execute(PROTOCOL)).fetchone()
    except psycopg.errors.UndefinedTable:
        row = None
    found = None if row is None else row["version"]
    if found == PROTOCOL_VERSION:
        return
    if found is None or found < PROTOCOL_VERSION:
        raise SchemaMismatchError(
            f"the database has {'no strands' if found is None else f'strands of form {found}'}, this role needs form "
            f"{PROTOCOL_VERSION}: stop the roles, start one of this version, which brings the schema up to date"
        )
    raise SchemaMismatchError(
        f"the database's strands are of form {found}, this role knows form {PROTOCOL_VERSION}: start it with the newer "
        "gal-friday that the others run"
    )
