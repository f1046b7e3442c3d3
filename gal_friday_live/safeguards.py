"""What an engine on a real clock keeps an eye on, and what it must show before it trades after a halt."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gal_friday_adapters.postgres.database import Database
from gal_friday_core.config import MonitoringConfig
from gal_friday_core.errors import StorageError
from gal_friday_core.ports import Clock, Ids, Journal
from gal_friday_live.probes import Answers, ClockOffset, FreeDisk, LineDown, LoopLag, Memory, Probe
from gal_friday_live.recovery import RecoveryChecklist

STORAGE_CHECK = "STORAGE_CHECK"
"""The kind of journal entry that a storage check writes, to have written something."""


def watched(
    *,
    folder: Path,
    database: Database,
    market_fault: Callable[[], str],
    account_fault: Callable[[], str],
    offset: ClockOffset | None = None,
) -> tuple[Probe, ...]:
    """The probes of a live engine. `folder` is where the product writes, the faults say why a line is down.

    `offset` is left out where the exchange has no time of its own.
    """

    async def ask_database() -> None:
        async with database.connection() as connection:
            await connection.execute("select 1")

    probes: list[Probe] = [
        LoopLag(),
        Memory(),
        FreeDisk(folder),
        Answers("STORAGE_DOWN", ask_database),
        LineDown("MARKET_LINE_DOWN", market_fault),
        LineDown("ACCOUNT_LINE_DOWN", account_fault),
    ]
    return (*probes, offset) if offset is not None else tuple(probes)


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """Whom the recovery checklist asks. Each `_fault` says what is wrong, or nothing; `settings` are those in force.

    `reconcile` reads the account anew; `unknown` and `unprotected` name orders and pairs.
    """

    pairs: Sequence[str]
    reconcile: Callable[[], Awaitable[str]]
    account_fault: Callable[[], str]
    market_fault: Callable[[str], str]
    unknown: Callable[[], Sequence[str]]
    unprotected: Callable[[], Sequence[str]]
    lease_held: Callable[[], bool]
    journal: Journal
    clock: Clock
    ids: Ids
    folder: Path
    settings: Callable[[], MonitoringConfig]
    offset: ClockOffset | None = None

    def fill(self, checklist: RecoveryChecklist) -> None:
        """Add every check; the one that asks the exchange comes last, since it takes longest."""
        checklist.add("LINES_UP", self.account_fault)
        checklist.add("BOOKS_VERIFIED", self._books)
        checklist.add("CLOCK", self._clock)
        checklist.add("STORAGE", self._storage)
        checklist.add("LEASE_HELD", lambda: "" if self.lease_held() else "the account's lease is lost")
        checklist.add("NO_UNKNOWN_ORDERS", lambda: _named("the outcome is unknown of", self.unknown()))
        checklist.add("POSITIONS_PROTECTED", lambda: _named("no stop covers all of", self.unprotected()))
        checklist.add("RECONCILIATION_CLEAN", self.reconcile)

    def _books(self) -> str:
        faults = [f"{pair}: {fault}" for pair in self.pairs if (fault := self.market_fault(pair))]
        return "; ".join(faults)

    def _clock(self) -> str:
        """A clock that the exchange never confirmed is no better than a wrong one."""
        if self.offset is None:
            return ""
        offset_s = self.offset.read()
        if offset_s is None or self.offset.problem:
            return self.offset.problem or "the exchange has not told its time yet"
        most_s = self.settings().clock_offset_s
        if offset_s >= most_s:
            return f"{offset_s:.3g} s off the exchange's, limit {most_s:g} s"
        return ""

    async def _storage(self) -> str:
        """Something is written durably, and there is room for more."""
        try:
            await self.journal.append(STORAGE_CHECK, self.ids.next_id(), self.clock.now_ns(), {})
        except StorageError as error:
            return str(error)
        free, least = await FreeDisk(self.folder).look(), self.settings().min_disk_mb
        if free is not None and free <= least:
            return f"{free:.0f} MB of disk are free, limit {least} MB"
        return ""


def _named(problem: str, names: Sequence[str]) -> str:
    return f"{problem} {', '.join(names)}" if names else ""
