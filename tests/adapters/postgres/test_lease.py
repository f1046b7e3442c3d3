"""One engine an account, on a real server: refused, freed by a kill, fenced off, lost and had again."""

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from contextlib import asynccontextmanager

import pytest

from gal_friday_adapters.postgres.connect import connect
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_adapters.postgres.lease import RETAKEN, SUPERSEDED, AccountLease
from gal_friday_core.errors import LeaseError, StorageError
from tests.adapters.postgres.standing_still import standing_still
from tests.bounded import line_of

ACCOUNT = str(uuid.UUID(int=0xA11CE << 80))
OTHER = str(uuid.UUID(int=0xB0B << 80))


class FixedClock:
    def now_ns(self):
        return 1_700_000_000_000_000_001


@asynccontextmanager
async def lease(url, account=ACCOUNT, **options):
    held = AccountLease(url, account, **options)
    await held.take()
    try:
        yield held
    finally:
        await held.release()


@asynccontextmanager
async def journal(url, held, **options):
    async with Database(url) as database:
        written = PostgresJournal(database, ACCOUNT, FixedClock(), fence=held.fence, **options)
        await written.begin("paper", config_hash="h", code_version="1")
        yield written
        await written.close()


def changes(held):
    """What the lease tells, in order."""
    heard = asyncio.Queue()
    held.on_change(heard.put_nowait)
    return heard


async def told(heard):
    async with asyncio.timeout(20):
        return await heard.get()


def cut(url, application="gal-friday lease"):
    """End connections at the server, as a broken network would."""
    with connect(url) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and application_name = %s",
            (application,),
        )


def keys(url):
    with connect(url) as connection:
        return [row[0] for row in connection.execute("select key from journal order by seq")]


def test_a_second_engine_is_refused_and_told_who_trades(database_url):
    async def run():
        async with lease(database_url, holder="process 17 on alpha") as first:
            with pytest.raises(
                LeaseError, match=r"process 17 on alpha, since 20\d\d-.* UTC.*stop it first"
            ) as refused:
                await AccountLease(database_url, ACCOUNT).take()
            assert "\n" not in str(refused.value)
            async with lease(database_url, OTHER) as other:  # another account is nobody's business
                assert (first.held, other.held) == (True, True)

    asyncio.run(run())


def test_after_a_release_the_next_engine_has_a_higher_token(database_url):
    async def run():
        async with lease(database_url) as first:
            pass
        async with lease(database_url) as second:
            return first.token, second.token, first.held

    assert asyncio.run(run()) == (1, 2, False)


def test_a_killed_engine_frees_the_account_at_once(database_url):
    script = (
        "import asyncio, sys\n"
        "from gal_friday_adapters.postgres.lease import AccountLease\n"
        "async def hold():\n"
        "    await AccountLease(sys.argv[1], sys.argv[2]).take()\n"
        "    print('held', flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(hold())\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", script, database_url, ACCOUNT], stdout=subprocess.PIPE)
    try:
        assert line_of(holder.stdout) == b"held\n"
        with pytest.raises(LeaseError, match=f"process {holder.pid} on "):
            asyncio.run(AccountLease(database_url, ACCOUNT).take())
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait(60)
        holder.stdout.close()

    async def take_soon():
        """The server needs a moment to see that its client is gone."""
        async with asyncio.timeout(5):
            while True:
                try:
                    async with lease(database_url) as held:
                        return held.token
                except LeaseError:
                    await asyncio.sleep(0.02)

    assert asyncio.run(take_soon()) == 2


def test_a_former_holder_cannot_append_and_the_present_one_can(database_url):
    async def run():
        async with lease(database_url) as first, journal(database_url, first) as stale:
            await stale.append("ORDER_INTENT", "o-1", 1, {})
            await first.release()
            async with lease(database_url) as second, journal(database_url, second) as present:
                with pytest.raises(LeaseError, match="lease 1 is out of date: the account is at lease 2"):
                    await stale.append("ORDER_INTENT", "o-2", 2, {})
                await present.append("ORDER_INTENT", "o-3", 3, {})

    asyncio.run(run())
    assert keys(database_url) == ["o-1", "o-3"]


