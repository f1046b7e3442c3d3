"""What a simulated database holds for a desk: journals, strands and inboxes; and what a transaction has changed of it.

Committed rows are never changed in place: a transaction lays its own over them, savepoint by savepoint, and they become
visible all at once.
"""

from bisect import insort
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from gal_friday_core.journal import JournalLine
from gal_friday_core.strands.strands import KINDS, Table

InboxName = Literal["alpha_inbox", "dm_inbox", "trader_inbox"]
INBOX_NAMES: tuple[InboxName, ...] = ("alpha_inbox", "dm_inbox", "trader_inbox")
State = Literal["waiting", "claimed", "done", "expired", "failed"]
OPEN: tuple[State, ...] = ("waiting", "claimed")

Strand = Mapping[str, Any]
"""A strand's row as JSON."""


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """A row of an inbox. Times in ns of the server's clock; `ended_ns` is None while it is open."""

    inbox: InboxName
    seq: int
    account: str
    recipient: str
    sender: str | None
    source: Table
    strand_id: str
    tag: str
    high: bool
    deadline_ns: int | None
    added_ns: int
    state: State = "waiting"
    worker: str | None = None
    attempts: int = 0
    due_ns: int = 0
    error: str | None = None
    ended_ns: int | None = None

    @property
    def key(self) -> tuple[str, int]:
        """The row's lock."""
        return self.inbox, self.seq

    @property
    def once(self) -> tuple[str, ...]:
        """What may be in an inbox once."""
        return self.inbox, self.strand_id, self.tag, self.recipient


class Layer:
    """What was changed since a savepoint; `keys` are the locks taken since."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, JournalLine]] = []
        self.strands: dict[tuple[Table, str], Strand] = {}
        self.rows: dict[tuple[str, int], Delivered] = {}
        self.said: dict[tuple[str, ...], str] = {}
        self.modules: dict[tuple[str, str, str], str] = {}
        self.notices: set[str] = set()
        self.keys: list[tuple[Any, ...]] = []
        self.failed = False

    @property
    def changes(self) -> bool:
        return bool(self.lines or self.strands or self.rows or self.modules)

    def take(self, other: "Layer") -> None:
        """A savepoint is released: its changes are this layer's."""
        self.lines += other.lines
        self.strands |= other.strands
        self.rows |= other.rows
        self.said |= other.said
        self.modules |= other.modules
        self.notices |= other.notices
        self.keys += other.keys


class Tables:
    """What is committed. Numbers and ids are given out for good, whether or not what has them is committed."""

    def __init__(self) -> None:
        self.lines: dict[str, list[JournalLine]] = {}
        self.strands: dict[Table, dict[str, Strand]] = {table: {} for table in KINDS}
        self.rows: dict[str, dict[int, Delivered]] = {inbox: {} for inbox in INBOX_NAMES}
        self.open: dict[str, dict[int, None]] = {inbox: {} for inbox in INBOX_NAMES}
        self.said: dict[tuple[str, ...], str] = {}
        self.modules: dict[tuple[str, str, str], str] = {}
        self._number = 0

    def number(self) -> int:
        self._number += 1
        return self._number

    def apply(self, layer: Layer) -> None:
        """All of it at once."""
        for session, line in layer.lines:
            insort(self.lines.setdefault(session, []), line, key=lambda one: one.seq)
        for (table, name), strand in layer.strands.items():
            self.strands[table][name] = strand
        for (inbox, seq), row in layer.rows.items():
            self.rows[inbox][seq] = row
            if row.state in OPEN:
                self.open[inbox][seq] = None
            else:
                self.open[inbox].pop(seq, None)
        self.said |= layer.said
        self.modules |= layer.modules


class Work:
    """One transaction's view: what is committed, under its own changes. The first layer is the transaction itself."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.layers = [Layer()]

    @property
    def top(self) -> Layer:
        return self.layers[-1]

    def savepoint(self) -> None:
        self.layers.append(Layer())

    def release(self) -> None:
        layer = self.layers.pop()
        self.top.take(layer)

    def said(self, key: tuple[str, ...]) -> str | None:
        """What was said once under a key."""
        for layer in reversed(self.layers):
            if key in layer.said:
                return layer.said[key]
        return self.tables.said.get(key)

    def strand(self, table: Table, name: str) -> Strand | None:
        for layer in reversed(self.layers):
            found = layer.strands.get((table, name))
            if found is not None:
                return found
        return self.tables.strands[table].get(name)

    def strands(self, table: Table) -> Iterator[Strand]:
        """All of a table, the oldest first."""
        own = {key[1]: row for layer in self.layers for key, row in layer.strands.items() if key[0] == table}
        for name, row in self.tables.strands[table].items():
            yield own.pop(name, row)
        yield from own.values()

    def row(self, inbox: str, seq: int) -> Delivered | None:
        for layer in reversed(self.layers):
            found = layer.rows.get((inbox, seq))
            if found is not None:
                return found
        return self.tables.rows[inbox].get(seq)

    def waiting(self, inbox: str) -> Iterator[Delivered]:
        """Its open rows, as this transaction sees them, by their number."""
        own = {key[1] for layer in self.layers for key in layer.rows if key[0] == inbox}
        for seq in sorted({*self.tables.open[inbox], *own}):
            row = self.row(inbox, seq)
            if row is not None and row.state in OPEN:
                yield row

    def delivered(self, inbox: str, strand_id: str, tag: str) -> Delivered | None:
        """A row of an inbox that has one recipient, by its strand: for whoever must know who sent it."""
        seq = self.said((inbox, strand_id, tag, inbox.removesuffix("_inbox")))
        return None if seq is None else self.row(inbox, int(seq))

    def put(self, row: Delivered) -> None:
        self.top.rows[row.key] = row

    def modules(self) -> dict[tuple[str, str, str], str]:
        found = dict(self.tables.modules)
        for layer in self.layers:
            found |= layer.modules
        return found
