"""Which statements take the time, and how the server would carry them out.

Times are those of pg_stat_statements where the server has it, for every client of the database; else, as on the
embedded server, those that this process took itself. Plans are generic ones of our own statements: nothing is
executed for them, and no parameter is needed.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from psycopg import sql

from gal_friday_adapters.postgres.database import Connection, Database
from gal_friday_adapters.postgres.statement_times import StatementTime
from gal_friday_core.errors import StorageError
from gal_friday_core.times import SECOND_NS

GENERIC_PLANS_SINCE: Final = 160_000
BIG: Final = 10_000
"""Rows beyond which reading a whole table is worth a word."""
MILLISECONDS: Final = 1_000
_EXPLAINED: Final = ("select", "with", "insert", "update", "delete")
_PLACE: Final = re.compile(r"%(?:\((\w+)\)s|(s)|(%))")

_HAS_STATISTICS = "select to_regclass('pg_stat_statements') is not null as has"
_STATISTICS = """
select query, calls, total_exec_time, mean_exec_time, max_exec_time from pg_stat_statements
where dbid = (select oid from pg_database where datname = current_database())
order by total_exec_time desc limit %(count)s
"""
_BUFFERS = """
select blks_hit::float8 as hits, blks_read::float8 as reads from pg_stat_database where datname = current_database()
"""


class SlowStatement(msgspec.Struct, frozen=True):
    """Times in ms. `plan` names its steps, `hint` what stands out in it; None where there is none to be had."""

    text: str
    calls: int
    total_ms: float
    mean_ms: float
    max_ms: float
    plan: str | None = None
    hint: str | None = None


async def slow_statements(database: Database, count: int) -> tuple[str, list[SlowStatement]]:
    """Where the times come from, and the statements that took most together. Raises StorageError."""
    async with database.transaction() as connection:
        found = await (await connection.execute(_HAS_STATISTICS)).fetchone()
        if found is not None and found["has"]:
            rows = await (await connection.execute(_STATISTICS, {"count": count})).fetchall()
            return "pg_stat_statements", [_told(row) for row in rows]
    own = database.statements.slowest(count)
    return "own timings", [await _explained(database, statement) for statement in own]


async def buffer_hits(database: Database) -> tuple[float, float]:
    """Pages that the server had in its own memory, and those that it had to ask the system for. Raises StorageError."""
    async with database.connection() as connection:
        row = await (await connection.execute(_BUFFERS)).fetchone()
    return (row["hits"], row["reads"]) if row is not None else (0.0, 0.0)


def numbered(text: str) -> str:
    """A statement with the server's own placeholders.

    >>> numbered("select %(a)s, %(b)s, %(a)s, 5 %% 2"), numbered("select %s, %s")
    ('select $1, $2, $1, 5 % 2', 'select $1, $2')
    """
    numbers: dict[str, int] = {}

    def place(found: re.Match[str]) -> str:
        name, plain, _ = found.groups()
        if name is None and plain is None:
            return "%"
        return f"${numbers.setdefault(name or f'%{len(numbers)}', len(numbers) + 1)}"

    return _PLACE.sub(place, text)


def steps(plan: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Each step of a plan, outermost first, with the rows that the server expects of it."""
    name = str(plan["Node Type"])
    for key, word in (("Index Name", "using"), ("Relation Name", "on")):
        if key in plan:
            name += f" {word} {plan[key]}"
    inner = [step for part in plan.get("Plans", ()) for step in steps(part)]
    return [(name, float(plan["Plan Rows"])), *inner]


def hint(found: Sequence[tuple[str, float]]) -> str | None:
    """What a plan's reader would stop at.

    >>> hint([("Limit", 10.0), ("Seq Scan on journal", 2_000_000.0)])
    'Seq Scan on journal reads some 2,000,000 rows: an index may help'
    >>> hint([("Index Scan using journal_pkey on journal", 2_000_000.0)])
    """
    whole = [(name, rows) for name, rows in found if name.startswith("Seq Scan") and rows > BIG]
    return f"{whole[0][0]} reads some {whole[0][1]:,.0f} rows: an index may help" if whole else None


def _told(row: Mapping[str, Any]) -> SlowStatement:
    return SlowStatement(
        " ".join(row["query"].split()), row["calls"], row["total_exec_time"], row["mean_exec_time"], row["max_exec_time"]
    )  # fmt: skip


async def _explained(database: Database, statement: StatementTime) -> SlowStatement:
    plan = told = None
    if statement.text.split(maxsplit=1)[0].lower() in _EXPLAINED:
        try:
            found = await _plan(database, numbered(statement.text))
        except StorageError as error:  # a type that the server cannot guess, a table that is not its own
            told = f"no plan: {error.__cause__}".splitlines()[0]
        else:
            if found is not None:
                plan, told = " > ".join(name for name, _ in found), hint(found)
    calls = statement.calls
    return SlowStatement(
        " ".join(statement.text.split()), calls, _ms(statement.total_ns), _ms(statement.total_ns / calls),
        _ms(statement.longest_ns), plan, told,
    )  # fmt: skip


async def _plan(database: Database, text: str) -> list[tuple[str, float]] | None:
    """None where the server is too old to plan without parameters. Raises StorageError where it refuses."""
    async with database.connection() as connection:
        if connection.info.server_version < GENERIC_PLANS_SINCE:
            return None
        answer = await _explain(connection, text)
    return steps(answer[0]["Plan"])


async def _explain(connection: Connection, text: str) -> Any:
    # Only texts of our own source come here, as `StatementTimes` heard them.
    command = sql.SQL("explain (generic_plan, format json) {}").format(sql.SQL(text))
    row = await (await connection.execute(command)).fetchone()
    assert row is not None
    return row["QUERY PLAN"]


def _ms(duration_ns: float) -> float:
    return duration_ns / SECOND_NS * MILLISECONDS
