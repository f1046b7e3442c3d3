"""Owned tasks: settled, ended, and never lost when they fail."""

import asyncio

from gal_friday_live.tasks import TaskSupervisor


async def test_settle_waits_for_the_work_that_the_work_started():
    tasks, done = TaskSupervisor(), []

    async def leaf():
        await asyncio.sleep(0)
        done.append("leaf")

    async def root():
        await asyncio.sleep(0)
        tasks.start(leaf(), "leaf")
        done.append("root")

    tasks.start(root(), "root")
    assert tasks.working
    await tasks.settle()
    assert done == ["root", "leaf"]
    assert not tasks.working


async def test_settle_does_not_wait_for_listeners_and_stop_ends_them():
    tasks, ended = TaskSupervisor(), []

    async def listen():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    tasks.background(listen(), "listener")
    await asyncio.sleep(0)
    await tasks.settle()
    assert ended == []
    await tasks.stop()
    assert ended == [True]


async def test_a_failing_task_is_reported_to_its_owner():
    failures = []

    async def on_failure(name, error):
        failures.append((name, str(error)))

    async def fail():
        raise ValueError("planted")

    tasks = TaskSupervisor(on_failure)
    tasks.start(fail(), "fragile")
    await tasks.settle()
    assert failures == [("fragile", "planted")]
    assert tasks.failed == 1


async def test_work_started_now_runs_to_its_first_wait_before_the_call_returns():
    tasks, done, gate = TaskSupervisor(), [], asyncio.Event()

    async def work():
        done.append("begun")
        await gate.wait()
        done.append("ended")

    tasks.start_now(work(), "work")
    assert done == ["begun"]
    assert tasks.working
    gate.set()
    await tasks.settle()
    assert done == ["begun", "ended"]


async def test_work_started_now_that_never_waits_is_done_on_return():
    tasks, done = TaskSupervisor(), []

    async def work():
        done.append("done")

    tasks.start_now(work(), "work")
    assert done == ["done"]
    assert not tasks.working


async def test_work_started_now_is_a_task_of_its_own_whose_time_limits_end_it_alone():
    tasks, seen = TaskSupervisor(), []
    starter = asyncio.current_task()

    async def work():
        seen.append(asyncio.current_task())
        try:
            async with asyncio.timeout(0):
                await asyncio.sleep(3600)
        except TimeoutError:
            seen.append("timed out")

    tasks.start_now(work(), "work")
    assert asyncio.current_task() is starter
    await tasks.settle()
    assert seen[0] is not starter
    assert seen[1] == "timed out"


async def test_a_failure_before_the_first_wait_and_one_after_it_are_both_reported():
    failures = []

    async def failed(name, error):
        failures.append((name, str(error)))

    tasks = TaskSupervisor(failed)

    async def at_once():
        raise ValueError("at once")

    async def later():
        await asyncio.sleep(0)
        raise ValueError("later")

    tasks.start_now(at_once(), "first")
    tasks.start_now(later(), "second")
    await tasks.settle()
    assert failures == [("first", "at once"), ("second", "later")]
