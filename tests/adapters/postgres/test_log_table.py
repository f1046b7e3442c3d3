"""Log lines in the real database: whole batches, odd text included, old lines gone, the journal never in the way."""

import pytest

from gal_friday_adapters.postgres.connect import connect
from gal_friday_adapters.postgres.log_table import LogLine, LogTable
from gal_friday_core.errors import StorageError


def line(message="hello", **changes):
    values = {
        "ts_ns": 1_700_000_000_000_000_000,
        "level": "INFO",
        "source_module": "Test",
        "message": message,
    }
    return LogLine(**{**values, **changes})


def rows(url):
    with connect(url) as connection:
        return connection.execute(
            "select ts_ns, level, source_module, message, context, exception, run from log_entries order by id"
        ).fetchall()


@pytest.fixture
def table(database_url):
    table = LogTable(database_url, run="run-1", keep_days=30)
    yield table
    table.close()


def test_a_batch_is_stored_in_order_with_its_context(database_url, table):
    table.write([line(f"m{number}", context={"pair": "BTC/USD", "n": number}) for number in range(3)])
    assert [(row[3], row[4]["n"], row[6]) for row in rows(database_url)] == [
        ("m0", 0, "run-1"), ("m1", 1, "run-1"), ("m2", 2, "run-1"),
    ]  # fmt: skip


def test_text_that_postgresql_cannot_hold_is_stored_as_near_as_it_can(database_url, table):
    table.write([line("a\0b", context={"x\0": ["\0", 1]}, exception="\0", source_module="s\0")])
    assert rows(database_url)[0][2:6] == ("s\ufffd", "a\ufffdb", {"x\ufffd": ["\ufffd", 1]}, "\ufffd")


def test_lines_older_than_the_retention_go(database_url, table):
    table.write([line("old")])
    table.close()
    with connect(database_url) as connection:
        connection.execute("update log_entries set recorded_at = now() - interval '31 days'")
    again = LogTable(database_url, run="run-2", keep_days=30)
    again.write([line("new")])
    again.close()
    assert [row[3] for row in rows(database_url)] == ["new"]


def test_a_connection_that_the_server_ended_is_made_anew(database_url, table):
    table.write([line("before")])
    with connect(database_url) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'gal-friday-log'"
            " and datname = current_database()"
        )
    with pytest.raises(StorageError):
        table.write([line("lost, and tried again")])
    table.write([line("lost, and tried again")])
    assert [row[3] for row in rows(database_url)] == ["before", "lost, and tried again"]


def test_an_absent_database_is_named_without_its_password():
    table = LogTable("postgresql://ada:hunter2@127.0.0.1:1/none", run="", keep_days=1)
    with pytest.raises(StorageError, match=r'database "none" on 127\.0\.0\.1:1') as failed:
        table.write([line()])
    assert "hunter2" not in str(failed.value)
