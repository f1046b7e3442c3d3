"""The halt's owner: at once in memory, durable where anything is, and left only with everything in order."""

import asyncio

import pytest

from gal_friday_adapters.halt_page import HaltPage
from gal_friday_core.errors import ExchangeError, StorageError
from gal_friday_core.recovery import Check
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.halt import HaltCoordinator
from gal_friday_live.ids import SequentialIds
from gal_friday_live.journal_writer import JournalWriter
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.recovery import RecoveryChecklist
from gal_friday_live.tasks import TaskSupervisor


class Down(MemoryJournal):
    """A journal that can be made to refuse, or to hang."""

    def __init__(self):
        super().__init__()
        self.refuses = False
        self.answers = asyncio.Event()
        self.answers.set()

    async def append(self, kind, key, ts_ns, record):
        await self.answers.wait()
        await asyncio.sleep(0)  # as a database, which takes one record at a time
        if self.refuses:
            raise StorageError("no space left")
        await super().append(kind, key, ts_ns, record)


class Desk:
    def __init__(self, journal=None, page=None, checklist=None):
        self.journal = journal or Down()
        self.tasks = TaskSupervisor()
        self.writer = JournalWriter(self.journal, self.tasks)
        self.halt = HaltCoordinator(
            SimulatedClock(1), SequentialIds(), self.writer, checklist=checklist, page=page
        )

    @property
    def states(self):
        return [entry.record["state"] for entry in self.journal.entries if entry.kind == "SYSTEM_STATE"]

    async def restarted(self, page=None):
        """Another engine on the same account."""
        journal = MemoryJournal()
        for entry in self.journal.entries:
            await journal.append(entry.kind, entry.key, entry.ts_ns, entry.record)
        again = Desk(journal, page)
        await again.halt.restore(journal)
        return again.halt


async def test_a_halt_goes_before_everything_that_waits_for_the_journal():
    desk = Desk()
    desk.journal.answers.clear()
    for key in ("1", "2", "3"):
        desk.writer.append("FILL", key, 1, {})
    desk.halt.halt("MANUAL", "CANCEL_ENTRIES")
    assert desk.halt.halted
    assert not await desk.halt.persisted(0)
    desk.journal.answers.set()
    await desk.tasks.settle()
    assert [entry.kind for entry in desk.journal.entries].index("SYSTEM_STATE") <= 1  # one was under way
    assert await desk.halt.persisted(0)


async def test_a_record_that_cannot_be_written_does_not_hold_up_the_halt():
    class Picky(MemoryJournal):
        async def append(self, kind, key, ts_ns, record):
            if kind == "FILL":
                raise StorageError("too large")
            await super().append(kind, key, ts_ns, record)

    desk = Desk(Picky())
    desk.writer.append("FILL", "1", 1, {})
    desk.halt.halt("MANUAL", "CANCEL_ENTRIES")
    await desk.tasks.settle()
    assert desk.states == ["HALTED"]


async def test_states_are_journalled_in_the_order_in_which_they_were_taken():
    desk = Desk()
    desk.journal.answers.clear()
    assert desk.halt.reduce("CAUTION", who="ada")
    assert desk.halt.halt("MANUAL", "CANCEL_ENTRIES", who="ada")
    assert not desk.halt.reduce("CAUTION")
    desk.journal.answers.set()
    await desk.tasks.settle()
    assert desk.states == ["REDUCING", "HALTED"]
    assert (await desk.restarted()).halted


async def test_reducing_survives_a_restart_and_is_left_like_a_halt():
    desk = Desk()
    desk.halt.reduce("CAUTION")
    await desk.tasks.settle()
    again = await desk.restarted()
    assert (again.state, again.reason, again.halted) == ("REDUCING", "CAUTION", False)
    assert (await desk.halt.resume("calm again", "ada")).resumed
    assert (desk.halt.state, desk.states) == ("ACTIVE", ["REDUCING", "RUNNING"])


async def test_a_state_that_this_version_does_not_know_is_a_halt():
    journal = MemoryJournal()
    await journal.append("SYSTEM_STATE", "1", 1, {"state": "HIBERNATING", "reason": "newer version"})
    desk = Desk(journal)
    await desk.halt.restore(journal)
    assert (desk.halt.state, desk.halt.reason) == ("HALTED", "newer version")