def test_the_journal_says_under_which_lease_each_entry_was_written(database_url):
    async def run():
        for key in ("o-1", "o-2"):
            async with lease(database_url) as held, journal(database_url, held) as written:
                await written.append("ORDER_INTENT", key, 1, {})

    asyncio.run(run())
    with connect(database_url) as connection:
        assert connection.execute("select key, fence from journal order by seq").fetchall() == [
            ("o-1", 1),
            ("o-2", 2),
        ]


def test_taking_the_lease_waits_for_the_append_that_is_under_way(database_url):
    """Otherwise the new engine could read the journal before the old one's last intent shows in it."""

    async def run():
        async with lease(database_url) as first:
            async with journal(database_url, first):
                pass
            with connect(database_url) as old:
                old.execute("begin")
                old.execute(
                    "insert into journal (session, ts_ns, kind, key, record, fence) values (%s, 1, 'K', 'o-1', '{}', 1)",
                    (ACCOUNT,),
                )
                await first.release()
                second = AccountLease(database_url, ACCOUNT)
                taking = asyncio.create_task(second.take())
                await waits_for_a_lock(database_url)
                assert not taking.done()
                old.execute("commit")
                assert await taking == 2
                await second.release()

    asyncio.run(run())


async def waits_for_a_lock(url):
    query = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    with connect(url) as connection:
        async with asyncio.timeout(10):
            while connection.execute(query).fetchone() is None:  # noqa: ASYNC110 - the server announces no waiting
                await asyncio.sleep(0.01)


def test_a_lost_connection_is_told_and_the_lease_is_had_again_under_the_same_token(database_url):
    async def run():
        async with lease(database_url) as held, journal(database_url, held) as written:
            heard = changes(held)
            cut(database_url)
            lost = await told(heard)
            assert await told(heard) == RETAKEN
            await written.append("ORDER_INTENT", "o-1", 1, {})
            with pytest.raises(LeaseError):
                await AccountLease(database_url, ACCOUNT).take()
            return lost, held.token, held.held

    lost, token, held = asyncio.run(run())
    assert "server closed the connection unexpectedly" in lost
    assert (token, held) == (1, True)


def test_an_engine_that_was_superseded_knows_it_and_never_takes_the_lease_again(database_url):
    async def run():
        reached, go_on = asyncio.Event(), asyncio.Event()

        async def slow(_delay):
            reached.set()
            await go_on.wait()

        async with lease(database_url, sleep=slow) as first, journal(database_url, first) as stale:
            heard = changes(first)
            with connect(database_url) as blocker:  # first in line for the lock when the connection is cut
                queued = asyncio.to_thread(blocker.execute, "select pg_advisory_lock(%s)", (first.key,))
                queued = asyncio.create_task(queued)
                await waits_for_a_lock(database_url)
                cut(database_url)
                await told(heard)
                await queued
                await reached.wait()
            async with lease(database_url) as second:
                go_on.set()
                assert await told(heard) == SUPERSEDED
                with pytest.raises(LeaseError):
                    await stale.append("ORDER_INTENT", "o-1", 1, {})
                return first.superseded, first.held, second.token

    assert asyncio.run(run()) == (True, False, 2)


def test_a_journal_that_hangs_is_an_error_within_its_patience_and_nothing_is_written_twice(
    database_url, postgres
):
    async def run():
        async with lease(database_url) as held, journal(database_url, held, patience_s=0.3) as written:
            await written.append("ORDER_INTENT", "o-1", 1, {})
            with standing_still(postgres):
                with pytest.raises(StorageError, match=r"did not make ORDER_INTENT o-2 durable in 0\.3 s"):
                    await written.append("ORDER_INTENT", "o-2", 2, {})
                written.note("PREDICTION", "p-1", 3, {})
                with pytest.raises(StorageError, match=r"did not make 1 notes durable in 1\.2 s"):
                    await written.flush()
            await written.append("ORDER_INTENT", "o-3", 3, {})
            await written.flush()

    asyncio.run(run())
    found = keys(database_url)
    assert len(found) == len(set(found))
    assert found[0] == "o-1"
    assert set(found) >= {"o-1", "o-3", "p-1"}


def test_nobody_answers_is_one_line(tmp_path):
    with pytest.raises(StorageError, match="cannot use database"):
        asyncio.run(AccountLease(f"postgresql://u:hunter2@/x?host={tmp_path}", ACCOUNT).take())
