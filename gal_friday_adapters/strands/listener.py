"""Who hears strands (004): `ModuleListener` of alpha, decision maker or trader.

A notification is only a hint to look into the inbox, and looking goes on without: first it listens, then it drains,
and it looks every `poll_s`. A lost database is waited for, however long; what was being handled then is tried again,
unless its effect is durable already. Each effect happens once, whoever is killed when.
"""

import asyncio
import logging
import os
import secrets
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing, suppress

import psycopg

from gal_friday_adapters.postgres.connect import one_line
from gal_friday_adapters.postgres.database import RECONNECT_DELAYS_S, Database
from gal_friday_adapters.strands.handling import Handling
from gal_friday_adapters.strands.inbox import Address, Inbox
from gal_friday_adapters.strands.transaction import FateHandler, Handler
from gal_friday_core.errors import ContractError, StorageError
from gal_friday_core.strands.settings import ModuleCommunicationConfig
from gal_friday_core.strands.tags import (
    DEFAULT_ACCOUNT,
    MODULES,
    Module,
    channel_of,
    check_name,
    hears,
)

log = logging.getLogger(__name__)


class ModuleListener:
    """Hears one module's strands and handles each once, until `run` is cancelled.

    `handlers` has one for every tag that the module hears. `name` is which of several alphas this is, the module's
    own name else; `worker` this process, unlike any other's. `exclusive`: the caller holds the account's lease, so
    what others had claimed is taken over at the start, not when their lease ends. `on_fate` hears of strands that
    expired or failed. `counts`: done, failed, expired, retried, and reconnected.
    """

    def __init__(
        self,
        database: Database,
        module_type: Module,
        handlers: Mapping[str, Handler],
        *,
        account: str = DEFAULT_ACCOUNT,
        name: str | None = None,
        worker: str | None = None,
        exclusive: bool = False,
        on_fate: FateHandler | None = None,
        settings: ModuleCommunicationConfig | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        _check_handlers(module_type, handlers)
        settings = settings or ModuleCommunicationConfig()
        self._database = database
        self._settings = settings
        self._exclusive = exclusive
        self._sleep = sleep
        self.address = Address(
            module=module_type,
            account=check_name("account", account),
            name=check_name("module name", name or module_type),
            worker=worker or f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
        )
        self._handling = Handling(module_type, handlers, settings.inbox, on_fate)
        self._inbox: Inbox | None = None
        self._hint = asyncio.Event()
        self._beat_at = 0.0
        self.ready = asyncio.Event()
        """Set once the inbox was drained for the first time after `run` began."""

    @property
    def counts(self) -> Counter[str]:
        return self._handling.counts

    async def run(self) -> None:
        """Until cancelled. Raises StorageError where nobody answers at the start, and SchemaMismatchError where the
        tables are of another form, at the start or after the database came back; LeaseError where a handler found that
        another process has taken its place: nothing of its batch was done, all of it waits for that one.
        """
        await self._open()
        hints = asyncio.create_task(self._listen(), name=f"{self.address.module} hints")
        try:
            while True:
                await self._work()
        finally:
            hints.cancel()
            await asyncio.gather(hints, return_exceptions=True)
            await self.close()

    async def pump(self) -> int:
        """Handle all that is due now, without listening; how many came to their end. Raises as `run` does."""
        before = self._ended()
        try:
            inbox = self._inbox or await self._open()
            await self._drain(inbox)
        except psycopg.Error as error:
            await self.close()
            raise StorageError(f"the strands' database failed: {one_line(error)}") from error
        return self._ended() - before

    async def close(self) -> None:
        """Let the line go, and what was claimed over it; `run` and `pump` make it anew."""
        inbox, self._inbox = self._inbox, None
        if inbox is not None:
            try:
                with suppress(psycopg.Error):  # the line is broken: `give_back` over the next one
                    await inbox.give_back()
            finally:
                await inbox.close()

    async def _open(self) -> Inbox:
        inbox = await Inbox.opened(self._database, self.address)
        try:
            await inbox.give_back()
            if self._exclusive:
                await inbox.take_over()
        except BaseException:
            await inbox.close()
            raise
        self._inbox = inbox
        return inbox

    async def _listen(self) -> None:
        notifications = self._settings.notifications
        tags = hears(self.address.module)
        channels = [channel_of(tag) for tag in tags if channel_of(tag) in notifications.channels]
        if not notifications.enabled or not channels:
            return
        attempt = 0
        while True:
            try:
                async with aclosing(self._database.listen(*channels)) as hints:
                    async for _ in hints:
                        self._hint.set()
            except StorageError as error:  # the first connection only: later ones it makes again by itself
                log.info("not listening yet: %s", error)
            await self._sleep(RECONNECT_DELAYS_S[min(attempt, len(RECONNECT_DELAYS_S) - 1)])
            attempt += 1

    async def _work(self) -> None:
        """Until the line breaks; then make it anew."""
        assert self._inbox is not None
        try:
            while True:
                await self._drain(self._inbox)
                self.ready.set()
                await self._wait(self._inbox)
        except psycopg.Error as error:
            log.warning("%s lost the strands' database: %s", self.address.module, one_line(error))
        await self.close()
        attempt = 0
        while self._inbox is None:
            try:
                await self._open()
            except (StorageError, psycopg.Error) as error:
                log.info("the strands' database does not answer yet: %s", error)
                await self._sleep(RECONNECT_DELAYS_S[min(attempt, len(RECONNECT_DELAYS_S) - 1)])
                attempt += 1
        self.counts["reconnected"] += 1

    async def _drain(self, inbox: Inbox) -> None:
        settings = self._settings.inbox
        self._hint.clear()
        while claims := await inbox.claim(settings.batch, settings.lease_s):
            await self._handling.handle(inbox, claims)
            await self._beat(inbox)

    async def _wait(self, inbox: Inbox) -> None:
        """For a hint, or until it is time to look anyway."""
        await self._beat(inbox)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.notifications.poll_s):
                await self._hint.wait()

    async def _beat(self, inbox: Inbox) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._beat_at:
            await inbox.seen()
            self._beat_at = now + self._settings.notifications.heartbeat_s

    def _ended(self) -> int:
        return self.counts["done"] + self.counts["failed"] + self.counts["expired"]


def _check_handlers(module_type: Module, handlers: Mapping[str, Handler]) -> None:
    if module_type not in MODULES:
        raise ContractError(f"unknown module {module_type!r}: use one of {', '.join(MODULES)}")
    wanted = set(hears(module_type))
    if wanted != set(handlers):
        odd = ", ".join(sorted(wanted ^ set(handlers)))
        raise ContractError(f"{module_type} hears {', '.join(sorted(wanted))}: missing or foreign is {odd}")
