import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from gal_friday_adapters.postgres import account
from gal_friday_adapters.postgres import server as server_module
from gal_friday_adapters.postgres.connect import connect, url_parts
from gal_friday_adapters.postgres.server import EmbeddedPostgres, binaries
from gal_friday_core.errors import StorageError
from tests.adapters.postgres import standing_still as standing_still_module
from tests.adapters.postgres.standing_still import processes_of, standing_still
from tests.bounded import line_of

ROOT = Path(__file__).resolve().parents[3]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root must become somebody else")
ENDS_WITHIN_S = 90
OWNER = """
import sys
from pathlib import Path
from gal_friday_adapters.postgres.server import EmbeddedPostgres

server = EmbeddedPostgres(Path(sys.argv[1]))
print(server.start(), flush=True)
sys.stdin.read()
server.stop()
"""


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory whose cluster exists and stands still; every test leaves it so."""
    folder = tmp_path_factory.mktemp("used")
    with EmbeddedPostgres(folder) as server, connect(server.url()) as connection:
        connection.execute("create table kept (a int)")
        connection.execute("insert into kept values (7)")
    return folder


@pytest.fixture
def copied(used: Path, tmp_path: Path) -> Path:
    """A data directory with a copy of the used cluster, to be damaged or moved about."""
    shutil.copytree(used / "cluster", tmp_path / "data" / "cluster")
    return tmp_path / "data"


@pytest.fixture
def owner(used: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that owns the server, until its standard input closes."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, used],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        assert line_of(process.stdout)
        yield process
    finally:
        process.stdin.close()
        process.wait(ENDS_WITHIN_S)
        process.stdout.close()


def postmaster(data_dir: Path) -> psutil.Process:
    return psutil.Process(int((data_dir / "cluster" / "postmaster.pid").read_text().split("\n")[0]))


def alive(process: psutil.Process) -> bool:
    """A killed orphan counts as gone, though init may be slow to bury it."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def kept_value(url: str) -> object:
    with connect(url) as connection:
        row = connection.execute("select a from kept").fetchone()
    return row and row[0]


def test_a_new_directory_gets_a_server_without_tcp_and_stop_ends_it(tmp_path: Path) -> None:
    before = psutil.Process().children()
    with EmbeddedPostgres(tmp_path / "with space" / "pg") as server:
        with connect(server.url()) as connection:
            assert connection.execute("show listen_addresses").fetchone() == ("",)
            assert connection.execute("show fsync").fetchone() == ("on",)
            assert connection.execute("select current_database()").fetchone() == ("gal_friday",)
        running = postmaster(server.data_dir)
        assert running.net_connections("inet") == []
        for private in (server.data_dir / "cluster", Path(url_parts(server.url())["host"])):
            assert private.stat().st_mode & 0o777 == 0o700
        server.stop()
        server.stop()
        assert not running.is_running()
        assert psutil.Process().children() == before
        with pytest.raises(StorageError):
            kept_value(server.url())


def test_what_was_written_is_there_after_a_restart(used: Path) -> None:
    with EmbeddedPostgres(used) as server:
        assert kept_value(server.url()) == 7


def test_a_second_user_attaches_and_does_not_stop_the_server(
    used: Path, owner: "subprocess.Popen[str]"
) -> None:
    with EmbeddedPostgres(used) as second:
        assert not second.owns
        assert kept_value(second.url()) == 7
    assert postmaster(used).is_running()
    assert kept_value(second.url()) == 7


def test_an_owner_that_ends_leaves_the_server_to_who_works_with_it_and_the_last_one_stops_it(
    used: Path,
) -> None:
    owner, second, third = (EmbeddedPostgres(used) for _ in range(3))
    owner.start()
    second.start()
    running = postmaster(used)
    owner.stop()
    assert kept_value(second.url()) == 7
    third.start()
    assert third.owns
    third.stop()
    assert kept_value(second.url()) == 7
    second.stop()
    assert not alive(running)
    assert not (used / "cluster" / "postmaster.pid").exists()


def test_a_server_whose_owner_was_killed_is_adopted_and_then_stopped(
    used: Path, owner: "subprocess.Popen[str]"
) -> None:
    left_running = postmaster(used)
    owner.kill()
    owner.wait(ENDS_WITHIN_S)
    assert left_running.is_running()
    with EmbeddedPostgres(used) as heir:
        assert heir.owns
        assert postmaster(used).pid == left_running.pid
        assert kept_value(heir.url()) == 7
    assert not alive(left_running)


