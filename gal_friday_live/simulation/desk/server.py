"""The simulated database of a desk, as its clients meet it: connections, transactions, locks, hints, moods, and leases.

A statement takes effect in a step of its client's. So a client that is killed before or after it leaves nothing or all of
it; one that is killed while it commits leaves either, and a little later, when the server finds it gone.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import psycopg

from gal_friday_adapters.postgres.database import Database
from gal_friday_core.errors import StorageError
from gal_friday_core.journal import JournalLine
from gal_friday_live.simulation.desk.session import Session, SimDatabase
from gal_friday_live.simulation.desk.statements import Statements
from gal_friday_live.simulation.desk.tables import Tables, Work
from gal_friday_live.simulation.loop import SimLoop
from gal_friday_live.simulation.store import Mood, Store
from gal_friday_live.simulation.trace import Trace

FOUND_GONE_S: Final = 0.5
"""A server notices a client that was killed within so long."""
DEADLOCK_S: Final = 1.0
LOCK_TIMEOUT_S: Final = 10.0

Key = tuple[Any, ...]


class Server(Store):
    """`committed_by` hears of each journal line as it becomes visible, with its session, `written` of each strand.

    With `deaf` no notification arrives. `tokens` are those of the leases, `holders` the connections that hold them, `taken_s`
    when each was taken last.
    """

    def __init__(
        self, loop: SimLoop, *, chance: random.Random, trace: Trace, now_ns: Callable[[], int]
    ) -> None:
        super().__init__(loop, chance=chance, trace=trace)
        self.tables = Tables()
        self.deaf = False
        self.tokens: dict[str, int] = {}
        self.taken_s: dict[str, float] = {}
        self.holders: dict[str, Session] = {}
        self.committed_by: Callable[[str, JournalLine], None] = lambda _session, _line: None
        self.written: Callable[[Mapping[str, Any]], None] = lambda _strand: None
        self._sessions: dict[Session, None] = {}
        self._locks: dict[Key, Work] = {}
        self._shared: dict[str, dict[Work, None]] = {}
        self._released = asyncio.Event()
        self._statements = Statements(self, now_ns)

    def database(self) -> Database:
        return SimDatabase(self).as_database()

    # Moods

    def be(self, mood: Mood) -> None:
        was = self.mood
        super().be(mood)
        if mood == "down" or (was == "stuck" and mood != "stuck"):
            self.cut(lambda _: True)

    def cut(self, which: Callable[[Session], bool]) -> None:
        """End connections, as an administrator or a network does."""
        for session in [one for one in self._sessions if which(one)]:
            self.leave(session)

    def hang_up(self, life: int) -> None:
        """A process is gone; the server finds out one connection at a time."""
        for session in [one for one in self._sessions if one.life == life]:
            self._world.run(self._loop.call_later, self._chance.random() * FOUND_GONE_S, self.leave, session)

    # Connections

    async def connect(self) -> Session:
        """Raises StorageError where nobody answers."""
        await asyncio.sleep(self._chance.random() * 0.003)
        if self.mood in {"hung", "stuck"}:
            with suppress(TimeoutError):
                async with asyncio.timeout(5.0):
                    await self._recovered.wait()
        if self.mood in {"down", "hung", "stuck"}:
            raise StorageError("no connection to the simulated database") from psycopg.OperationalError()
        session = Session(self)
        self._sessions[session] = None
        return session

    def leave(self, session: Session) -> None:
        """The connection is no more. What it was committing may be committed all the same."""
        if session not in self._sessions:
            return
        del self._sessions[session]
        session.broken.set()
        work, session.work = session.work, None
        if work is None:
            return
        if session.committing and self._chance.random() < 0.5:
            self._trace("store", "commits for a client that is gone")
            self._apply(work)
        else:
            self._free(work)

    # Transactions

    def begin(self, session: Session) -> None:
        if session.work is None:
            session.work = Work(self.tables)
        else:
            session.work.savepoint()

    def release(self, session: Session) -> None:
        self._require_sound(session).release()

    def roll_back(self, session: Session) -> None:
        """To the last savepoint, or all of it."""
        work = session.work
        assert work is not None
        if len(work.layers) > 1:
            self._unlock(work.layers.pop().keys, work)
        else:
            session.work = None
            self._free(work)

    async def commit(self, session: Session) -> None:
        """Durable on return. Raises OperationalError where the answer is lost."""
        session.require()
        work = session.work
        assert work is not None
        if work.top.failed:
            session.work = None
            self._free(work)
            raise psycopg.errors.InFailedSqlTransaction("the simulated transaction has failed")
        session.committing = True
        await self._answer_time(session)
        changes, session.committing, session.work = work.top.changes, False, None
        self._apply(work)
        if changes and self.ambiguous and self._chance.random() < self.ambiguous:
            self._trace("store", "commits, and the answer is lost")
            self.leave(session)
            raise psycopg.OperationalError("the simulated connection is lost")
        await session.pause(self._chance.random() * 0.001)

    async def carry(self, session: Session, statement: str, values: Mapping[str, Any]) -> Sequence[Any]:
        """Carry out a statement, in the session's transaction or in one of its own. Raises psycopg's errors."""
        session.require()
        if "savepoint" in statement:
            await self._answer_time(session)
            self._move_savepoints(session, statement)
            return []
        own = session.work is None
        if own:
            self.begin(session)
        work = session.work
        assert work is not None
        try:
            rows = await self._done(session, work, statement, values)
        except BaseException:
            work.top.failed = True
            if own and session.work is work:
                self.roll_back(session)
            raise
        if own:
            await self.commit(session)
        return rows

    def _move_savepoints(self, session: Session, statement: str) -> None:
        """Statements about the last savepoint, several in a line; one that is rolled back to stays."""
        for word in statement.split(";"):
            if word.strip().startswith("rollback"):
                self.roll_back(session)
                self.begin(session)
            elif word.strip().startswith("release"):
                self.release(session)
            else:
                self._require_sound(session)
                self.begin(session)

    @staticmethod
    def _require_sound(session: Session) -> Work:
        """The open transaction. Raises InFailedSqlTransaction where a statement of it failed."""
        session.require()
        assert session.work is not None
        if session.work.top.failed:
            raise psycopg.errors.InFailedSqlTransaction("the simulated transaction has failed")
        return session.work

    async def _done(
        self, session: Session, work: Work, statement: str, values: Mapping[str, Any]
    ) -> Sequence[Any]:
        await self._answer_time(session)
        if work.top.failed:
            raise psycopg.errors.InFailedSqlTransaction("the simulated transaction has failed")
        rows = await self._statements.carry(session, work, statement, values)
        if self.mood == "full" and work.top.changes:
            raise psycopg.errors.DiskFull("no space left on the simulated device")
        return rows

    # Locks

    async def own(self, session: Session, work: Work, *key: Any) -> None:
        """Take a lock until the transaction ends or its savepoint is gone. Raises OperationalError after a while."""
        until = self._loop.time() + LOCK_TIMEOUT_S
        while (holder := self._locks.get(key)) is not None:
            if holder is work:
                return
            await self._wait(session, until)
        self._locks[key] = work
        work.top.keys.append(key)

    def is_owned(self, work: Work, *key: Any) -> bool:
        """Whether somebody else has it: for who skips what is locked."""
        return self._locks.get(key, work) is not work

    def share(self, work: Work, account: str) -> None:
        """Hold up whoever wants to take this lease, until the transaction ends."""
        self._shared.setdefault(account, {})[work] = None

    async def take(self, session: Session, account: str) -> int:
        """The lease's new token. Raises LookupError where it is held, OperationalError after a while."""
        await self._answer_time(session)
        holder = self.holders.get(account)
        if holder is not None and holder is not session and not holder.closed:
            raise LookupError(account)
        self.holders[account] = session
        until = self._loop.time() + LOCK_TIMEOUT_S / 2
        while self._shared.get(account):
            await self._wait(session, until)
        self.tokens[account] = self.tokens.get(account, 0) + 1
        self.taken_s[account] = self._loop.time()
        self._trace("store", f"lease {account[:8]} is {self.tokens[account]}")
        return self.tokens[account]

    async def _wait(self, session: Session, until: float) -> None:
        if self._loop.time() >= until:
            raise psycopg.errors.QueryCanceled("canceling statement due to a simulated timeout")
        timer = self._world.run(self._loop.call_later, DEADLOCK_S, self._nudge)
        try:
            await session.until(self._released)
        finally:
            timer.cancel()

    def _nudge(self) -> None:
        self._released.set()
        self._released = asyncio.Event()

    def _unlock(self, keys: Sequence[Key], work: Work) -> None:
        for key in keys:
            if self._locks.get(key) is work:
                del self._locks[key]
        self._nudge()

    def _free(self, work: Work) -> None:
        for layer in work.layers:
            self._unlock(layer.keys, work)
        for sharing in self._shared.values():
            sharing.pop(work, None)
        self._nudge()

    def _apply(self, work: Work) -> None:
        while len(work.layers) > 1:
            work.release()
        layer = work.top
        self.tables.apply(layer)
        self._free(work)
        for session, line in layer.lines:
            self.committed_by(session, line)
        for strand in layer.strands.values():
            self.written(strand)
        if layer.notices and not self.deaf:
            for one in self._sessions:
                if layer.notices.intersection(one.channels):
                    one.noticed.set()

    async def _answer_time(self, session: Session) -> None:
        """As long as the mood has it."""
        await session.pause(self._chance.random() * 0.002)
        if self.mood == "slow":
            await session.pause(self._chance.expovariate(0.5))
        if self.mood in {"hung", "stuck"}:
            await session.until(self._recovered)
