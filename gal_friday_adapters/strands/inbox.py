"""One recipient's inbox over a connection of its own: claim what is due, hold it fast, say what became of it.

A claim is durable before anything is handled, so a strand that kills its handler is counted. The rows stay locked
while they are handled and are acknowledged in the handlers' transaction: whoever's claim was taken over in between
finds no row, and does nothing.
"""

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec
import psycopg

from gal_friday_adapters.postgres.connect import one_line
from gal_friday_adapters.postgres.database import Connection, Database, cut_after
from gal_friday_adapters.strands.communicator import ANSWER_S, check_protocol
from gal_friday_adapters.strands.statements import INBOX, REGISTER, SEEN
from gal_friday_core.errors import StorageError
from gal_friday_core.strands.strands import Table
from gal_friday_core.strands.tags import Module

# A claim that a crashed server forgets was never acknowledged either: it need not wait for the disk. What is handled
# does: `hold` says so for its transaction.
_SETTINGS: Final = (
    "set application_name = 'gal-friday strands'",
    "set statement_timeout = '10s'",
    "set idle_in_transaction_session_timeout = '60s'",
    "set tcp_keepalives_idle = 10",
    "set tcp_keepalives_interval = 5",
    "set tcp_keepalives_count = 3",
    "set timezone = 'UTC'",
    "set synchronous_commit = off",
)


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the inbox that is ours for now. `seq` and `attempts` are the fence."""

    seq: int
    source: Table
    strand_id: str
    tag: str
    high: bool
    attempts: int
    sender: str | None


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A claim that nobody can take while its transaction lasts; `remaining_s` until its deadline, by the server."""

    claim: Claim
    remaining_s: float | None
    row: dict[str, Any] | None


class End(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a strand, for good."""

    seq: int
    state: Literal["done", "expired", "failed"]
    error: str | None = None


class Again(msgspec.Struct, frozen=True, kw_only=True):
    """A strand that is tried once more, after a while."""

    seq: int
    error: str
    after_s: float


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Whose inbox. `worker` names one process, unlike any other."""

    module: Module
    account: str
    name: str
    worker: str


class Inbox:
    """Statements raise psycopg's errors: the listener tells a lost line from a strand that cannot be handled."""

    def __init__(self, connection: Connection, address: Address) -> None:
        self.connection = connection
        self._statements = INBOX[address.module]
        self._values = msgspec.structs.asdict(address)

    @classmethod
    async def opened(cls, database: Database, address: Address) -> "Inbox":
        """Raises StorageError where nobody answers, SchemaMismatchError where the tables are of another form."""
        connection = await database.dedicated()
        inbox = cls(connection, address)
        try:
            with cut_after(connection, ANSWER_S):
                for setting in _SETTINGS:
                    await connection.execute(setting)
                await check_protocol(connection)
                await connection.execute(REGISTER, inbox._values)
        except BaseException as error:
            await connection.close()
            if isinstance(error, psycopg.Error):
                raise StorageError(
                    f"no inbox for {address.module} {address.name}: {one_line(error)}"
                ) from error
            raise
        return inbox

    async def close(self) -> None:
        await self.connection.close()

    async def seen(self) -> None:
        """Tell that we live."""
        await self._execute(SEEN)

    async def give_back(self) -> None:
        """What this process had claimed over a line that broke waits again; the try does not count."""
        await self._execute(self._statements.give_back)

    async def take_over(self) -> None:
        """What other processes had claimed waits again: for who knows that none of them lives."""
        await self._execute(self._statements.take_over)

    async def claim(self, limit: int, lease_s: float) -> list[Claim]:
        """What is due, the urgent first and the oldest of those; what failed before comes alone."""
        values = {**self._values, "limit": limit, "lease_s": lease_s}
        with cut_after(self.connection, ANSWER_S):
            cursor = await self.connection.execute(self._statements.claim, values)
            rows = await cursor.fetchall()
        return [Claim(**row) for row in rows]

    async def hold(self, claims: Sequence[Claim]) -> list[Held]:
        """Those of the claims that are still ours, with their strands, inside the caller's transaction: durable from here."""
        known = {claim.seq: claim for claim in claims}
        values = {**self._values, "seqs": list(known), "attempts": claims[0].attempts}
        with cut_after(self.connection, ANSWER_S):
            cursor = await self.connection.execute(self._statements.lock, values)
            rows = await cursor.fetchall()
        return [
            Held(claim=known[row["seq"]], remaining_s=row["remaining_s"], row=row["strand"]) for row in rows
        ]

    async def end(self, ends: Sequence[End]) -> None:
        """Inside the transaction of the effects."""
        await self._say(self._statements.end, "ends", ends)

    async def again(self, again: Sequence[Again]) -> None:
        await self._say(self._statements.again, "again", again)

    async def _say(self, statement: str, name: str, said: Sequence[End] | Sequence[Again]) -> None:
        if said:
            seqs = [each.seq for each in said]
            values = {**self._values, "seqs": seqs, name: msgspec.json.encode(said).decode()}
            with cut_after(self.connection, ANSWER_S):
                await self.connection.execute(statement, values)

    async def _execute(self, statement: str) -> None:
        with cut_after(self.connection, ANSWER_S):
            await self.connection.execute(statement, self._values)
