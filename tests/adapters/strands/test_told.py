"""What was told of a journal is kept as long as strands, and nothing is told twice or left out when it goes."""

import uuid

import psycopg
import pytest

from gal_friday_adapters.postgres.connect import connect
from gal_friday_adapters.postgres.journal_within import JournalWithin, untold
from gal_friday_adapters.strands.communicator import DirectTableCommunicator
from gal_friday_core.errors import StorageError
from tests.adapters.strands.strand_parts import rows, with_database

SESSION, OTHER = (str(uuid.uuid4()) for _ in range(2))
KINDS = ("EXECUTION_REPORT",)


class Told:
    """Two sessions' journals with lines, some of them told."""

    def __init__(self, url, database):
        self._url, self._database = url, database
        with connect(url) as connection:
            for session in (SESSION, OTHER):
                connection.execute(
                    "insert into sessions (session_id, mode, started_ns, config_hash, code_version) "
                    "values (%s, 'paper', 1, '', '')",
                    (session,),
                )

    def journal(self, *keys, session=SESSION, kind="EXECUTION_REPORT"):
        with connect(self._url) as connection:
            for key in keys:
                connection.execute(
                    "insert into journal (session, kind, key, ts_ns, record) values (%s, %s, %s, 1, '{}')",
                    (session, kind, key),
                )

    async def waiting(self, session=SESSION, limit=100):
        async with self._database.transaction() as connection:
            return await untold(connection, session, KINDS, limit=limit)

    async def tell(self, *keys, session=SESSION):
        lines = [line for line in await self.waiting(session) if line.key in keys]
        async with self._database.transaction() as connection:
            await JournalWithin(session, None).tell(connection, [(line, f"s{line.key}") for line in lines])
        return lines

    async def clean(self, *, days_later=0):
        """What strands of a week ago are cleaned with, so many days later."""
        with connect(self._url) as connection:
            connection.execute(
                "update strand_told set told_at = told_at - make_interval(days => %s)", (days_later,)
            )
        await DirectTableCommunicator(self._database, "dm").clean(7)


def told(url, body):
    async def conversation(database):
        await body(Told(url, database))

    with_database(url, conversation)


def left(url, session=SESSION):
    return [
        strand
        for (strand,) in rows(
            url, "select strand from strand_told where session = %s order by line", [session]
        )
    ]


def test_what_was_told_long_ago_goes_but_for_the_last_of_it_and_is_not_told_again(database_url):
    async def body(journal):
        journal.journal("1", "2", "3", kind="EXECUTION_REPORT")
        journal.journal("1", session=OTHER)
        await journal.tell("1", "2", "3")
        await journal.tell("1", session=OTHER)
        await journal.clean()
        assert left(database_url) == ["s1", "s2", "s3"], "it is not a week old"
        await journal.clean(days_later=8)
        assert (left(database_url), left(database_url, OTHER)) == (["s3"], ["s1"])
        assert await journal.waiting() == []
        journal.journal("4", "5")
        assert [line.key for line in await journal.tell("4", "5")] == ["4", "5"]
        await journal.clean(days_later=8)
        assert left(database_url) == ["s5"]
        assert await journal.waiting() == []

    told(database_url, body)


def test_a_line_that_waits_is_told_however_long_those_behind_it_were(database_url):
    async def body(journal):
        journal.journal("1", "late", "3", "4")
        await journal.tell("1", "3", "4")
        await journal.clean(days_later=8)
        assert left(database_url) == ["s1", "s3", "s4"]
        assert [line.key for line in await journal.waiting()] == ["late"]
        await journal.tell("late")
        await journal.clean(days_later=8)
        assert left(database_url) == ["s4"]

    told(database_url, body)


def test_nobody_tells_a_line_twice(database_url):
    async def body(journal):
        journal.journal("1")
        (line,) = await journal.tell("1")
        with pytest.raises(StorageError) as refused:
            async with journal._database.transaction() as connection:
                await JournalWithin(SESSION, None).tell(connection, [(line, "again")])
        assert isinstance(refused.value.__cause__, psycopg.errors.UniqueViolation)
        assert left(database_url) == ["s1"]

    told(database_url, body)


def test_a_former_holder_of_the_lease_tells_nothing(database_url):
    async def body(journal):
        journal.journal("1")
        (line,) = await journal.waiting()
        rows(database_url, "select take_engine_lease(%s, 'process 2')", [SESSION])
        with pytest.raises(StorageError, match="another process has taken over this session"):
            async with journal._database.transaction() as connection:
                await JournalWithin(SESSION, lambda: 7).tell(connection, [(line, "s1")])
        assert left(database_url) == []

    told(database_url, body)
