"""What each probe reads, and that it answers while what it asks after does not."""

import asyncio
import shutil
import threading

import pytest

from gal_friday_core.config import MonitoringConfig
from gal_friday_core.errors import ExchangeError, StorageError
from gal_friday_core.times import SECOND_NS
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.health_watch import HealthWatch
from gal_friday_live.probes import Answers, ClockOffset, FreeDisk, LineDown, LoopLag, Memory
from gal_friday_live.tasks import TaskSupervisor
from gal_friday_live.trading_gate import TradingGate


class Timer:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


async def turns(count=3):
    for _ in range(count):
        await asyncio.sleep(0)


async def test_the_loop_lag_is_the_longest_wait_since_the_last_reading():
    timer = Timer()
    probe = LoopLag(timer=timer, every_s=0)
    running = asyncio.create_task(probe.run())
    await turns()
    timer.now += 0.75  # somebody held the loop for so long
    await turns()
    assert probe.read() == 0.75
    assert probe.read() == 0.0
    running.cancel()


async def test_what_holds_up_the_loop_while_an_engine_starts_does_not_count():
    timer = Timer()
    probe = LoopLag(timer=timer, every_s=0.01)
    watch = HealthWatch(
        MonitoringConfig(), clock=SimulatedClock(0), gate=TradingGate(), silence_s=60, probes=[probe]
    )
    tasks = TaskSupervisor()
    watch.start(tasks)
    await turns()
    timer.now += 3.0
    await asyncio.sleep(0.02)
    assert probe.read() == 0.0
    timer.now += 0.9  # the last of the start, which the probe hears of only after it
    watch.ready()
    await asyncio.sleep(0.02)
    assert probe.read() == 0.0
    timer.now += 0.75
    await asyncio.sleep(0.02)
    assert probe.read() == pytest.approx(0.75, abs=0.02)
    await tasks.stop()


async def test_a_disk_that_hangs_holds_up_a_thread_and_nobody_else(tmp_path, monkeypatch):
    answers, usage = threading.Event(), shutil.disk_usage

    def hangs(folder):
        answers.wait(30)
        return usage(folder)

    disk = FreeDisk(tmp_path, every_s=0)
    assert disk.read() is None
    before = await disk.look()
    monkeypatch.setattr(shutil, "disk_usage", hangs)
    running = asyncio.create_task(disk.run())
    await turns()
    assert disk.read() == before  # at once, and the last that was known
    monkeypatch.undo()
    answers.set()
    running.cancel()


async def test_a_service_that_hangs_is_silent_for_longer_and_longer_and_is_asked_once():
    timer, asked, answer = Timer(), [], asyncio.Event()

    async def ask():
        asked.append(timer.now)
        await answer.wait()

    probe = Answers("STORAGE_DOWN", ask, every_s=0, grace_s=0.5, timer=timer)
    assert probe.read() == 0.0
    running = asyncio.create_task(probe.run())
    await turns()
    timer.now += 0.4
    assert probe.read() == 0.0  # still within what an answer may take
    timer.now += 9.0
    assert probe.read() == pytest.approx(9.4)
    await turns()
    assert len(asked) == 1
    answer.set()
    await turns(10)
    assert probe.read() == 0.0
    running.cancel()


async def test_a_service_that_refuses_is_silent_since_its_first_refusal():
    timer, works = Timer(), asyncio.Event()

    async def ask():
        if not works.is_set():
            raise StorageError("the database is shut down")

    probe = Answers("STORAGE_DOWN", ask, every_s=0, timer=timer)
    running = asyncio.create_task(probe.run())
    await turns()
    timer.now += 3
    await turns()
    assert (probe.read(), probe.problem) == (3.0, "StorageError: the database is shut down")
    works.set()
    await turns()
    assert (probe.read(), probe.problem) == (0.0, "")
    running.cancel()


def test_a_line_is_down_since_its_first_fault():
    timer, fault = Timer(), ["not connected"]
    probe = LineDown("MARKET_LINE_DOWN", lambda: fault[0], timer=timer)
    assert probe.read() == 0.0
    timer.now += 7
    assert probe.read() == 7.0
    fault[0] = ""
    assert probe.read() == 0.0
    fault[0] = "half-open"
    timer.now += 1
    assert probe.read() == 0.0


async def test_the_clock_offset_has_no_sign_and_outlives_an_exchange_that_does_not_answer():
    clock = SimulatedClock(1_000 * SECOND_NS)
    times = iter([1_004 * SECOND_NS, ExchangeError("EService:Unavailable")])

    async def exchange_time():
        told = next(times)
        if isinstance(told, Exception):
            raise told
        return told

    probe = ClockOffset(clock, exchange_time, every_s=0)
    assert probe.read() is None
    running = asyncio.create_task(probe.run())
    await turns(1)
    assert (probe.read(), probe.offset_s, probe.problem) == (4.0, -4.0, "")
    await turns(1)
    assert (probe.read(), probe.problem) == (4.0, "ExchangeError: EService:Unavailable")
    running.cancel()


async def test_disk_and_memory_are_what_the_system_says(tmp_path):
    assert 0 < await FreeDisk(tmp_path).look() < 1e12
    assert await FreeDisk(tmp_path / "absent").look() is None
    held = bytearray(50_000_000)
    held[::4096] = b"x" * len(held[::4096])
    assert 50 < Memory().read() < 100_000
    assert len(held) == 50_000_000
