import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable

import psutil
import psycopg
import pytest

from gal_friday_adapters.postgres import database as database_module
from gal_friday_adapters.postgres.connect import connect, sqlalchemy_url, url_parts, with_database
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.migrate import ensure_database, revisions, upgrade
from gal_friday_adapters.postgres.server import EmbeddedPostgres
from gal_friday_core.errors import StorageError


def with_open_database(url: str, body: Callable[[Database], Awaitable[None]]) -> None:
    async def run() -> None:
        async with Database(url) as database:
            await body(database)

    asyncio.run(run())


def test_rows_are_dictionaries_and_a_block_without_exception_commits(database_url: str) -> None:
    async def body(database: Database) -> None:
        async with database.connection() as connection:
            await connection.execute("create table t (a int)")
            await connection.execute("insert into t values (%s)", (7,))
        async with database.connection() as connection:
            rows = await (await connection.execute("select a from t")).fetchall()
        assert rows == [{"a": 7}]

    with_open_database(database_url, body)


def test_without_a_transaction_each_statement_is_seen_at_once_and_a_failure_undoes_itself_only(
    database_url: str,
) -> None:
    async def body(database: Database) -> None:
        async with database.autocommit() as connection:
            await connection.execute("create table t (a int primary key)")
            with connect(database_url) as other:
                other.execute("insert into t values (1)")
        with pytest.raises(StorageError, match="duplicate key"):
            async with database.autocommit() as connection:
                await connection.execute("insert into t values (1)")
        with pytest.raises(LookupError):  # the same connection takes part in transactions again
            await insert_and_fail(database)
        async with database.connection() as connection:
            assert await (await connection.execute("select a from t")).fetchall() == [{"a": 1}]

    with_open_database(database_url, body)


def test_a_connection_that_breaks_outside_a_transaction_is_replaced(database_url: str) -> None:
    async def body(database: Database) -> None:
        with pytest.raises(StorageError):
            async with database.autocommit() as connection:
                await connection.execute("select pg_terminate_backend(pg_backend_pid())")
        async with database.autocommit() as connection:
            assert await (await connection.execute("select 1 as one")).fetchone() == {"one": 1}

    with_open_database(database_url, body)


def test_an_exception_inside_a_transaction_rolls_it_back(database_url: str) -> None:
    async def body(database: Database) -> None:
        async with database.transaction() as connection:
            await connection.execute("create table t (a int)")
        with pytest.raises(LookupError):
            await insert_and_fail(database)
        async with database.connection() as connection:
            assert await (await connection.execute("select 1 from t")).fetchone() is None

    with_open_database(database_url, body)


def test_a_driver_error_leaves_as_storage_error_with_its_cause(database_url: str) -> None:
    async def body(database: Database) -> None:
        with pytest.raises(StorageError, match='relation "nowhere" does not exist') as caught:
            async with database.connection() as connection:
                await connection.execute("select * from nowhere")
        assert isinstance(caught.value.__cause__, psycopg.errors.UndefinedTable)

    with_open_database(database_url, body)


def test_the_pool_recovers_after_its_connections_were_cut(database_url: str) -> None:
    async def body(database: Database) -> None:
        cut_connections(database_url)
        async with database.connection() as connection:
            assert await (await connection.execute("select 1 as one")).fetchone() == {"one": 1}

    with_open_database(database_url, body)


def test_listen_says_when_it_begins_and_then_yields_payloads(database_url: str) -> None:
    async def body(database: Database) -> None:
        heard = database.listen("Some channel")
        assert await next_of(heard) == ""
        notify(database_url, "Some channel", "first", "second")
        assert [await next_of(heard), await next_of(heard)] == ["first", "second"]
        await heard.aclose()

    with_open_database(database_url, body)


