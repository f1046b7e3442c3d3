"""No pair is two alphas' of one account: whoever begins second is refused, also where both begin at once."""

import asyncio
import uuid
from contextlib import AsyncExitStack, suppress

import pytest

from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_adapters.postgres.journal_within import JournalWithin
from gal_friday_adapters.postgres.lease import AccountLease
from gal_friday_adapters.strands import seats
from gal_friday_adapters.strands.records import StrandRecords
from gal_friday_adapters.strands.seats import AlphaSeat
from gal_friday_core.candles import Series
from gal_friday_core.errors import LeaseError, StorageError
from gal_friday_live.clock import SimulatedClock
from tests.adapters.strands.strand_parts import with_database
from tests.bounded import PATIENCE_S

ACCOUNT, OTHER = str(uuid.uuid4()), str(uuid.uuid4())
BTC, ETH, SOL = (f"{base}/USD" for base in ("BTC", "ETH", "SOL"))


class Alphas:
    """Alphas as processes of their own would be seated: each with a lease and a session."""

    def __init__(self, url, database):
        self._url, self._database = url, database
        self._stack = AsyncExitStack()
        self.leases = {}

    async def __aenter__(self):
        await self._stack.__aenter__()
        return self

    async def __aexit__(self, *error):
        await self._stack.__aexit__(*error)

    async def seated(self, name, *pairs, account=ACCOUNT):
        """Its seat, not begun yet."""
        session = str(uuid.uuid5(uuid.UUID(account), name))
        lease = self.leases[name] = AccountLease(self._url, session)
        async with asyncio.timeout(PATIENCE_S):
            while not lease.held:
                with suppress(LeaseError):  # the server may hear a moment later that the one before is gone
                    await lease.take()
        self._stack.push_async_callback(lease.release)
        journal = PostgresJournal(self._database, session, SimulatedClock(1))
        await journal.begin("paper-alpha", config_hash="0", code_version="test")
        series = [Series("kraken", pair, "1m") for pair in pairs]
        return AlphaSeat(
            journal=JournalWithin(session, lease.fence), account=account, name=name, series=series
        )

    async def gone(self, database, name):
        """Once the server knows that nobody holds its lease."""
        async with asyncio.timeout(PATIENCE_S):
            while any(row["name"] == name and row["held"] for row in await StrandRecords(database).leases()):
                pass

    async def begin(self, seat):
        record = {
            "role": "alpha", "name": seat.name, "account_session": seat.account,
            "series": [item.key for item in seat.series],
        }  # fmt: skip
        await seat.begin(self._database, str(uuid.uuid4()), ts_ns=1, record=record)


class Away:
    """A database that does not answer the first time."""

    def __init__(self, database):
        self._database, self._away = database, True

    def connection(self):
        if self._away:
            self._away = False
            raise StorageError("away")
        return self._database.connection()


def seated(url, body):
    async def conversation(database):
        async with Alphas(url, database) as alphas:
            await body(alphas, database)

    with_database(url, conversation)


def test_a_second_alpha_with_a_pair_of_the_first_is_refused_and_told_whose_it_is(database_url):
    async def body(alphas, database):
        await alphas.begin(await alphas.seated("trend", BTC, ETH))
        await alphas.begin(await alphas.seated("carry", SOL))
        with pytest.raises(LeaseError, match=r"alpha late: ETH/USD is traded by alpha trend .*market\.pairs"):
            await alphas.begin(await alphas.seated("late", ETH, "XRP/USD"))
        await alphas.begin(await alphas.seated("elsewhere", ETH, account=OTHER))
        running = {row["name"]: row["series"] for row in await StrandRecords(database).leases()}
        assert running["trend"] == ["kraken:BTC-USD:1m", "kraken:ETH-USD:1m"]
        assert "late" not in running, "it never ran"

    seated(database_url, body)


def test_a_pair_is_free_once_its_alpha_is_gone_and_its_own_again_after_a_restart(database_url):
    async def body(alphas, database):
        await alphas.begin(await alphas.seated("trend", BTC))
        await alphas.leases["trend"].release()
        await alphas.begin(await alphas.seated("trend", BTC))
        await alphas.leases["trend"].release()
        await alphas.gone(database, "trend")
        await alphas.begin(await alphas.seated("late", BTC))

    seated(database_url, body)


def test_of_alphas_that_begin_at_once_one_has_the_pair(database_url):
    async def body(alphas, database):
        seats = [await alphas.seated(f"alpha-{number}", BTC) for number in range(5)]
        ends = await asyncio.gather(*(alphas.begin(seat) for seat in seats), return_exceptions=True)
        assert sorted(type(end).__name__ for end in ends) == ["LeaseError"] * 4 + ["NoneType"]

    seated(database_url, body)


def test_an_alpha_whose_pair_was_taken_while_its_lease_was_away_is_refused(database_url, monkeypatch):
    monkeypatch.setattr(seats, "RETRY_S", 0.001)

    async def body(alphas, database):
        first = await alphas.seated("trend", BTC)
        await alphas.begin(first)
        await alphas.leases["trend"].release()
        await alphas.gone(database, "trend")
        await alphas.begin(await alphas.seated("late", BTC))
        with pytest.raises(LeaseError, match="BTC/USD is traded by alpha late"):
            await first.require_pairs(Away(database))

    seated(database_url, body)
