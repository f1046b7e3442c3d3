"""One engine an account: an advisory lock that dies with its holder, and a token that outlives it.

The lock belongs to a connection of its own, so a killed engine gives it up at once. The token grows with every
taking; the journal refuses appends under an older one, so that an engine which lost the lock without
noticing (a broken network, a paused machine) can no longer make an intent durable, and so sends no order.
"""

import asyncio
import logging
import os
import socket
import uuid
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any, Final, NoReturn

import psycopg
from psycopg.rows import DictRow, dict_row

from gal_friday_adapters.postgres.connect import (
    CONNECT_TIMEOUT_S,
    connection_failed,
    describe,
    libpq_url,
    one_line,
    url_parts,
)
from gal_friday_adapters.postgres.database import RECONNECT_DELAYS_S
from gal_friday_core.errors import LeaseError, StorageError

Connection = psycopg.AsyncConnection[DictRow]
LeaseHandler = Callable[[str], None]
"""Hears why the lease was lost, or `RETAKEN`, or `SUPERSEDED` where another engine held it in between."""

RETAKEN: Final = "RETAKEN"
SUPERSEDED: Final = "SUPERSEDED"
WAIT_MS: Final = 5_000
LINGERS_S: Final = (0.02, 0.05, 0.1, 0.2)

# Where the server is beyond a network, it must notice a vanished holder sooner than after hours.
_SETTINGS = (
    "set tcp_keepalives_idle = 10",
    "set tcp_keepalives_interval = 5",
    "set tcp_keepalives_count = 3",
    f"set lock_timeout = {WAIT_MS}",
    "set application_name = 'gal-friday lease'",
)
_PRESENT = "select token, holder, taken_at from engine_lease where account = %s"
_TAKE = "select take_engine_lease(%s, %s) as token"

log = logging.getLogger(__name__)


def lock_of(account: str) -> int:
    """The number of the advisory lock that stands for an account's session."""
    return int.from_bytes(uuid.UUID(account).bytes[:8], "big", signed=True)


class AccountLease:
    """The right to trade one account. `token` is its number; 0 before it was ever taken.

    `key` is the number of the advisory lock, `held` whether the lock stands now. Handlers are told when it is
    lost, and when it is had again; an engine that was superseded knows an old account and must be started
    anew: it does not take the lease again.
    """

    def __init__(
        self,
        url: str,
        account: str,
        *,
        holder: str = "",
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        url_parts(url)
        self._url = libpq_url(url)
        self._account = str(uuid.UUID(account))
        self.key = lock_of(account)
        self._holder = holder or f"process {os.getpid()} on {socket.gethostname()}"
        self._sleep = sleep
        self._handlers: list[LeaseHandler] = []
        self._connection: Connection | None = None
        self._watch: asyncio.Task[None] | None = None
        self.token = 0
        self.held = False
        self.superseded = False

    def fence(self) -> int:
        """The token for the journal's appends."""
        return self.token

    def on_change(self, handler: LeaseHandler) -> None:
        """Hear of loss and return; called from the event loop, never before `take`."""
        self._handlers.append(handler)

    async def take(self) -> int:
        """The new token. Raises LeaseError where another engine holds the account, StorageError where nobody answers."""
        connection = await self._connect()
        try:
            if not await self._lock_soon(connection):
                _refuse(await self._present(connection))
            cursor = await connection.execute(_TAKE, (self._account, self._holder))
            self.token = await _value(cursor, "token")
        except BaseException as error:
            await connection.close()
            if isinstance(error, psycopg.Error):
                raise self._failed(error) from error
            raise
        self.held = True
        self._connection = connection
        self._watch = asyncio.create_task(self._keep(), name="lease")
        return self.token

    async def release(self) -> None:
        """Give it up, so that another engine may start. Safe to call twice."""
        self.held = False
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _lock_soon(self, connection: Connection) -> bool:
        """The server ends a connection that was closed in its own time: until then its lock holds."""
        for pause in LINGERS_S:
            if await self._lock(connection):
                return True
            await self._sleep(pause)
        return await self._lock(connection)

    async def _lock(self, connection: Connection) -> bool:
        for setting in _SETTINGS:
            await connection.execute(setting)
        cursor = await connection.execute("select pg_try_advisory_lock(%s) as locked", (self.key,))
        return bool(await _value(cursor, "locked"))

    async def _present(self, connection: Connection) -> DictRow | None:
        cursor = await connection.execute(_PRESENT, (self._account,))
        return await cursor.fetchone()

    def _failed(self, error: psycopg.Error) -> StorageError:
        return StorageError(f"no lease from {describe(self._url)}: {one_line(error)}")

    async def _connect(self) -> Connection:
        try:
            return await psycopg.AsyncConnection[DictRow].connect(
                self._url, autocommit=True, row_factory=dict_row, connect_timeout=CONNECT_TIMEOUT_S,
                keepalives_idle=10, keepalives_interval=5, keepalives_count=3, options="-c timezone=UTC",
            )  # fmt: skip
        except psycopg.Error as error:
            raise connection_failed(error, self._url) from error

    async def _keep(self) -> None:
        """Watch the lock's connection; when it breaks, take the lock again unless somebody else had it."""
        while self._connection is not None:
            reason = await _broken(self._connection)
            self.held = False
            await self._connection.close()
            log.warning("the account's lease is lost: %s", reason)
            self._tell(reason)
            self._connection = await self._again()
            self._tell(SUPERSEDED if self.superseded else RETAKEN)

    async def _again(self) -> Connection | None:
        """The lock once more; None where another engine took the lease in between."""
        for attempt in count():
            try:
                connection = await self._retake()
            except StorageError as error:
                log.info("the lease cannot be taken yet: %s", error)
                connection = None
            if connection is not None or self.superseded:
                return connection
            await self._sleep(RECONNECT_DELAYS_S[min(attempt, len(RECONNECT_DELAYS_S) - 1)])
        raise AssertionError("unreachable: attempts do not end")

    async def _retake(self) -> Connection | None:
        """One attempt. The token stays the same, so that appends on their way are as good as before.

        A lock that is not to be had may be held by our own old connection, which the server still believes
        in: it is the token that tells whether somebody else was here.
        """
        connection = await self._connect()
        try:
            locked = await self._lock(connection)
            present = await self._present(connection)
        except BaseException as error:
            await connection.close()
            if isinstance(error, psycopg.Error):
                raise self._failed(error) from error
            raise
        self.superseded = present is None or present["token"] != self.token
        if locked and not self.superseded:
            self.held = True
            return connection
        await connection.close()
        return None

    def _tell(self, what: str) -> None:
        for handler in tuple(self._handlers):
            handler(what)


def _refuse(present: DictRow | None) -> NoReturn:
    who = "just starting"
    if present is not None:
        who = f"{present['holder']}, since {present['taken_at']:%Y-%m-%d %H:%M:%S} UTC"
    raise LeaseError(f"another engine trades this account ({who}): stop it first; one account, one engine")


async def _value(cursor: psycopg.AsyncCursor[DictRow], name: str) -> Any:
    row = await cursor.fetchone()
    assert row is not None  # every statement asked here gives one row
    return row[name]


async def _broken(connection: Connection) -> str:
    """Why the connection ended, once it has."""
    try:
        async for _ in connection.notifies():
            pass  # nobody notifies here: what is awaited is the end
    except psycopg.Error as error:
        return one_line(error).partition(" This probably means")[0]
    return "the connection was closed"
