"""A database that is in memory and fails on demand, behind the product's own `PostgresJournal`.

It takes the journal's statements, one by one, and keeps what was committed; a crash of the engine loses what was
not. `mood` says how it behaves: well, slow, down, hung (whatever was asked is done later, whoever still waits), stuck (hung, and then started anew: nobody
learns what became of what was asked), full.
An ambiguous commit is done, and its answer is lost.
"""

import asyncio
import contextvars
import json
import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, Protocol, cast

import msgspec
import psycopg

from gal_friday_adapters.postgres import journal as statements
from gal_friday_adapters.postgres.database import Database
from gal_friday_core.errors import StorageError
from gal_friday_core.journal import JournalLine
from gal_friday_live.simulation.loop import SimLoop
from gal_friday_live.simulation.trace import Trace

Mood = Literal["well", "slow", "down", "hung", "stuck", "full"]
WRITES = frozenset({statements._BEGIN, statements._APPEND, statements._APPEND_MANY})  # noqa: SLF001
UNTOLD = frozenset({"FEATURES", "PREDICTION", "STORAGE_CHECK"})
"""Kinds that a trace leaves out."""


class StaleFenceError(psycopg.Error):
    """The database refuses what a former holder of the lease writes."""

    sqlstate = statements.STALE_FENCE


class Lines(Protocol):
    """What is committed, in its order."""

    def __len__(self) -> int: ...
    def has(self, kind: str, key: str) -> bool: ...
    def append(self, line: JournalLine) -> None: ...
    def after(self, seq: int) -> Iterable[JournalLine]: ...


class MemoryLines:
    """All of them, for as long as a world lasts."""

    def __init__(self) -> None:
        self._lines: list[JournalLine] = []
        self._keys: set[tuple[str, str]] = set()

    def __len__(self) -> int:
        return len(self._lines)

    def has(self, kind: str, key: str) -> bool:
        return (kind, key) in self._keys

    def append(self, line: JournalLine) -> None:
        self._lines.append(line)
        self._keys.add((line.kind, line.key))

    def after(self, seq: int) -> Iterable[JournalLine]:
        return self._lines[seq:]


