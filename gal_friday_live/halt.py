"""The halt: one flag that everybody may read at any instant, with one owner, in the journal."""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from gal_friday_core.journal import JournalEntry
from gal_friday_core.ports import Clock, Ids
from gal_friday_live.journal_writer import JournalWriter, SessionJournal

KIND = "SYSTEM_STATE"
HaltAction = Literal["CANCEL_ENTRIES", "MAINTAIN_POSITIONS", "LIQUIDATE_POSITIONS"]


class IsHalted(Protocol):
    def __call__(self) -> bool: ...


class HaltCoordinator:
    """Owns the halt state and its persistence; `MonitoringService` decides, everybody else asks.

    An engine whose session was halted when it ended starts halted.
    """

    def __init__(self, clock: Clock, ids: Ids, writer: JournalWriter) -> None:
        self._clock = clock
        self._ids = ids
        self._writer = writer
        self.halted = False
        self.reason: str | None = None

    def is_halted(self) -> bool:
        return self.halted

    async def restore(self, journal: SessionJournal) -> None:
        """Take over the last state that this session journalled."""
        last: JournalEntry | None = None
        async for entry in journal.read(kind=KIND):
            last = entry
        if last is not None:
            self.halted = last.record["state"] == "HALTED"
            self.reason = last.record["reason"] if self.halted else None

    def halt(self, reason: str, action: HaltAction) -> bool:
        """Halt at once; False where it was halted already, and keeps its first reason."""
        if self.halted:
            return False
        self.halted = True
        self.reason = reason
        self._record({"state": "HALTED", "reason": reason, "halt_action": action})
        return True

    def resume(self, reason: str) -> bool:
        """Trade again; False where nothing was halted."""
        if not self.halted:
            return False
        self.halted = False
        self.reason = None
        self._record({"state": "RUNNING", "reason": reason, "halt_action": None})
        return True

    def _record(self, record: Mapping[str, Any]) -> None:
        self._writer.append(KIND, self._ids.next_id(), self._clock.now_ns(), record)
