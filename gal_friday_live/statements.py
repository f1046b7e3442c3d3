"""Statements of the accounts in the journal: whose day is stated, and the reading that `core.statement` needs."""

from collections.abc import Mapping, Sequence
from typing import Any

from gal_friday_adapters.postgres.account_records import AccountRecords
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.session_records import Row, SessionRecords
from gal_friday_core.errors import ConfigError, DataError
from gal_friday_core.statement import Statement, day_bounds, statement

REAL = "live"


class Statements:
    """Read-only. Raises StorageError where the journal cannot be read."""

    def __init__(self, database: Database) -> None:
        self._sessions = SessionRecords(database)
        self._records = AccountRecords(database)

    async def accounts(self, day: str) -> Sequence[Row]:
        """Accounts to be stated: real ones always, others where they were written to since that day began."""
        start, _ = day_bounds(day)
        rows = await self._sessions.written()
        return [row for row in rows if row["quote"] and (row["mode"] == REAL or row["last_ns"] >= start)]

    async def of_day(self, day: str, *, now_ns: int) -> list[tuple[Statement, dict[str, Any]]]:
        """The statement of every account that was open that day, and whose it is."""
        found = []
        for row in await self.accounts(day):
            stated = await self._stated(row, day, now_ns)
            if stated is not None:
                found.append((stated, owner(row)))
        return found

    async def of_account(
        self, day: str, session: str | None, *, now_ns: int
    ) -> tuple[Statement, dict[str, Any]]:
        """One account: the session whose id begins so, else the last that was written to.

        Raises ConfigError where there is none, or more than one.
        """
        day_bounds(day)
        rows = [row for row in await self._sessions.written() if row["quote"]]
        matching = [row for row in rows if session is None or row["session"].startswith(session.lower())]
        if not rows:
            raise ConfigError("no account in the journal yet: gal-friday live or up opens one")
        if not matching or (session is not None and len(matching) > 1):
            known = ", ".join(f"{row['session']} ({row['mode']})" for row in (matching or rows)[:20])
            said = "more than one session begins so" if matching else "no account in the journal"
            raise ConfigError(f"--session {session}: {said}: {known}")
        stated = await self._stated(matching[0], day, now_ns)
        if stated is None:
            raise DataError(f"the account of session {matching[0]['session']} was not open on {day}")
        return stated, owner(matching[0])

    async def _stated(self, row: Row, day: str, now_ns: int) -> Statement | None:
        """None where the account was opened later."""
        session, (start, end) = str(row["session"]), day_bounds(day)
        bookings = await self._records.bookings(session)
        if not bookings or bookings[0].ts_ns >= end:
            return None
        return statement(
            bookings, session=session, quote=row["quote"], day=day, now_ns=now_ns,
            opening_marks=await self._records.marks(session, start),
            closing_marks=await self._records.marks(session, end),
        )  # fmt: skip


def owner(row: Row) -> dict[str, Any]:
    """Whose account a session is."""
    run: Mapping[str, Any] = row["run"] or {}
    return {"mode": row["mode"], "venue": run.get("venue"), "account": run.get("account")}
