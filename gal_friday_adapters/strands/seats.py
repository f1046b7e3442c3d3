"""Whose pairs are whose: an alpha begins to run only where no other alpha of the account has one of its pairs."""

import asyncio
import logging
from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from gal_friday_adapters.postgres.database import Connection, Database
from gal_friday_adapters.postgres.journal_within import JournalWithin
from gal_friday_adapters.strands.records import HELD
from gal_friday_core.candles import Series
from gal_friday_core.errors import LeaseError, StorageError

RUN: Final = "RUN"
"""Kind of the journal record in which a process says what it runs."""
RETRY_S: Final = 1.0

log = logging.getLogger(__name__)

_ONE_AT_A_TIME: Final = "select pg_advisory_xact_lock(8, hashtext(%(account)s))"
_OTHERS: Final = f"""
select run.record ->> 'name' as name, run.record -> 'series' as series, l.holder
from engine_lease l join lateral (
    select record from journal where session = l.account and kind = 'RUN' order by seq desc limit 1
) run on true
where run.record ->> 'role' = 'alpha' and run.record ->> 'account_session' = %(account)s
    and l.account <> %(session)s::uuid and {HELD}
order by l.taken_at
"""  # noqa: S608 - words of ours


class AlphaSeat(msgspec.Struct, frozen=True, kw_only=True):
    """One alpha of an account, which holds the lease of its session; `series` are those that it trades."""

    journal: JournalWithin
    account: str
    name: str
    series: Collection[Series]

    async def begin(self, database: Database, run_id: str, *, ts_ns: int, record: Mapping[str, Any]) -> None:
        """Journal that it runs. Raises LeaseError where a pair is another's: of two that begin at once the second is refused."""
        async with database.transaction() as connection:
            await connection.execute(_ONE_AT_A_TIME, {"account": self.account})
            await self._require_pairs(connection)
            await self.journal.append(connection, RUN, run_id, ts_ns=ts_ns, record=record)

    async def require_pairs(self, database: Database) -> None:
        """Raises LeaseError where another took one of its pairs while its own lease was lost; waits for a database to say so."""
        while True:
            try:
                async with database.connection() as connection:
                    await self._require_pairs(connection)
            except LeaseError:
                raise
            except StorageError as error:
                log.info("whose pairs are whose is asked again: %s", error)
                await asyncio.sleep(RETRY_S)
            else:
                return

    async def _require_pairs(self, connection: Connection) -> None:
        own = {series.pair for series in self.series}
        values = {"account": self.account, "session": self.journal.session}
        for row in await (await connection.execute(_OTHERS, values)).fetchall():
            shared = sorted(own & {Series.parse(key).pair for key in row["series"]})
            if shared:
                raise LeaseError(
                    f"alpha {self.name}: {', '.join(shared)} is traded by alpha {row['name']} of this account "
                    f"({row['holder']}), and no pair is two alphas': stop that one, or leave it out of market.pairs"
                )
