"""A role's lease in a simulated world: a connection that holds it, and a token that outlives the connection."""

import asyncio
from collections.abc import Callable
from itertools import count

import psycopg

from gal_friday_adapters.postgres.database import RECONNECT_DELAYS_S
from gal_friday_adapters.postgres.lease import RETAKEN, SUPERSEDED, LeaseHandler
from gal_friday_core.errors import LeaseError, StorageError
from gal_friday_live.simulation.desk.server import Server
from gal_friday_live.simulation.desk.session import Session


class SimLease:
    """As `AccountLease`: it hears of its loss, and has it again where nobody else had it meanwhile."""

    def __init__(self, server: Server, account: str) -> None:
        self._server = server
        self._account = account
        self._session: Session | None = None
        self._watch: asyncio.Task[None] | None = None
        self._handler: Callable[[str], None] = lambda _: None
        self.token = 0
        self.held = False

    def fence(self) -> int:
        return self.token

    def on_change(self, handler: LeaseHandler) -> None:
        self._handler = handler

    async def take(self) -> None:
        """Raises LeaseError where another holds it, StorageError where nobody answers."""
        session = await self._server.connect()
        try:
            self.token = await self._server.take(session, self._account)
        except LookupError:
            self._server.leave(session)
            raise LeaseError(f"the lease {self._account} is held by another process") from None
        except psycopg.Error as error:
            self._server.leave(session)
            raise StorageError(f"no lease: {error}") from error
        self._session, self.held = session, True
        self._watch = asyncio.create_task(self._keep(), name="lease")

    async def release(self) -> None:
        self.held = False
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if self._session is not None:
            self._server.leave(self._session)

    def cut(self) -> None:
        """Its connection breaks, and the process does not know it yet."""
        if self._session is not None:
            self._server.leave(self._session)

    async def _keep(self) -> None:
        while self._session is not None:
            await self._session.broken.wait()
            self.held = False
            self._handler("the simulated connection is lost")
            self._session = await self._again()
            self._handler(SUPERSEDED if self._session is None else RETAKEN)

    async def _again(self) -> Session | None:
        for attempt in count():
            await asyncio.sleep(RECONNECT_DELAYS_S[min(attempt, len(RECONNECT_DELAYS_S) - 1)])
            try:
                session = await self._server.connect()
            except StorageError:
                continue
            if self._server.tokens[self._account] != self.token:
                self._server.leave(session)
                return None
            holder = self._server.holders[self._account]
            if holder.closed:
                self._server.holders[self._account] = session
                self.held = True
                return session
            self._server.leave(session)
        raise AssertionError("unreachable: attempts do not end")