async def test_trading_resumes_only_with_a_clean_checklist_and_says_what_is_not():
    problem = ["BTC/USD: one order more at the exchange"]

    async def hangs():
        await asyncio.Event().wait()

    def unreachable():
        raise ExchangeError("not connected")

    checklist = RecoveryChecklist(patience_s=0.01)
    checklist.add("RECONCILIATION_CLEAN", lambda: problem[0])
    checklist.add("STORAGE", hangs)
    checklist.add("LINES_UP", unreachable)
    desk = Desk(checklist=checklist)
    desk.halt.halt("MANUAL", "CANCEL_ENTRIES")
    refused = await desk.halt.resume("looked at it", "ada")
    assert refused.refusal == "CHECKLIST_NOT_CLEAN"
    assert refused.problems == (
        Check("RECONCILIATION_CLEAN", "BTC/USD: one order more at the exchange"),
        Check("STORAGE", "no answer within 0.01 s"),
        Check("LINES_UP", "ExchangeError: not connected"),
    )
    assert desk.halt.halted
    problem[0] = ""
    checklist.add("STORAGE", lambda: "")
    checklist.add("LINES_UP", lambda: "")
    assert (await desk.halt.resume("looked at it", "ada")).resumed
    await desk.tasks.settle()
    assert desk.journal.entries[-1].record["who"] == "ada"
    assert (await desk.halt.resume("looked at it", "ada")).refusal == "NOT_HALTED"


async def test_trading_does_not_resume_where_that_cannot_be_journalled():
    desk = Desk()
    desk.halt.halt("MANUAL", "CANCEL_ENTRIES")
    await desk.tasks.settle()
    desk.journal.answers.clear()
    assert (await desk.halt.resume("looked at it", "ada", patience_s=0.01)).refusal == "NOT_DURABLE"
    assert (desk.halt.halted, desk.halt.reason) == (True, "MANUAL")
    desk.journal.answers.set()  # what was under way is written after all
    await desk.tasks.settle()
    assert desk.states == ["HALTED", "RUNNING", "HALTED"]
    assert (await desk.restarted()).halted


@pytest.mark.parametrize("when", ["during the checks", "during the write"])
def test_a_halt_that_comes_while_trading_resumes_wins(when):
    async def run():
        desk = Desk()
        desk.halt.halt("FIRST", "CANCEL_ENTRIES")
        await desk.tasks.settle()

        def again():
            assert not desk.halt.halt("SECOND", "CANCEL_ENTRIES")
            return ""

        if when == "during the checks":
            desk.halt.checklist.add("LATE", again)
        else:
            desk.journal.answers.clear()
        resuming = asyncio.create_task(desk.halt.resume("looked at it", "ada"))
        for _ in range(5):
            await asyncio.sleep(0)
        if when == "during the write":
            again()
            desk.journal.answers.set()
        assert (await resuming).refusal == "HALTED_AGAIN"
        await desk.tasks.settle()
        assert (desk.halt.halted, desk.states[-1]) == (True, "HALTED")

    asyncio.run(run())


async def test_a_halt_that_the_journal_refuses_survives_on_its_page(tmp_path):
    page = HaltPage(tmp_path / "account.halt")
    desk = Desk(page=page)
    await desk.halt.restore(desk.journal)
    desk.journal.refuses = True
    desk.halt.halt("DISK_FULL", "CANCEL_ENTRIES")
    assert await desk.halt.persisted(30)
    assert desk.states == []  # and then the process is killed
    again = await desk.restarted(page)
    assert (again.state, again.reason) == ("HALTED", "DISK_FULL")


async def test_an_engine_that_lost_the_account_does_not_start_halted_for_that(tmp_path):
    page = HaltPage(tmp_path / "account.halt")
    page.prepare()
    page.write({"state": "HALTED", "reason": "LEASE_TAKEN_OVER", "halt_action": "MAINTAIN_POSITIONS"})
    assert (await Desk().restarted(page)).state == "ACTIVE"
    page.write({"state": "HALTED", "reason": "MANUAL", "halt_action": "CANCEL_ENTRIES"})
    assert (await Desk().restarted(page)).state == "HALTED"


async def test_a_page_is_blank_again_only_once_the_resumption_is_journalled(tmp_path):
    page = HaltPage(tmp_path / "account.halt")
    desk = Desk(page=page)
    await desk.halt.restore(desk.journal)
    desk.halt.halt("MANUAL", "CANCEL_ENTRIES")
    assert await desk.halt.persisted(30)
    desk.journal.refuses = True
    assert (await desk.halt.resume("looked at it", "ada", patience_s=0.01)).refusal == "NOT_DURABLE"
    assert await desk.halt.persisted(30)  # the page is written again: who reads meanwhile may see half of it
    assert page.read()["reason"] == "MANUAL"
    desk.journal.refuses = False
    desk.writer.retry()
    await desk.tasks.settle()
    assert (await desk.halt.resume("looked at it", "ada")).resumed
    assert page.read() is None
    assert (await desk.restarted(page)).state == "ACTIVE"
