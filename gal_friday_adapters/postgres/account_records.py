"""What the journal holds of an account's money: every booking in the order written, and prices at an instant."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from gal_friday_adapters.postgres.database import Database
from gal_friday_core.portfolio import Mark
from gal_friday_core.portfolio_records import CASH_FLOW, EQUITY, FILL
from gal_friday_core.statement_lines import Booking

_BOOKINGS = """
select booked.seq, booked.ts_ns, booked.kind, booked.key, booked.record, told.record as report
from journal booked
    left join journal told
        on told.session = booked.session and told.kind = 'EXECUTION_REPORT' and told.key = booked.key
where booked.session = %(session)s and booked.kind = any(%(kinds)s)
order by booked.seq
"""
_MARKS = """
select record -> 'marks' as marks from journal
where session = %(session)s and kind = %(kind)s and ts_ns <= %(at)s
order by ts_ns desc, seq desc limit 1
"""


class AccountRecords:
    """Raises StorageError where the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def bookings(self, session: str) -> list[Booking]:
        """Fills and flows in the order booked, each fill with the report that told of it."""
        values = {"session": session, "kinds": [FILL, CASH_FLOW]}
        async with self._database.connection() as connection:
            cursor = await connection.execute(_BOOKINGS, values)
            rows = await cursor.fetchall()
        return msgspec.convert(rows, list[Booking])

    async def marks(self, session: str, at_ns: int) -> Mapping[str, Mark]:
        """The prices that positions were valued at, as last noted up to then; none where nothing was held."""
        values = {"session": session, "kind": EQUITY, "at": at_ns}
        async with self._database.connection() as connection:
            cursor = await connection.execute(_MARKS, values)
            row = await cursor.fetchone()
        known = {} if row is None else row["marks"]
        found = {pair: Mark(Decimal(price), int(ts_ns)) for pair, (price, ts_ns) in known.items()}
        return {pair: mark for pair, mark in found.items() if mark.ts_ns <= at_ns}
