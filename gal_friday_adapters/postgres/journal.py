"""The journal in PostgreSQL: append-only, idempotent by (session, kind, key).

`append` is durable when it returns, and refused where another engine took the account's lease. `note` never waits and never raises: notes are written in batches
soon after, and counted when they must be dropped. What a session wrote, `read` gives back in order.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, Final

import msgspec
import psycopg
from psycopg.rows import tuple_row
from psycopg.types.json import Jsonb

from gal_friday_adapters.postgres.database import Database
from gal_friday_core.errors import LeaseError, StorageError
from gal_friday_core.journal import JournalEntry, JournalLine
from gal_friday_core.ports import Clock

QUEUE_LIMIT: Final = 50_000
"""Notes that may wait; beyond it new ones are dropped."""

BATCH: Final = 1_000
LINGER_S: Final = 0.25
"""A note is written when a batch is full, or after this time."""

PAGE: Final = 1_000
LINES_PAGE: Final = 5_000
"""Lines that the server hands over at once; a record is about half a kilobyte."""

PATIENCE_S: Final = 5.0
"""What is not durable after so long counts as not written, though it may still be."""

BATCH_PATIENCE: Final = 4
"""A batch of notes may take so many times as long. Written late, it is not written twice."""

STALE_FENCE: Final = "GF001"
"""The SQLSTATE with which the database refuses the append of a former holder of the lease."""

log = logging.getLogger(__name__)

_BEGIN = """
insert into sessions (session_id, mode, started_ns, config_hash, code_version, model_override)
values (%(session_id)s, %(mode)s, %(started_ns)s, %(config_hash)s, %(code_version)s, %(model_override)s)
on conflict do nothing
"""

# One statement, so one round trip: the setting holds for its transaction, whatever the server's default.
_APPEND = """
with durably as (select set_config('synchronous_commit', 'on', true))
insert into journal (session, kind, key, ts_ns, record, fence)
select %(session)s, %(kind)s, %(key)s, %(ts_ns)s, %(record)s, %(fence)s::bigint from durably
on conflict do nothing
"""

_APPEND_MANY = """
insert into journal (session, kind, key, ts_ns, record)
select %(session)s, note.*
from unnest(%(kinds)s::text[], %(keys)s::text[], %(times)s::bigint[], %(records)s::jsonb[])
     as note (kind, key, ts_ns, record)
