"""A process that stands by for a role: it waits for the lease, also while the database is away."""

import asyncio

import pytest

from gal_friday_core.errors import LeaseError, StorageError
from gal_friday_live.live_request import LiveRequest
from gal_friday_live.roles import run


class Lease:
    """Is taken once these errors are over."""

    def __init__(self, *errors):
        self.errors = list(errors)

    async def take(self):
        if self.errors:
            raise self.errors.pop(0)
        return 1


TAKEN, AWAY = LeaseError("another engine trades this account"), StorageError("the database is shutting down")


async def seated(lease, stop=None, **asked):
    said = []
    request = LiveRequest(role="trader", **asked)
    found = await run._seated(lease, request, stop or asyncio.Event(), said.append)
    return found, said


@pytest.fixture(autouse=True)
def _quickly(monkeypatch):
    monkeypatch.setattr(run, "STANDBY_EVERY_S", 0.001)


async def test_a_standby_outlives_the_databases_restart_and_takes_over():
    found, said = await seated(Lease(TAKEN, AWAY, AWAY, TAKEN), standby=True)
    assert found
    assert said == [{"event": "standby", "role": "trader", "waits": str(TAKEN)}]


async def test_a_standby_that_never_heard_of_the_database_says_so():
    with pytest.raises(StorageError, match="shutting down"):
        await seated(Lease(AWAY), standby=True)


async def test_a_role_that_does_not_stand_by_is_refused_at_once():
    with pytest.raises(LeaseError):
        await seated(Lease(TAKEN))


async def test_a_standby_is_stopped_while_it_waits():
    stop = asyncio.Event()
    stop.set()
    assert await seated(Lease(TAKEN), stop, standby=True) == (False, [])
