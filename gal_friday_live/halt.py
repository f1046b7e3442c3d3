"""The halt: one state that everybody may read at any instant, with one owner, in the journal."""

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from typing import Any, Final, Literal, Protocol

from gal_friday_adapters.halt_page import HaltPage
from gal_friday_core.errors import StorageError
from gal_friday_core.journal import JournalEntry
from gal_friday_core.ports import Clock, Ids
from gal_friday_core.recovery import Resumption, refusal
from gal_friday_live.journal_writer import JournalWriter, SessionJournal
from gal_friday_live.recovery import RecoveryChecklist

KIND = "SYSTEM_STATE"
HaltAction = Literal["CANCEL_ENTRIES", "MAINTAIN_POSITIONS", "LIQUIDATE_POSITIONS"]
LIQUIDATE: Final = "LIQUIDATE_POSITIONS"
TAKEN_OVER: Final = "LEASE_TAKEN_OVER"
"""Why an engine halts that lost the account: its own end, and nothing about the account, which another one trades."""
TradingState = Literal["ACTIVE", "REDUCING", "HALTED"]

_STATES: dict[str, TradingState] = {"RUNNING": "ACTIVE", "REDUCING": "REDUCING", "HALTED": "HALTED"}

log = logging.getLogger(__name__)


class IsHalted(Protocol):
    def __call__(self) -> bool: ...