def test_a_killed_server_recovers_at_the_next_start(used: Path, owner: "subprocess.Popen[str]") -> None:
    left_running = postmaster(used)
    owner.kill()
    owner.wait(ENDS_WITHIN_S)
    left_running.kill()
    with EmbeddedPostgres(used) as server:
        assert kept_value(server.url()) == 7
        assert postmaster(used).pid != left_running.pid


def test_a_start_waits_for_what_still_lives_of_a_killed_server(
    used: Path, owner: "subprocess.Popen[str]"
) -> None:
    left_running = postmaster(used)
    part = left_running.children()[0]
    part.suspend()  # it cannot notice that its parent died
    owner.kill()
    owner.wait(ENDS_WITHIN_S)
    left_running.kill()
    left_running.wait(ENDS_WITHIN_S)
    server = EmbeddedPostgres(used)
    with ThreadPoolExecutor() as threads:
        starting = threads.submit(server.start)
        while "still in use" not in (used / "server.log").read_text(encoding="utf-8"):
            assert not starting.done()
        part.resume()
        assert kept_value(starting.result()) == 7
    server.stop()


def test_a_pid_file_that_names_a_stranger_is_stale(used: Path) -> None:
    pid_file = used / "cluster" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{used / 'cluster'}\n1700000000\n5432\n\n\n", encoding="utf-8")
    with EmbeddedPostgres(used) as server:
        assert kept_value(server.url()) == 7
        assert postmaster(used).pid != os.getpid()


def test_control_c_in_our_terminal_does_not_reach_the_server(
    used: Path, owner: "subprocess.Popen[str]"
) -> None:
    server = postmaster(used)
    assert os.getpgid(server.pid) != os.getpgid(owner.pid)
    assert os.getsid(server.pid) != os.getsid(owner.pid)


def test_an_interrupted_initialisation_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "cluster.new").mkdir()
    (tmp_path / "cluster.new" / "PG_VERSION").write_text("18", encoding="utf-8")
    with EmbeddedPostgres(tmp_path) as server:
        assert server.owns
    assert not (tmp_path / "cluster.new").exists()


def test_a_path_too_long_for_a_socket_gets_a_short_private_folder(copied: Path) -> None:
    deep = copied.rename(copied.with_name("a" * 90))
    with EmbeddedPostgres(deep) as server:
        assert EmbeddedPostgres(deep).url() == server.url()
        short = Path((deep / "socket_directory").read_text(encoding="utf-8").strip())
        assert short.stat().st_mode & 0o777 == 0o700
        assert kept_value(server.url()) == 7
    with EmbeddedPostgres(deep) as again:
        assert str(short) in again.url()
    short.rmdir()  # swept away between two starts, as temporary folders are
    with EmbeddedPostgres(deep) as moved:
        assert str(short) not in moved.url()
        assert kept_value(moved.url()) == 7


def test_a_cluster_of_another_version_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "PG_VERSION").write_text("16\n", encoding="utf-8")
    with pytest.raises(StorageError, match="made by PostgreSQL 16, this is 18"):
        EmbeddedPostgres(tmp_path).start()
    assert (tmp_path / "cluster" / "PG_VERSION").read_text(encoding="utf-8") == "16\n"


def test_a_data_directory_that_cannot_be_written_says_what_to_set() -> None:
    with pytest.raises(StorageError, match="set GAL_FRIDAY_DATA_DIR"):
        EmbeddedPostgres(Path("/dev/null/data")).start()


def test_a_damaged_cluster_is_one_line_with_the_end_of_its_log(copied: Path) -> None:
    before = psutil.Process().children()
    (copied / "cluster" / "global" / "pg_control").unlink()
    with pytest.raises(StorageError, match=r"did not start: .*could not find the database system") as caught:
        EmbeddedPostgres(copied).start()
    assert "\n" not in str(caught.value)
    assert psutil.Process().children() == before


