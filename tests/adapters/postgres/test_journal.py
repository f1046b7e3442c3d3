import asyncio
import os
import signal
import uuid
from decimal import Decimal

import psycopg
import pytest

from gal_friday_adapters.postgres.connect import connect
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import BATCH, PAGE, QUEUE_LIMIT, PostgresJournal
from gal_friday_adapters.postgres.migrate import upgrade
from gal_friday_adapters.postgres.server import EmbeddedPostgres
from gal_friday_core.errors import StorageError

SESSION = str(uuid.UUID(int=1))


class FixedClock:
    def now_ns(self):
        return 1_700_000_000_000_000_001


def with_journal(url, body, *, session=SESSION, begin=True):
    async def run():
        async with Database(url) as database:
            journal = PostgresJournal(database, session, FixedClock())
            if begin:
                await journal.begin("paper", config_hash="h", code_version="1")
            try:
                return await body(journal)
            finally:
                await journal.close()

    return asyncio.run(run())


async def entries(journal, **which):
    return [entry async for entry in journal.read(**which)]


async def until(condition):
    """Let the background writer run; it announces nothing."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the writer's progress is seen, not signalled
            await asyncio.sleep(0.01)


def count(url):
    with connect(url) as connection:
        return connection.execute("select count(*) from journal").fetchone()[0]


def test_an_append_is_there_when_it_returns(database_url):
    async def body(journal):
        await journal.append("ORDER_INTENT", "o-1", 17, {"quantity": Decimal("0.010"), "limit": None})
        assert count(database_url) == 1  # seen by another connection
        return await entries(journal)

    (entry,) = with_journal(database_url, body)
    assert (entry.kind, entry.key, entry.ts_ns, entry.session) == ("ORDER_INTENT", "o-1", 17, SESSION)
    assert entry.record == {"quantity": "0.010", "limit": None}


def test_the_same_kind_and_key_are_written_once_and_the_first_stays(database_url):
    async def body(journal):
        await asyncio.gather(*(journal.append("FILL", "f-1", n, {"n": 1}) for n in range(8)))
        await journal.append("FILL", "f-1", 99, {"n": 2})
        await journal.append("FILL", "f-2", 99, {"n": 2})
        await journal.append("POSITION", "f-1", 99, {"n": 2})
        return await entries(journal)

    found = with_journal(database_url, body)
    assert [(entry.kind, entry.key, entry.record["n"]) for entry in found] == [
        ("FILL", "f-1", 1), ("FILL", "f-2", 2), ("POSITION", "f-1", 2),
    ]  # fmt: skip


def test_sessions_do_not_see_each_other_but_can_be_read(database_url):
    other = str(uuid.UUID(int=2))

    async def write(journal):
        await journal.append("FILL", "f-1", 1, {"of": journal.session_id})

    async def body(journal):
        await write(journal)
        return await entries(journal), await entries(journal, session=other), await journal.sessions()

    with_journal(database_url, write, session=other)
    mine, others, sessions = with_journal(database_url, body)
    assert [[entry.record["of"] for entry in found] for found in (mine, others)] == [[SESSION], [other]]
    assert {session["session_id"] for session in sessions} == {SESSION, other}


def test_a_session_says_under_which_override_it_trades(database_url):
    async def body(journal):
        override = {"model_id": "x@v1", "entry_threshold": 0.4, "reason": "refused, paper only"}
        await journal.begin("paper", config_hash="h", code_version="1", model_override=override)
        await journal.begin("live", config_hash="other", code_version="2")  # a second beginning is none
        return await journal.sessions()

    (session,) = with_journal(database_url, body, begin=False)
    assert session["model_override"]["reason"] == "refused, paper only"
    assert (session["mode"], session["started_ns"]) == ("paper", 1_700_000_000_000_000_001)


def test_reading_goes_on_past_a_page_in_order_and_by_kind(database_url):
    async def body(journal):
        for n in range(2 * PAGE + 1):
            journal.note("EVEN" if n % 2 == 0 else "ODD", str(n), n, {"n": n})
        await journal.flush()
        return await entries(journal), await entries(journal, kind="EVEN")

    everything, even = with_journal(database_url, body)
    assert [entry.ts_ns for entry in everything] == list(range(2 * PAGE + 1))
    assert [entry.ts_ns for entry in even] == list(range(0, 2 * PAGE + 1, 2))


def test_notes_are_written_without_being_asked(database_url):
    async def body(journal):
        journal.note("PREDICTION", "1", 1, {"value": 0.5, "gap": float("nan")})
        await until(lambda: not journal.waiting)
        return await entries(journal)

    (entry,) = with_journal(database_url, body)
    assert entry.record == {"value": 0.5, "gap": None}


def test_closing_writes_what_waits(database_url):
    async def body(journal):
        journal.note("PREDICTION", "1", 1, {})

    with_journal(database_url, body)
    assert count(database_url) == 1


def test_notes_beyond_the_queue_are_dropped_and_counted(database_url):
    async def body(journal):
        for n in range(QUEUE_LIMIT + 10):
            journal.note("PREDICTION", str(n), n, {"value": 0.5})
        assert (journal.waiting, journal.dropped) == (QUEUE_LIMIT, 10)
        await journal.flush()
        assert (journal.waiting, journal.written) == (0, QUEUE_LIMIT)

    with_journal(database_url, body)
    assert count(database_url) == QUEUE_LIMIT


def test_a_note_that_cannot_be_stored_does_not_hold_up_the_others(database_url):
    async def body(journal):
        journal.note("PREDICTION", "1", 1, {"text": "a\0b"})
        journal.note("PREDICTION", "2", 2, {"text": "fine"})
        await journal.flush()
        return journal.dropped, await entries(journal)

    dropped, (entry,) = with_journal(database_url, body)
    assert (dropped, entry.key) == (1, "2")


def test_notes_and_appends_share_one_key_space(database_url):
    async def body(journal):
        await journal.append("PREDICTION", "1", 1, {"by": "append"})
        for key in ("1", "2", "2"):
            journal.note("PREDICTION", key, 1, {"by": "note"})
        await journal.flush()
        return await entries(journal)

    found = with_journal(database_url, body)
    assert [(entry.key, entry.record["by"]) for entry in found] == [("1", "append"), ("2", "note")]


def test_refused_notes_stay_queued_and_are_written_when_the_database_takes_them(database_url):
    async def body(journal):
        for n in range(BATCH + 1):
            journal.note("PREDICTION", str(n), n, {})
        with pytest.raises(StorageError, match="foreign key"):
            await journal.flush()  # this session has not begun
        assert (journal.waiting, journal.written) == (BATCH + 1, 0)
        await journal.begin("paper", config_hash="h", code_version="1")
        await journal.flush()
        assert (journal.waiting, journal.written) == (0, BATCH + 1)

    with_journal(database_url, body, begin=False)
    assert count(database_url) == BATCH + 1


def test_the_background_writer_survives_a_refusal_and_counts_it(database_url):
    async def body(journal):
        journal.note("PREDICTION", "1", 1, {})
        await until(lambda: journal.failed_writes > 0)
        await journal.begin("paper", config_hash="h", code_version="1")
        journal.note("PREDICTION", "2", 2, {})
        await until(lambda: not journal.waiting)

    with_journal(database_url, body, begin=False)
    assert count(database_url) == 2


def test_an_append_that_cannot_be_durable_raises(database_url):
    async def body(journal):
        with pytest.raises(StorageError, match="foreign key"):
            await journal.append("ORDER_INTENT", "1", 1, {})

    with_journal(database_url, body, begin=False)
    assert count(database_url) == 0


@pytest.mark.parametrize("table", ["journal", "sessions"])
@pytest.mark.parametrize("change", ["delete from {}", "truncate {} cascade", "update {} set {} = {}"])
def test_nobody_rewrites_the_journal(database_url, table, change):
    with_journal(database_url, lambda journal: journal.append("FILL", "1", 1, {}))
    column = "kind" if table == "journal" else "mode"
    with connect(database_url) as connection, pytest.raises(psycopg.IntegrityError, match="append-only"):
        connection.execute(change.format(table, column, column))
    assert count(database_url) == 1


def test_an_appended_record_survives_a_server_that_is_killed_at_once(tmp_path):
    """The server's own defaults are made careless first: nothing but `append` asks for durability."""
    server = EmbeddedPostgres(tmp_path)
    url = server.start()
    try:
        upgrade(url)
        with connect(url) as connection:
            connection.execute("alter system set synchronous_commit = off")
            connection.execute("alter system set wal_writer_delay = '10s'")
            connection.execute("select pg_reload_conf()")

        async def body(journal):
            await journal.append("ORDER_INTENT", "o-1", 1, {})
            postmaster = int((tmp_path / "cluster" / "postmaster.pid").read_text().split()[0])
            os.kill(postmaster, signal.SIGQUIT)  # immediate shutdown: nothing is flushed any more

        with_journal(url, body)
        server.stop()
        assert count(server.start()) == 1
    finally:
        server.stop()
