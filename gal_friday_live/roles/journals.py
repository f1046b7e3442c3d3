"""Journals as roles need them: one that somebody waits at, and a mirror's, whose past is the account's."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final

from gal_friday_core.journal import JournalEntry, JournalLine
from gal_friday_live import intents, report_queue
from gal_friday_live.journal_writer import SessionJournal

SETTLED: Final = (intents.KIND, report_queue.KIND)
"""What makes an order's beginning durable: its intent, or a report that it ended before it had one."""

REMEMBERED: Final = 10_000
"""Orders: a plan is handled again within moments."""


class MirrorJournal:
    """What a mirror writes is its own session's; what happened before it reads from the account's."""

    def __init__(self, own: SessionJournal, account: SessionJournal) -> None:
        self._own = own
        self._account = account

    async def append(self, kind: str, key: str, ts_ns: int, record: Mapping[str, Any]) -> None:
        await self._own.append(kind, key, ts_ns, record)

    def note(self, kind: str, key: str, ts_ns: int, record: Mapping[str, Any]) -> None:
        self._own.note(kind, key, ts_ns, record)

    async def flush(self) -> None:
        await self._own.flush()

    def read(self, session: str | None = None, kind: str | None = None) -> AsyncIterator[JournalEntry]:
        return self._account.read(session, kind)

    def lines(self, kinds: Sequence[str], after: int = 0) -> AsyncGenerator[JournalLine, None]:
        return self._account.lines(kinds, after)

    def between(self, start_ns: int, end_ns: int) -> AsyncGenerator[JournalEntry, None]:
        return self._account.between(start_ns, end_ns)


class WatchedJournal:
    """Tells `on_append` of every durable record's kind, and knows which orders durably began, or ended before that."""

    def __init__(self, journal: SessionJournal, on_append: Callable[[str], None] = lambda _: None) -> None:
        self._journal = journal
        self._on_append = on_append
        self._waiting: dict[str, asyncio.Event] = {}
        self._begun: OrderedDict[str, None] = OrderedDict()

    async def append(self, kind: str, key: str, ts_ns: int, record: Mapping[str, Any]) -> None:
        await self._journal.append(kind, key, ts_ns, record)
        if kind in SETTLED:
            self.remember(record["client_order_id"])
        self._on_append(kind)

    def on_append(self, handler: Callable[[str], None]) -> None:
        """Who hears of each record's kind."""
        self._on_append = handler

    def remember(self, client_order_id: str) -> None:
        """An order of which the journal knows."""
        self._begun[client_order_id] = None
        if len(self._begun) > REMEMBERED:
            self._begun.popitem(last=False)
        waiting = self._waiting.get(client_order_id)
        if waiting is not None:
            waiting.set()

    async def begun(self, client_order_id: str, within_s: float) -> bool:
        """Whether an intent or a report of the order is durable, or was within that time."""
        if client_order_id in self._begun:
            return True
        waiting = self._waiting.setdefault(client_order_id, asyncio.Event())
        try:
            async with asyncio.timeout(within_s):
                return await waiting.wait()
        except TimeoutError:
            return False
        finally:
            self._waiting.pop(client_order_id, None)

    def note(self, kind: str, key: str, ts_ns: int, record: Mapping[str, Any]) -> None:
        self._journal.note(kind, key, ts_ns, record)

    async def flush(self) -> None:
        await self._journal.flush()

    def read(self, session: str | None = None, kind: str | None = None) -> AsyncIterator[JournalEntry]:
        return self._journal.read(session, kind)

    def lines(self, kinds: Sequence[str], after: int = 0) -> AsyncGenerator[JournalLine, None]:
        return self._journal.lines(kinds, after)

    def between(self, start_ns: int, end_ns: int) -> AsyncGenerator[JournalEntry, None]:
        return self._journal.between(start_ns, end_ns)