def test_foreign_postgres_variables_change_nothing(used: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("PGPORT", "6543"),
        ("PGHOST", "elsewhere"),
        ("PGDATA", "/nowhere"),
        ("PGUSER", "ada"),
    ):
        monkeypatch.setenv(name, value)
    with EmbeddedPostgres(used) as server:
        assert kept_value(server.url()) == 7


@as_root
def test_root_keeps_the_user_who_made_the_cluster(copied: Path) -> None:
    (copied / "cluster").chmod(0o700)
    daemon = pwd.getpwnam("daemon")
    os.chown(copied / "cluster", daemon.pw_uid, daemon.pw_gid)
    assert account.choose_account(binaries(), copied / "cluster").uid == daemon.pw_uid


@as_root
def test_root_takes_over_a_cluster_whose_owner_is_unknown_here(copied: Path) -> None:
    os.chown(copied / "cluster", 54321, 54321)
    with EmbeddedPostgres(copied) as server:
        assert kept_value(server.url()) == 7


@pytest.fixture
def roots_own_binaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL's programs where only root may go, as in a virtual environment below root's home."""
    closed = tmp_path / "closed"
    wheel = binaries().parents[1]
    for folder in (binaries().parent, *wheel.parent.glob(f"{wheel.name}.libs")):
        shutil.copytree(folder, closed / folder.relative_to(wheel.parent), symlinks=True)
    closed.chmod(0o700)
    moved = closed / binaries().relative_to(wheel.parent)
    monkeypatch.setattr(server_module, "binaries", lambda: moved)


@as_root
@pytest.mark.usefixtures("roots_own_binaries")
@pytest.mark.parametrize("way", ["drop+reach", "namespace"])
def test_each_way_of_leaving_root_makes_and_runs_a_cluster_behind_closed_folders(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "WAYS", (way,))
    tmp_path.chmod(0o700)
    try:
        server = EmbeddedPostgres(tmp_path / "pg")
        url = server.start()
    except StorageError as error:
        if way == "namespace" and "Operation not permitted" in str(error):
            pytest.skip("user namespaces are switched off here")
        raise
    with connect(url) as connection:
        connection.execute("create table t (a int)")
        connection.execute("checkpoint")
    assert postmaster(tmp_path / "pg").uids().real == (0 if way == "namespace" else 65534)
    assert (tmp_path / "pg" / "cluster").stat().st_uid == (0 if way == "namespace" else 65534)
    server.stop()


@as_root
def test_a_root_that_can_be_nobody_else_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setattr(account, "WAYS", ("drop",))  # a plain change of user cannot enter a 0700 folder
    with pytest.raises(StorageError, match=r"refuses to run as root.*start as an ordinary user"):
        EmbeddedPostgres(tmp_path / "pg").start()


def test_a_program_of_the_server_that_never_ends_is_stopped_and_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(account, "ENDS_WITHIN_S", 0.2)
    with pytest.raises(StorageError, match=r"sleep did not end in 0\.2 s"):
        account.Account(os.geteuid(), os.getegid()).run(["/bin/sleep", "600"])


def test_a_process_that_ends_as_it_is_stopped_leaves_no_other_standing(
    used: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedPostgres(used) as server:
        gone = subprocess.Popen(["/bin/true"])
        ended = psutil.Process(gone.pid)
        gone.wait(ENDS_WITHIN_S)
        there = processes_of(server)
        monkeypatch.setattr(standing_still_module, "processes_of", lambda _: [*there, ended])
        with standing_still(server), pytest.raises(StorageError):
            kept_value(server.url())
        assert kept_value(server.url()) == 7


@as_root
def test_an_ordinary_user_needs_no_tricks(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)
    daemon = pwd.getpwnam("daemon")
    program = "from pathlib import Path;import sys;from gal_friday_adapters.postgres.server import *\n"
    program += "with EmbeddedPostgres(Path(sys.argv[1])) as s: print(s.owns)"
    # Root's reach is kept, since the interpreter of this test may lie where only root may go.
    launcher = [
        sys.executable,
        ROOT / "gal_friday_adapters" / "postgres" / "run_as.py",
        "drop+reach",
        str(daemon.pw_uid),
    ]
    ran = subprocess.run(
        [*launcher, str(daemon.pw_gid), sys.executable, "-c", program, tmp_path / "pg"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        capture_output=True,
        check=False,
    )
    assert ran.stdout == "True\n", ran.stderr