on conflict do nothing
"""

_READ = """
select seq, session::text, ts_ns, kind, key, record from journal
where session = %(session)s and seq > %(after)s and (%(kind)s::text is null or kind = %(kind)s)
order by seq limit %(page)s
"""

_BETWEEN = """
select seq, session::text, ts_ns, kind, key, record from journal
where session = %(session)s and ts_ns >= %(start)s and ts_ns < %(end)s
order by ts_ns, seq
"""

_LINES = """
select seq, ts_ns, kind, key, record::text from journal
where session = %(session)s and kind = any(%(kinds)s) and seq > %(after)s
order by seq
"""

_SESSIONS = """
select session_id::text, mode, started_ns, config_hash, code_version, model_override
from sessions order by started_ns, recorded_at
"""


class Note(msgspec.Struct, frozen=True, gc=False):
    """A record that waits to be written; `record` is JSON."""

    kind: str
    key: str
    ts_ns: int
    record: str


class PostgresJournal:
    """The journal of one session. `begin` writes the session's row, without which nothing can be appended.

    `written`, `dropped` and `failed_writes` count notes written, notes dropped (the queue was full, or the
    text holds a NUL), and batches that the database refused (they stay queued and are tried again).

    `fence` gives the token of the account's lease, which every append carries; without it appends are not
    fenced. A session that several runs share, as an account's is, needs one. `patience_s` bounds an append.
    """

    def __init__(
        self,
        database: Database,
        session_id: str,
        clock: Clock,
        *,
        fence: Callable[[], int] | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.session_id = session_id
        self.written = 0
        self.dropped = 0
        self.failed_writes = 0
        self._database = database
        self._clock = clock
        self._fence = fence
        self._patience_s = patience_s
        self._under_way: set[asyncio.Task[None]] = set()
        self._notes: deque[Note] = deque()
        self._full = asyncio.Event()
        self._writing = asyncio.Lock()
        self._writer: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Notes that are not written yet."""
        return len(self._notes)

    async def begin(
        self,
        mode: str,
        *,
        config_hash: str,
        code_version: str,
        model_override: Mapping[str, Any] | None = None,
    ) -> None:
        """Say what this session is; a second call changes nothing. `model_override` as the engine was given it."""
        values = {
            "session_id": self.session_id,
            "mode": mode,
            "started_ns": self._clock.now_ns(),
            "config_hash": config_hash,
            "code_version": code_version,
            "model_override": None if model_override is None else _jsonb(model_override),
        }
        async with self._database.connection() as connection:
            await connection.execute(_BEGIN, values)

    async def append(self, kind: str, key: str, ts_ns: int, record: Mapping[str, Any]) -> None:
        """Durable on return. The same kind and key again change nothing, whatever the record.

        Raises StorageError when the record could not be made durable, at the latest after the patience: a
        database that hangs then may still write it. Raises LeaseError when the fence is out of date.
        """
        values = {
            "session": self.session_id,
            "kind": kind,
            "key": key,
            "ts_ns": ts_ns,
            "record": _jsonb(record),
            "fence": None if self._fence is None else self._fence(),
        }
        await self._within(self._patience_s, self._append(values), f"{kind} {key}")

    async def _within(self, patience_s: float, write: Coroutine[Any, Any, None], what: str) -> None:
        """Cancelling a statement waits for the server too, so one that hangs is left to itself instead."""
        task = asyncio.create_task(write, name=f"write {what}")
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        done, _ = await asyncio.wait((task,), timeout=patience_s)
        if not done:
            raise StorageError(
                f"the database did not make {what} durable in {patience_s:g} s: it hangs, or its disk does"
            )
        task.result()

    async def _append_many(self, values: Mapping[str, Any]) -> None:
        async with self._database.autocommit() as connection:
            await connection.execute(_APPEND_MANY, values)

    async def _append(self, values: Mapping[str, Any]) -> None:
        try:
            async with self._database.autocommit() as connection:
                await connection.execute(_APPEND, values)
        except StorageError as error:
            cause = error.__cause__
            if isinstance(cause, psycopg.Error) and cause.sqlstate == STALE_FENCE:
                raise LeaseError(
                    f"another engine has taken over the account: {cause.diag.message_primary}; nothing of this "
                    "engine is written any more, stop it"
                ) from error
            raise

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # told to whoever still waited

    def note(self, kind: str, key: str, ts_ns: int, record: Mapping[str, Any]) -> None:
        """Queue a record for the next batch; a full queue drops and counts it. Needs a running event loop."""
        text = msgspec.json.encode(record).decode()
        # PostgreSQL has no NUL in text: one such note would hold up its whole batch for ever.
        if len(self._notes) >= QUEUE_LIMIT or "\\u0000" in text:
            self.dropped += 1
            return
        self._notes.append(Note(kind, key, ts_ns, text))
        if len(self._notes) >= BATCH:
            self._full.set()
        if self._writer is None or self._writer.done():
            self._writer = asyncio.get_running_loop().create_task(self._write_soon())

    async def flush(self) -> None:
        """Write every note queued before the call. Raises StorageError; what was not written stays queued."""
        async with self._writing:
            for _ in range(-(-len(self._notes) // BATCH)):
                await self._write_batch()
        if not self._notes:
            self._full.set()  # a writer that still gathers has nothing left to wait for

    async def close(self) -> None:
        """Write what waits and end the writer. Raises StorageError as `flush` does."""
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        await self.flush()

    async def read(self, session: str | None = None, kind: str | None = None) -> AsyncIterator[JournalEntry]:
        """Entries of a session (this one by default) in the order written, page by page; what is buffered is not."""
        wanted = {"session": session or self.session_id, "kind": kind, "page": PAGE}
        after, more = 0, True
        while more:
            async with self._database.connection() as connection:
                cursor = await connection.execute(_READ, {**wanted, "after": after})
                rows = await cursor.fetchall()
            for row in rows:
                yield JournalEntry(**row)
            more = len(rows) == PAGE
            after = rows[-1]["seq"] if rows else after

    async def between(self, start_ns: int, end_ns: int) -> AsyncGenerator[JournalEntry, None]:
        """Entries of this session in [start, end) by time, those of one instant in the order written.

        Read through a cursor of the server, so that a long session does not have to fit into memory. Notes
        that wait are written first; a connection is held until the last entry was taken.
        """
        await self.flush()
        wanted = {"session": self.session_id, "start": start_ns, "end": end_ns}
        async with (
            self._database.transaction() as connection,
            connection.cursor(name="between") as cursor,
        ):
            cursor.itersize = PAGE
            await cursor.execute(_BETWEEN, wanted)
            async for row in cursor:
                yield JournalEntry(**row)

    async def lines(self, kinds: Sequence[str], after: int = 0) -> AsyncGenerator[JournalLine, None]:
        """Lines of these kinds in the order written, from behind the number `after` on, records as text: for reading
        a whole history at the start. Held as `between` holds its connection; what is buffered is not read.
        """
        wanted = {"session": self.session_id, "kinds": list(kinds), "after": after}
        async with (
            self._database.transaction() as connection,
            connection.cursor(name="lines", row_factory=tuple_row) as cursor,
        ):
            await cursor.execute(_LINES, wanted)
            while rows := await cursor.fetchmany(LINES_PAGE):
                for row in rows:
                    yield JournalLine(*row)

    async def sessions(self) -> Sequence[Mapping[str, Any]]:
        """Every session of this database, oldest first."""
        async with self._database.connection() as connection:
            cursor = await connection.execute(_SESSIONS)
            return await cursor.fetchall()

    async def _write_soon(self) -> None:
        """Gather for a moment, then write, until nothing waits or the database refuses."""
        while self._notes:
            self._full.clear()
            if len(self._notes) < BATCH:
                await self._until_full()
            try:
                await self.flush()
            except StorageError as error:
                self.failed_writes += 1
                log.warning("notes wait in memory: %s", error, extra={"waiting": len(self._notes)})
                return  # the next note, flush or close tries again

    async def _until_full(self) -> None:
        with suppress(TimeoutError):  # not full, but old enough
            async with asyncio.timeout(LINGER_S):
                await self._full.wait()

    async def _write_batch(self) -> None:
        """Notes leave the queue only once they are written."""
        batch = list(islice(self._notes, BATCH))
        values = {
            "session": self.session_id,
            "kinds": [note.kind for note in batch],
            "keys": [note.key for note in batch],
            "times": [note.ts_ns for note in batch],
            "records": [note.record for note in batch],
        }
        patience_s = self._patience_s * BATCH_PATIENCE
        await self._within(patience_s, self._append_many(values), f"{len(batch)} notes")
        for _ in batch:
            self._notes.popleft()
        self.written += len(batch)


def _jsonb(record: Mapping[str, Any]) -> Jsonb:
    return Jsonb(record, dumps=msgspec.json.encode)
