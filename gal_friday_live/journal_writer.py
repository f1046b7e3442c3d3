"""The journal off the bus: handlers hand records over, an owned task writes them, in order."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gal_friday_core.journal import JournalEntry, JournalLine
from gal_friday_core.ports import Journal
from gal_friday_live.tasks import TaskSupervisor


class SessionJournal(Journal, Protocol):
    """A journal that can also say what this session wrote before."""

    def read(self, session: str | None = None, kind: str | None = None) -> AsyncIterator[JournalEntry]: ...

    def lines(self, kinds: Sequence[str], after: int = 0) -> AsyncGenerator[JournalLine, None]:
        """This session's lines of some kinds, records as text: to read a whole history at the start."""
        ...

    def between(self, start_ns: int, end_ns: int) -> AsyncGenerator[JournalEntry, None]:
        """This session's entries in [start, end) by their time, those of one instant in the order written."""
        ...


@dataclass(frozen=True, slots=True)
class _Record:
    kind: str
    key: str
    ts_ns: int
    record: Mapping[str, Any]
    written: asyncio.Event


class JournalWriter:
    """Appends in the order given. A record that cannot be written stays first in line, and its error is reported.

    Urgent records have a line of their own, so that a record which hangs or fails holds none of them up.
    """

    def __init__(self, journal: Journal, tasks: TaskSupervisor) -> None:
        self._line = _Line(journal, tasks, "journal")
        self._urgent = _Line(journal, tasks, "journal urgently")

    @property
    def waiting(self) -> int:
        """Records that are not durable yet."""
        return self._line.waiting + self._urgent.waiting

    def append(self, kind: str, key: str, ts_ns: int, record: Mapping[str, Any]) -> None:
        """Hand over a record; `TaskSupervisor.settle` returns once it is durable."""
        self._line.append(kind, key, ts_ns, record)

    def append_urgently(self, kind: str, key: str, ts_ns: int, record: Mapping[str, Any]) -> asyncio.Event:
        """Hand over a record that waits for urgent ones alone; what is returned is set once it is durable."""
        return self._urgent.append(kind, key, ts_ns, record)

    def retry(self) -> None:
        """Write what waits, unless that is being done: after an error nobody else may come for long."""
        self._urgent.retry()
        self._line.retry()


class NoteWriter(JournalWriter):
    """Notes what it is handed, for who can do without it: nothing waits for it, and nothing fails with it."""

    def __init__(self, journal: Journal, tasks: TaskSupervisor) -> None:
        super().__init__(journal, tasks)
        self._journal = journal

    def append(self, kind: str, key: str, ts_ns: int, record: Mapping[str, Any]) -> None:
        self._journal.note(kind, key, ts_ns, record)


class _Line:
    def __init__(self, journal: Journal, tasks: TaskSupervisor, name: str) -> None:
        self._journal = journal
        self._tasks = tasks
        self._name = name
        self._waiting: deque[_Record] = deque()
        self._writing = False

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def append(self, kind: str, key: str, ts_ns: int, record: Mapping[str, Any]) -> asyncio.Event:
        last = _Record(kind, key, ts_ns, record, asyncio.Event())
        self._waiting.append(last)
        self.retry()
        return last.written

    def retry(self) -> None:
        if self._waiting and not self._writing:
            self._writing = True
            self._tasks.start(self._drain(), self._name)

    async def _drain(self) -> None:
        try:
            while self._waiting:
                first = self._waiting[0]
                await self._journal.append(first.kind, first.key, first.ts_ns, first.record)
                self._waiting.popleft()
                first.written.set()
        finally:
            self._writing = False
