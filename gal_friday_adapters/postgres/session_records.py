"""What the journal says of its sessions: whose account each is, when it was written last, and who trades it now."""

from collections.abc import Mapping, Sequence
from typing import Any

from gal_friday_adapters.postgres.database import Database

Row = Mapping[str, Any]

_SESSIONS = """
select s.session_id::text as session, s.mode, s.model_override, last.ts_ns as last_ns, run.record as run,
    (select record ->> 'asset' from journal
     where session = s.session_id and kind = 'CASH_FLOW' and record ? 'opening' limit 1) as quote
from sessions s
    join lateral (
        select seq, ts_ns from journal where session = s.session_id order by seq desc limit 1
    ) last on true
    left join lateral (
        select record from journal where session = s.session_id and kind = 'RUN' order by seq desc limit 1
    ) run on true
where s.mode !~ '-(alpha|dm)$'  -- roles that only mirror an account: the trader's session is the account's
order by last.seq desc
"""
_ROLES = """
select s.session_id::text as session, s.mode, run.record ->> 'account_session' as account, run.record ->> 'name' as name
from sessions s join lateral (
    select record from journal where session = s.session_id and kind = 'RUN' order by seq desc limit 1
) run on true
where s.mode ~ '-(alpha|dm)$' order by s.mode, name
"""
# One number of 64 bits is held as two of 32, in the database that it was taken in.
_HOLDER = """
select l.holder from engine_lease l where l.account = %(session)s and exists (
    select from pg_locks
    where locktype = 'advisory' and granted and objsubid = 1
        and database = (select oid from pg_database where datname = current_database())
        and classid::bigint = %(high)s and objid::bigint = %(low)s
)
"""


class SessionRecords:
    """Raises StorageError where the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def written(self) -> Sequence[Row]:
        """Every session that wrote anything, the last to write first."""
        async with self._database.connection() as connection:
            cursor = await connection.execute(_SESSIONS)
            return await cursor.fetchall()

    async def roles(self) -> Sequence[Row]:
        """Sessions of roles that mirror an account, each with that account's `account`, and its `name`."""
        async with self._database.connection() as connection:
            cursor = await connection.execute(_ROLES)
            return await cursor.fetchall()

    async def holder(self, session: str, lock: int) -> str | None:
        """Which process trades the account now, wherever it runs; `lock` is the number of its lease's lock."""
        values = {"session": session, "high": lock >> 32 & 0xFFFFFFFF, "low": lock & 0xFFFFFFFF}
        async with self._database.connection() as connection:
            cursor = await connection.execute(_HOLDER, values)
            row = await cursor.fetchone()
        return None if row is None else str(row["holder"])
