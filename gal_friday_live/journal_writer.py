"""The journal off the bus: handlers hand records over, an owned task writes them, in order."""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, Protocol

from gal_friday_core.journal import JournalEntry
from gal_friday_core.ports import Journal
from gal_friday_live.tasks import TaskSupervisor


class SessionJournal(Journal, Protocol):
    """A journal that can also say what this session wrote before."""

    def read(self, session: str | None = None, kind: str | None = None) -> AsyncIterator[JournalEntry]: ...

    def between(self, start_ns: int, end_ns: int) -> AsyncGenerator[JournalEntry, None]:
        """This session's entries in [start, end) by their time, those of one instant in the order written."""
        ...


class JournalWriter:
    """Appends in the order given. A record that cannot be written stays first in line, and its error is reported."""

    def __init__(self, journal: Journal, tasks: TaskSupervisor) -> None:
        self._journal = journal
        self._tasks = tasks
        self._waiting: deque[tuple[str, str, int, Mapping[str, Any]]] = deque()
        self._writing = False

    def append(self, kind: str, key: str, ts_ns: int, record: Mapping[str, Any]) -> None:
        """Hand over a record; `TaskSupervisor.settle` returns once it is durable."""
        self._waiting.append((kind, key, ts_ns, record))
        if not self._writing:
            self._writing = True
            self._tasks.start(self._drain(), "journal")

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._journal.append(*self._waiting[0])
                self._waiting.popleft()
        finally:
            self._writing = False
