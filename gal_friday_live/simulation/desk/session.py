"""A connection to the simulated database, and `Database` as the product knows it, over such connections."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, Self, cast

import psycopg
from psycopg.pq import TransactionStatus

from gal_friday_adapters.postgres.database import RECONNECT_DELAYS_S, Connection, Database
from gal_friday_core.errors import StorageError
from gal_friday_live.simulation.desk.tables import Work
from gal_friday_live.simulation.loop import LIFE

if TYPE_CHECKING:
    from gal_friday_live.simulation.desk.server import Server


class Session:
    """One connection; outside of transactions each statement commits. `life` is whose process it belongs to, `work` its open transaction, `channels` what it listens to."""

    def __init__(self, server: "Server") -> None:
        self.life = LIFE.get()
        self.autocommit = True
        self.work: Work | None = None
        self.committing = False
        self.channels: tuple[str, ...] = ()
        self.noticed = asyncio.Event()
        self.broken = asyncio.Event()
        self._server = server

    @property
    def closed(self) -> bool:
        return self.broken.is_set()

    @property
    def info(self) -> "Session":
        """Of a real connection this is another object."""
        return self

    @property
    def transaction_status(self) -> TransactionStatus:
        return TransactionStatus.IDLE if self.work is None else TransactionStatus.INTRANS

    def require(self) -> None:
        """Raises OperationalError once it is broken."""
        if self.closed:
            raise psycopg.OperationalError("the simulated connection is lost")

    async def pause(self, seconds: float) -> None:
        """The time that a round trip takes."""
        await asyncio.sleep(seconds)
        self.require()

    async def until(self, event: asyncio.Event) -> None:
        """Wait for something at the server, as long as the line stands."""
        waits = [asyncio.ensure_future(one.wait()) for one in (event, self.broken)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()
        self.require()

    async def execute(self, statement: str, values: Mapping[str, Any] | None = None, **_: Any) -> "Cursor":
        return Cursor(self, await self._server.carry(self, statement, values or {}))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Self]:
        """A transaction, or a savepoint within one."""
        self.require()
        outer = self.work is None
        self._server.begin(self)
        try:
            yield self
        except BaseException:
            if not self.closed:
                self._server.roll_back(self)
            raise
        if outer:
            await self._server.commit(self)
        else:
            self._server.release(self)

    @asynccontextmanager
    async def cursor(self, **_: Any) -> AsyncIterator["Cursor"]:
        yield Cursor(self, [])

    async def close(self) -> None:
        self._server.leave(self)

    def fileno(self) -> NoReturn:
        """Whoever asks for the descriptor of a line is about to cut it: `cut_after`."""
        self._server.leave(self)
        raise OSError("the simulated connection is cut")


class Cursor:
    """Rows of one statement."""

    def __init__(self, session: Session, rows: Sequence[Any]) -> None:
        self._session = session
        self._rows = list(rows)
        self.itersize = 0

    async def execute(self, statement: str, values: Mapping[str, Any]) -> None:
        self._rows = list(await (await self._session.execute(statement, values)).fetchall())

    async def fetchall(self) -> Sequence[Any]:
        rows, self._rows = self._rows, []
        return rows

    async def fetchone(self) -> Any:
        return self._rows.pop(0) if self._rows else None

    async def fetchmany(self, size: int) -> Sequence[Any]:
        rows, self._rows = self._rows[:size], self._rows[size:]
        return rows


class SimDatabase:
    """As much of `Database` as journals, listeners and communicators use; each use has a connection of its own."""

    def __init__(self, server: "Server") -> None:
        self._server = server

    def as_database(self) -> Database:
        return cast("Database", self)

    async def dedicated(self) -> Connection:
        """Raises StorageError where nobody answers."""
        return cast("Connection", await self._server.connect())

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Session]:
        with _errors():
            session = await self._server.connect()
            try:
                yield session
            finally:
                self._server.leave(session)

    autocommit = connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        async with self.connection() as session, session.transaction():
            yield session

    async def listen(self, *channels: str) -> AsyncGenerator[str, None]:
        """As the product's: what was sent while nobody listened is gone, and "" says so."""
        session = await self._server.connect()
        try:
            while True:
                session.channels = channels
                yield ""
                try:
                    while True:
                        await session.until(session.noticed)
                        session.noticed.clear()
                        yield ""
                except psycopg.OperationalError:
                    session = await self._reconnect()
        finally:
            self._server.leave(session)

    async def _reconnect(self) -> Session:
        attempt = 0
        while True:
            try:
                return await self._server.connect()
            except StorageError:
                await asyncio.sleep(RECONNECT_DELAYS_S[min(attempt, len(RECONNECT_DELAYS_S) - 1)])
                attempt += 1


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise StorageError(f"the simulated database failed: {error}") from error
