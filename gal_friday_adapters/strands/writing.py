"""Strands to rows and back: the one way in, checked before the database checks once more."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import psycopg
from psycopg.pq import TransactionStatus

from gal_friday_adapters.postgres.connect import one_line
from gal_friday_adapters.postgres.database import Connection
from gal_friday_adapters.strands.statements import SAID_BEFORE, SAY, WRITE
from gal_friday_core.errors import ContractError
from gal_friday_core.strands.strands import (
    DECISION,
    EXECUTION_PLAN,
    KINDS,
    SIGNAL,
    TABLES,
    AdStrand,
    Strand,
    Table,
)
from gal_friday_core.strands.tags import DEFAULT_ALPHA, Module, Tags
from gal_friday_core.times import from_iso

_REFUSED = (psycopg.errors.CheckViolation, psycopg.errors.NotNullViolation, psycopg.DataError)


async def write(connection: Connection, module: Module, strands: Sequence[Strand]) -> list[str]:
    """Write strands of the module's own table; their ids, in order.

    A plan of a signal, a verdict or an order to the trader on a plan, that was written before gives the id of that
    one: writing again after a lost connection doubles nothing. Raises ContractError for a strand of another module's,
    tags that it may not say, and what the database takes for no strand.
    """
    table = TABLES[module]
    for strand in strands:
        _check(strand, module, table)
    if not strands:
        return []
    try:
        written = await _written(connection, table, {"strands": msgspec.json.encode(strands).decode()})
    except _REFUSED as error:
        raise ContractError(f"the database refuses the strand: {one_line(error)}") from error
    if len(written) == len(strands):
        return written
    before = [await _said_before(connection, table, strand) for strand in strands]
    new = iter([name for name in written if name not in before])
    return [next(new) if name is None else name for name in before]


async def _written(connection: Connection, table: Table, values: Mapping[str, Any]) -> list[str]:
    """Ids of those that were not said before: seldom is one, so a statement that may fail supposes that none was."""
    if connection.autocommit and connection.info.transaction_status == TransactionStatus.IDLE:
        with suppress(psycopg.errors.UniqueViolation):
            return await _ids(connection, SAY[table], values)
    return await _ids(connection, WRITE[table], values)


async def _ids(connection: Connection, statement: str, values: Mapping[str, Any]) -> list[str]:
    cursor = await connection.execute(statement, values)
    return [str(row["id"]) for row in await cursor.fetchall()]


def strand_of(table: Table, row: Mapping[str, Any]) -> Strand:
    """A strand from its row as JSON. Raises ContractError where a column has no form of a strand's."""
    values = {
        **row,
        "created_at": from_iso(row["created_at"]),
        "updated_at": from_iso(row["updated_at"]),
    }
    try:
        return msgspec.convert(values, KINDS[table], strict=False)
    except msgspec.ValidationError as error:
        raise ContractError(f"strand {row.get('id')} of {table}: {error}") from error


def _check(strand: Strand, module: Module, table: Table) -> None:
    if not isinstance(strand, KINDS[table]):
        raise ContractError(f"{module} writes {table} only, not {type(strand).__name__}")
    Tags.parse(strand.tags, by=module)
    if not strand.kind:
        raise ContractError(f"a strand of {table} needs a kind, such as {SIGNAL!r}")


async def _said_before(connection: Connection, table: Table, strand: Strand) -> str | None:
    """The strand with what may be said once; None for one that may be said again and again."""
    tags = Tags.parse(strand.tags)
    values: dict[str, Any] = {"kind": strand.kind, "original": tags.original, "account": tags.account}
    if isinstance(strand, AdStrand):
        values["signal"] = (strand.trading_plan or {}).get("signal_id")
        values["sender"] = tags.sender or DEFAULT_ALPHA
        known = strand.kind == SIGNAL and values["signal"] is not None
    else:
        known = strand.kind in (DECISION, EXECUTION_PLAN) and tags.original is not None
    if not known:
        return None
    row = await (await connection.execute(SAID_BEFORE[table], values)).fetchone()
    return None if row is None else str(row["id"])