class HaltCoordinator:
    """Owns the trading state and its persistence; `MonitoringService` decides, everybody else asks.

    A halt holds in memory at once and is journalled before anything else that waits; leaving it is journalled
    before it holds. An engine whose account was halted when its last run ended starts halted. The `page`, where
    there is one, keeps a halt that the journal could not take.
    """

    def __init__(
        self,
        clock: Clock,
        ids: Ids,
        writer: JournalWriter,
        *,
        checklist: RecoveryChecklist | None = None,
        page: HaltPage | None = None,
    ) -> None:
        self._clock = clock
        self._ids = ids
        self._writer = writer
        self._calls = 0  # halts asked for, also while halted: one that comes while trading resumes must win
        self._written = asyncio.Event()
        self._written.set()
        self._paged = asyncio.Event()
        self._page = page
        self.checklist = checklist or RecoveryChecklist()
        self.state: TradingState = "ACTIVE"
        self.reason: str | None = None
        self.action: HaltAction | None = None

    @property
    def halted(self) -> bool:
        return self.state == "HALTED"

    @property
    def reducing(self) -> bool:
        """Whether only orders that reduce may be sent, by command."""
        return self.state == "REDUCING"

    @property
    def durable(self) -> bool:
        """Whether the last change of state survives this process: in the journal, or a halt on its page."""
        return self._written.is_set() or self._paged.is_set()

    def is_halted(self) -> bool:
        return self.state == "HALTED"

    async def restore(self, journal: SessionJournal) -> None:
        """Take over the last state that this account journalled, and keep a page for the next halt."""
        if self._page is not None:
            await asyncio.to_thread(self._page.prepare)
        kept = await self.recall(journal)
        if kept is not None:
            self._become("HALTED", str(kept.get("reason", "")), {**kept, "state": "HALTED"})

    async def recall(self, journal: SessionJournal) -> Mapping[str, Any] | None:
        """The last state of this account, and nothing written; a halt that only its page has is given back too."""
        last: JournalEntry | None = None
        async for entry in journal.read(kind=KIND):
            last = entry
        if last is not None:
            self.state = _STATES.get(last.record["state"], "HALTED")
            self.reason = last.record["reason"] if self.state != "ACTIVE" else None
            self.action = last.record.get("halt_action") if self.halted else None
        kept = None if self._page is None else await asyncio.to_thread(self._page.read)
        if kept is None or self.halted or kept.get("reason") == TAKEN_OVER:
            return None
        self.state, self.reason = "HALTED", str(kept.get("reason", ""))
        self.action = kept.get("halt_action")
        return kept

    def halt(self, reason: str, action: HaltAction, *, who: str | None = None) -> bool:
        """Halt at once; False where it was halted already, and keeps its first reason.

        Only a liquidation may be asked for while halted, as often as it takes.
        """
        self._calls += 1
        if self.halted:
            if action != LIQUIDATE:
                return False
            reason = self.reason or reason
        self.action = action
        self._become(
            "HALTED", reason, {"state": "HALTED", "reason": reason, "halt_action": action, "who": who}
        )
        return True

    def reduce(self, reason: str, *, who: str | None = None) -> bool:
        """Send only orders that reduce, at once; False where it is so already, or halted."""
        if self.state != "ACTIVE":
            return False
        self._become(
            "REDUCING", reason, {"state": "REDUCING", "reason": reason, "halt_action": None, "who": who}
        )
        return True

    async def persisted(self, patience_s: float) -> bool:
        """Whether the last change of state was durable within that time, as `durable` means it."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self._written, self._paged)]
        done, waiting = await asyncio.wait(waits, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        for wait in waiting:
            wait.cancel()
        return bool(done)

    async def resume(self, reason: str, who: str, *, patience_s: float = 10.0) -> Resumption:
        """Trade again, where the whole checklist holds and somebody says why.

        Refusals: NOT_HALTED, REASON_MISSING, WHO_MISSING, CHECKLIST_NOT_CLEAN, NOT_DURABLE (the journal does
        not take it), HALTED_AGAIN (a halt came meanwhile).
        """
        if self.state == "ACTIVE":
            return Resumption(refusal="NOT_HALTED")
        calls = self._calls
        checks = await self.checklist.run()
        refused = refusal(reason, who, checks) or await self._journal_resume(reason, who, calls, patience_s)
        if not refused:
            self.state, self.reason, self.action = "ACTIVE", None, None
        return Resumption(refusal=refused, checks=checks)

    async def _journal_resume(self, reason: str, who: str, calls: int, patience_s: float) -> str:
        """Why trading does not resume, or nothing once that it does is durable."""
        self._record({"state": "RUNNING", "reason": reason, "halt_action": None, "who": who})
        if not (await _within(patience_s, self._written.wait()) and await self._clear_page(patience_s)):
            refused = "NOT_DURABLE"
        elif self._calls != calls:
            refused = "HALTED_AGAIN"
        else:
            return ""
        # That it resumed may be in the journal, or come there yet: it must not be the last word.
        self._become(
            self.state,
            self.reason or "",
            {"state": self.state, "reason": self.reason, "halt_action": self.action, "who": None},
        )
        return refused

    async def _clear_page(self, patience_s: float) -> bool:
        if self._page is None:
            return True
        try:
            return await _within(patience_s, asyncio.to_thread(self._page.clear))
        except StorageError as error:
            log.error("the page of the halt cannot be cleared: %s", error)  # noqa: TRY400 - it says all there is
            return False

    def _become(self, state: TradingState, reason: str, record: Mapping[str, Any]) -> None:
        self.state = state
        self.reason = reason
        self._record(record)
        if state == "HALTED" and self._page is not None:
            self._keep_on_page(self._page, record, self._paged)

    def _keep_on_page(self, page: HaltPage, record: Mapping[str, Any], paged: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()

        def done(error: StorageError | None) -> None:
            if error is not None:
                log.error("the halt is not on its page: %s", error)
                return
            with suppress(RuntimeError):  # the engine has ended meanwhile
                loop.call_soon_threadsafe(paged.set)

        page.write_aside(record, done)

    def _record(self, record: Mapping[str, Any]) -> None:
        self._paged = asyncio.Event()
        self._written = self._writer.append_urgently(KIND, self._ids.next_id(), self._clock.now_ns(), record)


async def _within(patience_s: float, work: Awaitable[object]) -> bool:
    """Whether the work was done in time. Raises what it raises."""
    try:
        async with asyncio.timeout(patience_s):
            await work
    except TimeoutError:
        return False
    return True
