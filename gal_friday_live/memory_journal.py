"""The journal of a backtest: same port, kept in memory, gone with the process."""

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec

from gal_friday_core.journal import JournalEntry, JournalLine


class MemoryJournal:
    """Append-only and idempotent by (kind, key), as `Journal` asks.

    `entries` is in the order written; `counts` per kind includes notes that `keep_notes=False` leaves out
    (a year of one-minute predictions is half a million of them). Records are kept as JSON until they are read.
    """

    def __init__(self, session_id: str = "memory", *, keep_notes: bool = True) -> None:
        self.session_id = session_id
        self.counts: Counter[str] = Counter()
        self._lines: list[tuple[int, str, str, bytes]] = []
        self._entries: list[JournalEntry] = []
        self._seen: set[tuple[str, str]] = set()
        self._keep_notes = keep_notes

    @property
    def entries(self) -> list[JournalEntry]:
        """All so far; the list grows, and belongs to the journal."""
        found = self._entries
        for ts_ns, kind, key, text in self._lines[len(found) :]:
            found.append(
                JournalEntry(
                    seq=len(found) + 1,
                    session=self.session_id,
                    ts_ns=ts_ns,
                    kind=kind,
                    key=key,
                    record=msgspec.json.decode(text),
                )
            )
        return found

    async def append(self, kind: str, key: str, ts_ns: int, record: Mapping[str, Any]) -> None:
        self._add(kind, key, ts_ns, record)

    def note(self, kind: str, key: str, ts_ns: int, record: Mapping[str, Any]) -> None:
        if self._keep_notes:
            self._add(kind, key, ts_ns, record)
        else:
            self.counts[kind] += 1

    async def flush(self) -> None:
        """Nothing waits here."""

    async def read(self, session: str | None = None, kind: str | None = None) -> AsyncIterator[JournalEntry]:
        """Entries in the order written; another session's journal is not here, and reads as empty."""
        if session in (None, self.session_id):
            for entry in tuple(self.entries):
                if kind in (None, entry.kind):
                    yield entry

    async def between(self, start_ns: int, end_ns: int) -> AsyncGenerator[JournalEntry, None]:
        """Entries in [start, end) by time, those of one instant in the order written."""
        for entry in sorted(self.entries, key=lambda entry: entry.ts_ns):
            if start_ns <= entry.ts_ns < end_ns:
                yield entry

    async def lines(self, kinds: Sequence[str], after: int = 0) -> AsyncGenerator[JournalLine, None]:
        """Lines of these kinds in the order written, from behind the number `after` on, records as text."""
        for seq, (ts_ns, kind, key, text) in enumerate(tuple(self._lines), 1):
            if kind in kinds and seq > after:
                yield JournalLine(seq, ts_ns, kind, key, text.decode())

    def _add(self, kind: str, key: str, ts_ns: int, record: Mapping[str, Any]) -> None:
        if (kind, key) in self._seen:
            return
        self._seen.add((kind, key))
        self.counts[kind] += 1
        self._lines.append((ts_ns, kind, key, msgspec.json.encode(record)))