class Store:
    """What is committed, whoever wrote it. `fence` is the newest token of the account's lease."""

    def __init__(self, loop: SimLoop, *, chance: random.Random, trace: Trace) -> None:
        self.lines: Lines = MemoryLines()
        self.mood: Mood = "well"
        self.ambiguous = 0.0
        self.fence = 0
        self.committed: Callable[[JournalLine], None] = lambda _: None
        self._loop = loop
        self._chance = chance
        self._trace = trace
        self._world = contextvars.copy_context()
        self._recovered = asyncio.Event()

    def database(self) -> Database:
        """What the journal is given."""
        return cast("Database", _Pool(self))

    def be(self, mood: Mood) -> None:
        """Behave so from now on; what hung is released."""
        if mood != self.mood:
            self._trace("store", f"is {mood}")
        self.mood = mood
        if mood not in {"hung", "stuck"}:
            self._recovered.set()
            self._recovered = asyncio.Event()

    async def answer(self, statement: str, values: Mapping[str, Any]) -> list[Any]:
        """Carry out one statement, as the mood has it. Raises StorageError."""
        await asyncio.sleep(self._chance.random() * 0.002)
        if self.mood == "slow":
            await asyncio.sleep(self._chance.expovariate(0.5))
        if self.mood in {"hung", "stuck"}:
            await self._hang(statement, values)
        if self.mood == "down":
            raise StorageError("the simulated database is down")
        if statement not in WRITES:
            return self._read(statement, values)
        if self.mood == "full":
            raise StorageError("the simulated database failed: no space left on device")
        self._write(statement, values)
        if self.ambiguous and self._chance.random() < self.ambiguous:
            self._trace("store", "commits, and the answer is lost")
            raise StorageError("the simulated database went away")
        await asyncio.sleep(self._chance.random() * 0.001)
        return []

    async def _hang(self, statement: str, values: Mapping[str, Any]) -> None:
        """Until the server is let go on. A server that has the statement may carry it out for nobody."""
        recovered, stuck = self._recovered, self.mood == "stuck"
        if statement in WRITES and self._chance.random() < 0.5:
            self._world.run(self._loop.create_task, self._write_late(recovered, statement, values))
        await recovered.wait()
        if stuck:
            raise StorageError("the simulated database was started anew")

    async def _write_late(self, recovered: asyncio.Event, statement: str, values: Mapping[str, Any]) -> None:
        await recovered.wait()
        try:
            self._write(statement, values)
        except StorageError:
            self._trace("store", "refuses a late write of a former engine")

    def _write(self, statement: str, values: Mapping[str, Any]) -> None:
        if statement == statements._APPEND:  # noqa: SLF001 - this is the other side of that statement
            fence = values["fence"]
            if fence is not None and fence < self.fence:
                raise StorageError("the simulated database failed: stale fence") from StaleFenceError()
            record = msgspec.json.encode(values["record"].obj).decode()
            self._commit(values["kind"], values["key"], values["ts_ns"], record)
        elif statement == statements._APPEND_MANY:  # noqa: SLF001 - as above
            columns = (values["kinds"], values["keys"], values["times"], values["records"])
            for kind, key, ts_ns, record in zip(*columns, strict=True):
                self._commit(kind, key, ts_ns, record)

    def _commit(self, kind: str, key: str, ts_ns: int, record: str) -> None:
        if self.lines.has(kind, key):
            return
        line = JournalLine(len(self.lines) + 1, ts_ns, kind, key, record)
        self.lines.append(line)
        if kind not in UNTOLD:
            self._trace("store", f"{kind} {key}")
        self.committed(line)

    def _read(self, statement: str, values: Mapping[str, Any]) -> list[Any]:
        after = values.get("after", 0)
        if statement == statements._READ:  # noqa: SLF001 - as above
            kind = values["kind"]
            found = [line for line in self.lines.after(after) if kind in {None, line.kind}]
            return [_row(line, values["session"]) for line in found[: values["page"]]]
        if statement == statements._LINES:  # noqa: SLF001 - as above
            found = [line for line in self.lines.after(after) if line.kind in values["kinds"]]
            return [(line.seq, line.ts_ns, line.kind, line.key, line.record) for line in found]
        if statement == "select 1":
            return []
        raise AssertionError(f"the simulated database does not know {statement}")


def _row(line: JournalLine, session: str) -> dict[str, Any]:
    return {
        "seq": line.seq,
        "session": session,
        "ts_ns": line.ts_ns,
        "kind": line.kind,
        "key": line.key,
        "record": json.loads(line.record),
    }


class _Pool:
    """As much of `Database` as the journal uses."""

    def __init__(self, store: Store) -> None:
        self._connection = _Connection(store)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator["_Connection"]:
        yield self._connection

    autocommit = connection
    transaction = connection


class _Connection:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def execute(self, statement: str, values: Mapping[str, Any] | None = None) -> "_Cursor":
        cursor = _Cursor(self._store)
        await cursor.execute(statement, values or {})
        return cursor

    @asynccontextmanager
    async def cursor(self, **_: Any) -> AsyncIterator["_Cursor"]:
        yield _Cursor(self._store)


class _Cursor:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._rows: list[Any] = []
        self.itersize = 0

    async def execute(self, statement: str, values: Mapping[str, Any]) -> None:
        self._rows = await self._store.answer(statement, values)

    async def fetchall(self) -> Sequence[Any]:
        rows, self._rows = self._rows, []
        return rows

    async def fetchmany(self, size: int) -> Sequence[Any]:
        rows, self._rows = self._rows[:size], self._rows[size:]
        return rows
