"""Tests of this room may be coroutines: each runs in an event loop of its own, with leaks made visible."""

import asyncio
import inspect

import pytest

from tests.bounded import TEST_S, finished
from tests.live.dashboard_world import traded
from tests.live.processes_nursery import Nursery


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(finished(pyfuncitem.obj(**wanted)))
    return True


@pytest.fixture(scope="session")
def nursery(tmp_path_factory):
    """Where engines are forked from, by all tests of a worker: it has imported and compiled everything once."""
    started = Nursery(tmp_path_factory.mktemp("nursery"))
    yield started
    started.end()


@pytest.fixture(scope="session")
def traded_account(tmp_path_factory, new_database):
    """The configuration, the summary and the database of an account that traded: for tests that only look."""
    with new_database() as url:
        manager, summary = asyncio.run(
            asyncio.wait_for(traded(tmp_path_factory.mktemp("traded"), url), TEST_S)
        )
        yield manager, summary, url
