"""Tests of this room may be coroutines: each runs in an event loop of its own, with leaks made visible."""

import asyncio
import inspect

import pytest

from tests.bounded import finished


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(finished(pyfuncitem.obj(**wanted)))
    return True
