"""Journal records inside somebody else's transaction: what is told of a record, and that it was told, become durable together."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from gal_friday_adapters.postgres.database import Connection
from gal_friday_adapters.postgres.journal import STALE_FENCE
from gal_friday_core.errors import LeaseError
from gal_friday_core.journal import JournalLine

_APPEND = """
insert into journal (session, kind, key, ts_ns, record, fence)
values (%(session)s, %(kind)s, %(key)s, %(ts_ns)s, %(record)s, %(fence)s::bigint)
on conflict do nothing
"""

_TELL = """
insert into strand_told (session, line, kind, strand, fence)
select %(session)s, told.line, told.kind, told.strand, %(fence)s::bigint
from unnest(%(lines)s::bigint[], %(kinds)s::text[], %(strands)s::text[]) as told (line, kind, strand)
"""

# Lines become visible in the order of their commits, not of their numbers: what was told is looked up line by line, from
# behind the one before which nothing is left to tell.
_UNTOLD = """
select line.seq, line.ts_ns, line.kind, line.key, line.record::text from journal line
where line.session = %(session)s and line.kind = any(%(kinds)s) and line.seq > %(after)s
    and line.seq > coalesce((select upto.line from strand_told upto where upto.session = line.session and upto.through), 0)
    and not exists (select from strand_told told where told.session = line.session and told.line = line.seq)
order by line.seq limit %(limit)s
"""


class JournalWithin:
    """One session's. `fence` gives the token of the session's lease; None where nobody else may write to it."""

    def __init__(self, session: str, fence: Callable[[], int] | None) -> None:
        self.session = session
        self._fence = fence

    async def append(
        self, connection: Connection, kind: str, key: str, *, ts_ns: int, record: Mapping[str, Any]
    ) -> None:
        """A record of the transaction's. Raises LeaseError where another process has taken the session's lease."""
        values = {
            "session": self.session,
            "kind": kind,
            "key": key,
            "ts_ns": ts_ns,
            "record": Jsonb(record, dumps=msgspec.json.encode),
        }
        await self._execute(connection, _APPEND, values, f"{kind} {key}")

    async def tell(self, connection: Connection, told: Sequence[tuple[JournalLine, str | None]]) -> None:
        """Keep of each line that the others were told, by which strand; None where nobody needs to hear. Raises LeaseError as
        `append` does.
        """
        values = {
            "session": self.session,
            "lines": [line.seq for line, _ in told],
            "kinds": [line.kind for line, _ in told],
            "strands": [strand for _, strand in told],
        }
        await self._execute(connection, _TELL, values, f"{len(told)} lines told")

    async def _execute(
        self, connection: Connection, statement: str, values: Mapping[str, Any], what: str
    ) -> None:
        fence = None if self._fence is None else self._fence()
        try:
            await connection.execute(statement, {**values, "fence": fence})
        except psycopg.Error as error:
            if error.sqlstate == STALE_FENCE:
                raise LeaseError(f"{what}: another process has taken over this session") from error
            raise


async def untold(
    connection: Connection, session: str, kinds: Sequence[str], *, after: int = 0, limit: int = 500
) -> list[JournalLine]:
    """The session's lines of some kinds, from behind a number on, that the others were not told of; in order."""
    values = {"session": session, "kinds": list(kinds), "after": after, "limit": limit}
    cursor = await connection.execute(_UNTOLD, values)
    rows = await cursor.fetchall()
    return [JournalLine(row["seq"], row["ts_ns"], row["kind"], row["key"], row["record"]) for row in rows]
