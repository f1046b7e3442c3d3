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
