"""What monitoring does about what it sees: told, no new risk, halted; and what resuming asks of whom."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from gal_friday_adapters.postgres.lease import RETAKEN, SUPERSEDED
from gal_friday_core.errors import LeaseError, StorageError
from gal_friday_core.recovery import CHECKS
from gal_friday_core.times import SECOND_NS
from gal_friday_live.bus import PubSubManager
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.halt import HaltCoordinator
from gal_friday_live.ids import SequentialIds
from gal_friday_live.journal_writer import JournalWriter
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.monitoring_service import MonitoringService
from gal_friday_live.probes import ClockOffset
from gal_friday_live.recovery import RecoveryChecklist
from gal_friday_live.safeguards import STORAGE_CHECK, Recovery
from gal_friday_live.tasks import TaskSupervisor
from gal_friday_live.trading_gate import TradingGate
from tests.live.world import START, manager

PAIR = "BTC/USD"


class Reading:
    """A probe that reads what a test says."""

    def __init__(self, code, value=0.0):
        self.code = code
        self.value = value

    async def run(self):
        await asyncio.Event().wait()

    def read(self):
        return self.value


class Watch:
    def __init__(self, *probes):
        self.clock, self.gate, self.tasks = SimulatedClock(START), TradingGate(), TaskSupervisor()
        self.journal = MemoryJournal()
        self.bus = PubSubManager(self.clock, SequentialIds())
        writer = JournalWriter(self.journal, self.tasks)
        self.halt = HaltCoordinator(self.clock, SequentialIds(), writer)
        self.monitoring = MonitoringService(
            manager(), self.bus, halt=self.halt, clock=self.clock, journal=self.journal, tasks=self.tasks,
            writer=writer, gate=self.gate, probes=probes,
        )  # fmt: skip
        self.told = []
        self.bus.subscribe("SYSTEM_STATE_CHANGE", self._keep)

    async def _keep(self, event):
        self.told.append((event.payload.new_state, event.payload.reason, event.payload.halt_action))

    async def look(self, *, later_s=0):
        self.clock.advance_to(self.clock.now_ns() + later_s * SECOND_NS)
        await self.monitoring.check_health()
        await self.tasks.settle()


@asynccontextmanager
async def watch(*probes):
    watched = Watch(*probes)
    await watched.monitoring.start()
    yield watched
    await watched.monitoring.stop()
    await watched.tasks.stop()


async def test_a_reading_beyond_its_first_limit_keeps_entries_back_until_it_is_well_for_long_enough():
    lag = Reading("LOOP_LAG", 0.4)
    async with watch(lag) as seen:
        await seen.look()
        assert seen.gate.why(PAIR) == ("LOOP_LAG", "LOOP_LAG: 0.4 s, limit 0.25 s")
        assert seen.monitoring.trading_state == "REDUCING"
        lag.value = 0.0
        await seen.look(later_s=4)
        assert seen.gate.why(PAIR) is not None
        await seen.look(later_s=1)
        assert seen.gate.why(PAIR) is None
        assert seen.monitoring.trading_state == "ACTIVE"
    assert seen.told == [("REDUCING", "LOOP_LAG", None), ("RUNNING", "LOOP_LAG is over", None)]
    assert seen.journal.entries == []  # nothing that a restart would have to remember


async def test_a_reading_beyond_its_second_limit_halts_once_with_its_numbers():
    disk = Reading("DISK_FULL", 600.0)
    async with watch(disk) as seen:
        await seen.look()
        assert seen.monitoring.trading_state == "ACTIVE"
        disk.value = 100.0
        await seen.look()
        await seen.look()
        assert (seen.halt.reason, seen.monitoring.trading_state) == ("DISK_FULL", "HALTED")
        disk.value = 9_000.0
        await seen.look(later_s=60)
        assert seen.halt.halted  # that it is well again ends no halt
        assert seen.gate.why(PAIR) is None
    assert [told for told in seen.told if told[0] == "HALTED"] == [("HALTED", "DISK_FULL", "CANCEL_ENTRIES")]
    assert [entry.record["reason"] for entry in seen.journal.entries] == ["DISK_FULL"]


async def test_health_says_state_findings_blocks_and_readings():
    async with watch(Reading("CLOCK_OFFSET", 1.5), Reading("MEMORY", 200.0)) as seen:
        await seen.look()
        health = seen.monitoring.health()
    assert (health["state"], health["reason"], health["halt_durable"]) == ("REDUCING", None, True)
    assert health["findings"] == ["CLOCK_OFFSET: 1.5 s, limit 1 s"]
    assert [block["code"] for block in health["blocks"]] == ["CLOCK_OFFSET"]
    assert health["readings"] == {"CLOCK_OFFSET": 1.5, "MEMORY": 200.0}


async def test_a_lost_line_keeps_entries_back_at_once_and_says_why():
    async with watch() as seen:
        seen.monitoring.on_line(False, "half-open")
        assert seen.gate.why(PAIR) == ("EXCHANGE_DISCONNECTED", "half-open")
        assert seen.monitoring.account_fault() == "half-open"
        seen.monitoring.on_line(True, "")
        assert (seen.gate.why(PAIR), seen.monitoring.account_fault()) == (None, "")


async def test_a_lost_lease_keeps_entries_back_until_it_is_had_again():
    async with watch() as seen:
        seen.monitoring.on_lease("server closed the connection")
        assert seen.gate.why(PAIR) == ("LEASE_LOST", "server closed the connection")
        seen.monitoring.on_lease(RETAKEN)
        await seen.tasks.settle()
        assert seen.gate.why(PAIR) is None
        assert not seen.halt.halted


async def test_an_engine_that_was_superseded_halts_and_leaves_the_others_orders_alone():
    async with watch() as seen:
        seen.monitoring.on_lease("server closed the connection")
        seen.monitoring.on_lease(SUPERSEDED)
        await seen.tasks.settle()
        assert seen.gate.why(PAIR) == ("LEASE_LOST", "another engine has taken the account")
    assert seen.monitoring.superseded
    assert seen.told == [("HALTED", "LEASE_TAKEN_OVER", "MAINTAIN_POSITIONS")]


async def test_a_fence_that_refuses_a_record_says_that_the_account_is_lost_and_cancels_nothing():
    async with watch() as seen:
        for _ in range(2):
            await seen.monitoring.on_task_failure("reports", LeaseError("an old token"))
        await seen.tasks.settle()
        assert seen.gate.why(PAIR) == ("LEASE_LOST", "another engine has taken the account")
    assert seen.monitoring.superseded
    assert seen.told == [("HALTED", "LEASE_TAKEN_OVER", "MAINTAIN_POSITIONS")]


async def test_reducing_by_command_is_told_and_ends_by_command():
    async with watch() as seen:
        await seen.monitoring.trigger_reduce("CAUTION", who="ada")
        assert (seen.monitoring.trading_state, seen.halt.halted) == ("REDUCING", False)
        assert (await seen.monitoring.trigger_resume("calm again", "ada")).resumed
        assert seen.monitoring.trading_state == "ACTIVE"
    assert [state for state, *_ in seen.told] == ["REDUCING", "RUNNING"]
    assert seen.told[1][1] == "RESUMED by ada: calm again"


class Account:
    """All that the recovery checklist asks, well until a test changes it."""

    def __init__(self, tmp_path):
        self.clock = SimulatedClock(START)
        self.difference = self.line = self.market = ""
        self.unknown, self.unprotected, self.held = [], [], True
        self.exchange_ns = START
        self.journal = MemoryJournal()
        self.offset = ClockOffset(self.clock, self.exchange_time, every_s=3_600)
        self.checklist = RecoveryChecklist()
        Recovery(
            pairs=(PAIR,), reconcile=self.reconcile, account_fault=lambda: self.line,
            market_fault=lambda _: self.market, unknown=lambda: self.unknown,
            unprotected=lambda: self.unprotected, lease_held=lambda: self.held, journal=self.journal,
            clock=self.clock, ids=SequentialIds(), folder=tmp_path, settings=lambda: manager().config.monitoring,
            offset=self.offset,
        ).fill(self.checklist)  # fmt: skip

    async def exchange_time(self):
        return self.exchange_ns

    async def reconcile(self):
        return self.difference

    async def problems(self):
        asking = asyncio.create_task(self.offset.run())
        await asyncio.sleep(0)
        asking.cancel()
        return {check.name: check.problem for check in await self.checklist.run() if check.problem}


async def test_the_checklist_has_every_check_and_is_clean_where_all_is_well(tmp_path):
    account = Account(tmp_path)
    assert await account.problems() == {}
    assert set(account.checklist.names) == set(CHECKS)
    assert [entry.kind for entry in account.journal.entries] == [STORAGE_CHECK]


@pytest.mark.parametrize(
    ("wrong", "value", "name", "problem"),
    [
        ("difference", "one order more", "RECONCILIATION_CLEAN", "one order more"),
        ("line", "half-open", "LINES_UP", "half-open"),
        ("market", "not connected", "BOOKS_VERIFIED", "BTC/USD: not connected"),
        ("unknown", ["o-1", "o-2"], "NO_UNKNOWN_ORDERS", "the outcome is unknown of o-1, o-2"),
        ("unprotected", [PAIR], "POSITIONS_PROTECTED", "no stop covers all of BTC/USD"),
        ("held", False, "LEASE_HELD", "the account's lease is lost"),
        ("exchange_ns", START + 3 * SECOND_NS, "CLOCK", "3 s off the exchange's, limit 1 s"),
    ],
)
async def test_each_check_says_what_is_wrong(tmp_path, wrong, value, name, problem):
    account = Account(tmp_path)
    setattr(account, wrong, value)
    assert await account.problems() == {name: problem}


async def test_a_clock_that_the_exchange_never_confirmed_does_not_hold(tmp_path):
    account = Account(tmp_path)
    checks = {check.name: check.problem for check in await account.checklist.run()}
    assert checks["CLOCK"] == "the exchange has not told its time yet"


async def test_storage_that_takes_nothing_does_not_hold(tmp_path, monkeypatch):
    async def refuse(*_):
        raise StorageError("no space left")

    account = Account(tmp_path)
    monkeypatch.setattr(account.journal, "append", refuse)
    assert await account.problems() == {"STORAGE": "no space left"}
