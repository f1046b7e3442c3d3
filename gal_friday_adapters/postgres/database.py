"""The one way to PostgreSQL for asynchronous code: a small pool, and notifications that survive a lost server.

Every failure of the driver leaves here as StorageError, with the driver's exception as its cause and without
the password. Statements are parameterised; identifiers go through `psycopg.sql`.
"""

import asyncio
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from gal_friday_adapters.postgres.connect import (
    CONNECT_TIMEOUT_S,
    connection_failed,
    describe,
    libpq_url,
    one_line,
    url_parts,
)
from gal_friday_adapters.postgres.statement_times import StatementTimes, timed_cursor
from gal_friday_core.errors import StorageError

Connection = psycopg.AsyncConnection[DictRow]

_KEEPALIVE: dict[str, Any] = {
    "keepalives_idle": 2, "keepalives_interval": 1, "keepalives_count": 2, "tcp_user_timeout": 5_000,
}  # fmt: skip
"""Over TCP, a connection whose server vanished without a word is lost within five seconds."""

PREPARE_AFTER = 5
"""psycopg's own default."""

PROBE_S = 2.0
"""So long a listener hears nothing before it asks whether anybody is there, and so long it waits for the answer."""

RECONNECT_DELAYS_S = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)


class Database:
    """A pool of at most `size` connections to one database; rows are dictionaries. `statements` has their times.

    Raises StorageError from the constructor when the URL cannot be read, from `open` when nobody answers.
    """

    def __init__(self, url: str, *, size: int = 8, timeout_s: float = 10.0) -> None:
        url_parts(url)
        self._url = libpq_url(url)
        self.statements = StatementTimes()
        self._connecting: dict[str, Any] = {
            "row_factory": dict_row, "cursor_factory": timed_cursor(self.statements), "prepare_threshold": PREPARE_AFTER,
            "connect_timeout": CONNECT_TIMEOUT_S, **_KEEPALIVE,
        }  # fmt: skip
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            self._url,
            connection_class=psycopg.AsyncConnection[DictRow],
            kwargs=self._connecting,
            min_size=1,
            max_size=size,
            timeout=timeout_s,
            check=_answering,
            open=False,
        )

    def __repr__(self) -> str:
        return f"Database({describe(self._url)})"

    async def open(self) -> None:
        """Connect. One connection is tried first, since a pool only says that time ran out."""
        await (await self._connect()).close()
        with self._errors():
            await self._pool.open(wait=True)

    async def close(self) -> None:
        """Return every connection. Safe to call twice."""
        await self._pool.close()

    def pool_counts(self) -> dict[str, int]:
        """What the pool says of itself: psycopg_pool's `get_stats`, counts since it was opened; waits in ms."""
        return self._pool.get_stats()

    @property
    def pool_sizes(self) -> tuple[int, int]:
        """Connections that are kept, and the most that there may be."""
        return self._pool.min_size, self._pool.max_size

    async def allow(self, most: int) -> None:
        """So many connections at most from now on; those beyond it go when nobody needed them for a while.

        The least stays what it is: psycopg_pool opens the difference each time that it is raised, whatever stands already.
        """
        await self._pool.resize(self._pool.min_size, most)

    @property
    def prepare_after(self) -> int:
        """A statement that a connection ran so often is prepared there."""
        return int(self._connecting["prepare_threshold"])

    async def prepare(self, after: int) -> None:
        """Prepare sooner or later. Connections are made anew, since one keeps what it has prepared."""
        self._connecting["prepare_threshold"] = after
        await self._pool.drain()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection; what was done on it is committed on leaving, rolled back when an exception leaves."""
        with self._errors():
            async with self._pool.connection() as connection:
                yield connection

    @asynccontextmanager
    async def autocommit(self) -> AsyncIterator[Connection]:
        """A connection on which each statement is durable when it returns: one round trip instead of three."""
        async with self.connection() as connection:
            await connection.set_autocommit(True)
            try:
                yield connection
            finally:
                if (
                    connection.info.transaction_status == TransactionStatus.IDLE
                ):  # else the pool throws it away
                    await connection.set_autocommit(False)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection inside one transaction, durable when the block ends without an exception."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def dedicated(self) -> Connection:
        """A connection outside the pool, on which each statement commits; whoever asks for it closes it.

        Raises StorageError where nobody answers.
        """
        return await self._connect()

    async def listen(self, *channels: str) -> AsyncGenerator[str, None]:
        """Payloads of NOTIFY on all `channels`, over a connection of its own, until the caller stops.

        Yields "" whenever listening begins, also after a lost connection: notifications sent before that are
        gone, so read the table then. A server that says nothing is asked every `PROBE_S`; one that does not answer is
        a lost connection, though the line may stand. Raises StorageError only when the first connection fails.
        """
        connection = await self._connect()
        while True:
            try:
                async with connection:
                    with cut_after(connection, CONNECT_TIMEOUT_S):
                        for channel in channels:
                            await connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
                    yield ""
                    while True:
                        async with aclosing(connection.notifies(timeout=PROBE_S)) as notifications:
                            async for notification in notifications:
                                yield notification.payload
                        await _probe(connection)
            except psycopg.OperationalError:
                pass  # the server went away: come back when it does
            connection = await self._reconnect()

    async def _connect(self) -> Connection:
        try:
            return await psycopg.AsyncConnection[DictRow].connect(
                self._url,
                autocommit=True,
                row_factory=dict_row,
                connect_timeout=CONNECT_TIMEOUT_S,
                **_KEEPALIVE,
            )
        except psycopg.Error as error:
            raise connection_failed(error, self._url) from error

    async def _reconnect(self) -> Connection:
        attempt = 0
        while True:
            try:
                return await self._connect()
            except StorageError:
                await asyncio.sleep(RECONNECT_DELAYS_S[min(attempt, len(RECONNECT_DELAYS_S) - 1)])
                attempt += 1

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (PoolTimeout, PoolClosed) as error:
            raise StorageError(f"no connection to {describe(self._url)}: {one_line(error)}") from error
        except psycopg.Error as error:
            raise StorageError(f"{describe(self._url)} failed: {one_line(error)}") from error


@contextmanager
def cut_after(connection: Connection, limit_s: float) -> Iterator[None]:
    """Break the connection where the block takes longer: what waits for its server then raises OperationalError.

    Cancelling would wait for the server once more, and a hung one never answers that either.
    """
    cut = asyncio.get_running_loop().call_later(limit_s, _cut, connection)
    try:
        yield
    finally:
        cut.cancel()


def _cut(connection: Connection) -> None:
    gone = (OSError, psycopg.OperationalError)
    with suppress(*gone), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


async def _answering(connection: Connection) -> None:
    """Whether the pool may give the connection away. Raises OperationalError where nobody answers."""
    with cut_after(connection, PROBE_S):
        await AsyncConnectionPool.check_connection(connection)


async def _probe(connection: Connection) -> None:
    """Ask for an answer. Raises OperationalError where none comes: cancelling would wait for the server once more."""
    asking = asyncio.ensure_future(connection.execute("select 1"))
    asking.add_done_callback(lambda asked: asked.exception())  # seen, also where nobody waits any more
    try:
        await asyncio.wait({asking}, timeout=PROBE_S)
    finally:
        if not asking.done():
            _cut(connection)
            await asyncio.wait({asking})
    await asking


DatabaseManager = Database
"""The specification's name for it."""
