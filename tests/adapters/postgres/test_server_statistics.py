"""A server of the user's own that keeps statistics of statements: Debian's, where it is installed, on a socket of its own."""

import asyncio
import shutil
import signal
import tempfile
import time
from pathlib import Path

import pytest
from psycopg import OperationalError

from gal_friday_adapters.postgres.account import choose_account
from gal_friday_adapters.postgres.connect import connect, socket_url, with_database
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.migrate import ensure_database, upgrade
from gal_friday_adapters.postgres.slow_statements import slow_statements
from gal_friday_core.errors import StorageError
from tests.bounded import PATIENCE_S

LIBRARY = "pg_stat_statements"


def own_server():
    """The programs of a server that has the statistics, or None."""
    for library in sorted(Path("/usr/lib/postgresql").glob(f"*/lib/{LIBRARY}.so"), reverse=True):
        return library.parents[1] / "bin"
    return None


@pytest.fixture(scope="module")
def server_url():
    """A server that collects statistics, with this program's schema, gone after the tests."""
    programs = own_server()
    if programs is None:
        pytest.skip("no PostgreSQL with pg_stat_statements: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="gf-statistics-"))
    cluster = folder / "cluster"
    cluster.mkdir(mode=0o700)
    folder.chmod(0o755)
    account = choose_account(programs, cluster)
    # Without a locale its databases hold bytes, not text: ours must not.
    made = account.run(
        [programs / "initdb", "-D", cluster, "--username=postgres", "--auth=trust", "--no-sync"]
    )
    assert made.returncode == 0, made.stdout
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(cluster),
        "shared_preload_libraries": LIBRARY,
        "fsync": "off",
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    server = account.spawn([programs / "postgres", "-D", cluster, *options], folder / "log")
    try:
        answers(socket_url(cluster, "postgres"), folder / "log")
        url = ensure_database(socket_url(cluster, "postgres"), "gal_friday")
        upgrade(url)
        yield url
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(PATIENCE_S)
        shutil.rmtree(folder)


def answers(url, log):
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            with connect(url):
                return
        except (OperationalError, StorageError):
            assert time.monotonic() < deadline, log.read_text(errors="replace")
            time.sleep(0.05)


async def told(url):
    async with Database(url) as database:
        for number in range(3):
            async with database.transaction() as connection:
                await connection.execute(
                    "select count(*) as n from journal where seq > %(seq)s", {"seq": number}
                )
        return await slow_statements(database, 1_000)


def test_a_database_of_bytes_is_refused_with_how_to_make_one_of_text(server_url):
    with pytest.raises(StorageError, match="keeps text as SQL_ASCII: make one with create database NAME"):
        upgrade(with_database(server_url, "postgres"))


def test_without_the_extension_the_times_are_our_own_and_this_version_tells_no_plans(server_url):
    source, slowest = asyncio.run(told(server_url))
    assert source == "own timings"
    (counted,) = [one for one in slowest if one.text.startswith("select count(*) as n from journal")]
    assert counted.calls == 3
    with connect(server_url) as connection:
        generic = connection.info.server_version >= 160_000
    assert (counted.plan is not None) == generic


def test_with_the_extension_the_times_are_the_server_s_with_values_left_out(server_url):
    with connect(server_url) as connection:
        connection.execute(f"create extension {LIBRARY}")
    source, slowest = asyncio.run(told(server_url))
    assert source == LIBRARY
    (counted,) = [one for one in slowest if one.text == "select count(*) as n from journal where seq > $1"]
    assert counted.calls >= 3
    assert counted.total_ms == pytest.approx(counted.calls * counted.mean_ms)
    assert slowest == sorted(slowest, key=lambda one: -one.total_ms)