def test_a_server_that_hangs_gives_no_connection_away_and_says_so_in_time(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits in the pool is asked before it is given away; who does not answer that is nobody to wait for."""
    monkeypatch.setattr(database_module, "PROBE_S", 0.1)

    async def run() -> None:
        async with Database(database_url, size=1, timeout_s=30.0) as database:
            async with database.connection() as connection:
                process = psutil.Process(connection.info.backend_pid)
            process.suspend()
            try:
                async with asyncio.timeout(60):
                    async with database.connection() as connection:  # another one, in its place
                        assert connection.info.backend_pid != process.pid
            finally:
                process.resume()

    asyncio.run(run())


def test_listen_returns_after_a_lost_connection_with_an_empty_hint(database_url: str) -> None:
    async def body(database: Database) -> None:
        heard = database.listen("news")
        assert await next_of(heard) == ""
        cut_connections(database_url)
        assert await next_of(heard) == ""
        notify(database_url, "news", "again")
        assert await next_of(heard) == "again"
        await heard.aclose()

    with_open_database(database_url, body)


def test_a_server_that_only_falls_silent_is_a_lost_connection_too(database_url: str) -> None:
    """The line stands, and whatever is notified would never come."""

    async def body(database: Database) -> None:
        heard = database.listen("news")
        assert await next_of(heard) == ""
        with connect(database_url) as connection:
            found = "select pid from pg_stat_activity where query = 'listen \"news\"'"
            ((pid,),) = connection.execute(found).fetchall()
        process = psutil.Process(pid)
        process.suspend()
        try:
            assert await next_of(heard) == ""
            notify(database_url, "news", "again")
            assert await next_of(heard) == "again"
        finally:
            process.resume()
        await heard.aclose()

    with_open_database(database_url, body)


def test_what_is_notified_while_a_quiet_server_is_asked_is_heard(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "PROBE_S", 0.0)
    patience = 60.0

    async def answered(connection: database_module.Connection) -> None:
        async with asyncio.timeout(patience):
            await connection.execute("select 1")

    monkeypatch.setattr(database_module, "_probe", answered)

    async def body(opened: Database) -> None:
        heard = opened.listen("news")
        assert await next_of(heard) == ""
        for number in range(50):
            notify(database_url, "news", str(number))
            assert await next_of(heard) == str(number)
        await heard.aclose()

    with_open_database(database_url, body)


def test_a_listener_is_cancelled_while_it_waits(database_url: str) -> None:
    async def body(database: Database) -> None:
        heard = database.listen("news")
        assert await next_of(heard) == ""
        waiting = asyncio.create_task(next_of(heard))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    with_open_database(database_url, body)


def test_using_a_closed_database_is_a_storage_error(database_url: str) -> None:
    async def run() -> None:
        database = Database(database_url)
        with pytest.raises(StorageError, match="no connection to database"):
            async with database.connection():
                pass

    asyncio.run(run())


@pytest.mark.parametrize(
    "url",
    [
        "",
        "gal_friday",
        "mysql://ada:hunter2@host/db",
        "postgresql://ada:hunter2@host:port:x/db",
        "host=x password=hunter2",
    ],
)
def test_a_wrong_address_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(StorageError, match="postgresql://USER:PASSWORD@HOST") as caught:
        Database(url)
    assert "hunter2" not in str(caught.value)


def test_an_unreachable_server_is_one_line_with_advice_and_no_password() -> None:
    with pytest.raises(StorageError) as caught:
        asyncio.run(Database("postgresql://ada:hunter2@127.0.0.1:9/gal_friday").open())
    message = str(caught.value)
    assert 'database "gal_friday" on 127.0.0.1:9' in message
    assert "GAL_FRIDAY_DATABASE_URL" in message
    assert "\n" not in message
    assert "hunter2" not in message


def test_a_missing_database_says_to_create_it(postgres: EmbeddedPostgres) -> None:
    with pytest.raises(StorageError, match="create that database, or correct GAL_FRIDAY_DATABASE_URL"):
        asyncio.run(Database(postgres.url("absent")).open())


def test_a_wrong_password_says_so(database_url: str, postgres: EmbeddedPostgres) -> None:
    rules = postgres.data_dir / "cluster" / "pg_hba.conf"
    kept = rules.read_text(encoding="utf-8")
    with connect(database_url) as connection:
        connection.execute("create role ada login password 'right'")
        rules.write_text("local all ada scram-sha-256\n" + kept, encoding="utf-8")
        connection.execute("select pg_reload_conf()")
        parts = url_parts(database_url)
        wrong = f"postgresql://ada:hunter2@/{parts['dbname']}?host={parts['host']}&port={parts['port']}"
        message = ""
        while "password" not in message:  # the reload is asynchronous: until then anybody is let in
            try:
                with connect(wrong):
                    continue
            except StorageError as error:
                message = str(error)
        rules.write_text(kept, encoding="utf-8")
        connection.execute("select pg_reload_conf()")
        connection.execute("drop role ada")
    assert 'password authentication failed for user "ada"' in message
    assert "check user and password" in message
    assert "hunter2" not in message


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_sqlalchemy_reaches_the_same_database_with_either_driver(database_url: str, driver: str) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    pytest.importorskip(driver)
    engine = sqlalchemy.create_engine(sqlalchemy_url(database_url, driver))
    with engine.connect() as connection:
        assert (
            connection.scalar(sqlalchemy.text("select current_database()"))
            == url_parts(database_url)["dbname"]
        )
    engine.dispose()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:p%40s%2Fs@db.example:5433/my%20db?sslmode=require",
        "postgresql://[::1]:5433/x",
        "postgresql://ada@/x?host=/run/my%20folder",
        "postgresql://ada@a:1,b:2/x",
        "postgres:///x",
    ],
)
def test_an_address_means_the_same_after_its_database_was_named_again(url: str) -> None:
    parts = url_parts(url)
    assert url_parts(with_database(url, parts["dbname"])) == parts
    assert url_parts(with_database(url, "ot/her")) == {**parts, "dbname": "ot/her"}


def test_ensure_database_creates_once_and_gives_its_address(postgres: EmbeddedPostgres) -> None:
    first = ensure_database(postgres.url(), "dagster")
    assert ensure_database(postgres.url(), "dagster") == first
    with connect(first) as connection:
        assert connection.execute("select current_database()").fetchone() == ("dagster",)


def test_upgrade_applies_every_revision_once(postgres: EmbeddedPostgres) -> None:
    url = ensure_database(postgres.url(), f"fresh_{os.getpid()}")
    assert upgrade(url) == revisions()
    assert upgrade(url) == []


def test_a_schema_from_the_future_is_refused(database_url: str) -> None:
    with connect(database_url) as connection:
        connection.execute("update alembic_version set version_num = '9999_from_the_future'")
    with pytest.raises(StorageError, match="schema 9999_from_the_future"):
        upgrade(database_url)


async def insert_and_fail(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("insert into t values (7)")
        raise LookupError


async def next_of(heard: AsyncIterator[str]) -> str:
    async with asyncio.timeout(10):
        return await anext(heard)


def notify(url: str, channel: str, *payloads: str) -> None:
    with connect(url) as connection:
        for payload in payloads:
            connection.execute("select pg_notify(%s, %s)", (channel, payload))


def cut_connections(url: str) -> None:
    with connect(url) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )
