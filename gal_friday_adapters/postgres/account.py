"""The user that runs PostgreSQL: ourselves, or, since PostgreSQL refuses root, somebody without privileges."""

import os
import pwd
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gal_friday_core.errors import StorageError

WAYS = ("drop", "drop+reach", "namespace")
"""Of `run_as.py`, the one with the least power first."""
_LAUNCHER = Path(__file__).with_name("run_as.py")
# Reads what PostgreSQL reads and writes where it writes: $1 bin folder, $2 a file it needs, $3 its data.
_PROBE = '"$1/initdb" --version && "$1/postgres" --version && test -r "$2" && test -w "$3" && test -x "$3"'


@dataclass(frozen=True, slots=True)
class Account:
    """Who owns PostgreSQL's files, and the command that puts a program under that user."""

    uid: int
    gid: int
    prefix: tuple[str, ...] = ()

    def own(self, directory: Path) -> None:
        """Give the directory, and what is in it, to this account."""
        if os.geteuid() != 0:
            return
        for folder, _, names in os.walk(directory):
            os.chown(folder, self.uid, self.gid)
            for name in names:
                os.chown(Path(folder) / name, self.uid, self.gid, follow_symlinks=False)

    def run(self, command: Sequence[str | Path]) -> "subprocess.CompletedProcess[str]":
        """Run to the end under this account; what it said, errors included, is in `stdout`."""
        return subprocess.run(  # noqa: S603 - our own launcher and the wheel's binaries
            [*self.prefix, *map(str, command)],
            cwd="/",
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def spawn(self, command: Sequence[str | Path], log: Path) -> "subprocess.Popen[bytes]":
        """Start under this account, in a session of its own: Ctrl-C in our terminal does not reach it."""
        with log.open("ab") as output:
            return subprocess.Popen(  # noqa: S603 - our own launcher and the wheel's binaries
                [*self.prefix, *map(str, command)],
                cwd="/",
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


def choose_account(binaries: Path, data: Path) -> Account:
    """The account that can run PostgreSQL from `binaries` on the existing directory `data`, now its owner.

    Raises StorageError when we are root and no way of being somebody else works here.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    uid, gid = _unprivileged(data)
    refusals = []
    for way in WAYS:
        account = _account(way, uid, gid)
        account.own(data)
        probe = account.run(["/bin/sh", "-c", _PROBE, "probe", binaries, _needed_file(binaries), data])
        if probe.returncode == 0:
            return account
        refusals.append(" ".join(probe.stdout.split()) or way)
    raise StorageError(
        "PostgreSQL refuses to run as root, and no other user can run it here "
        f"({'; '.join(refusals)}): start as an ordinary user, "
        "or set GAL_FRIDAY_DATABASE_URL to a server of your own"
    )


def _environment() -> dict[str, str]:
    """Ours in the plain locale, and without the variables by which PostgreSQL could be redirected."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_"))}
    return {**kept, "LC_ALL": "C"}


def _account(way: str, uid: int, gid: int) -> Account:
    prefix = (sys.executable, "-I", "-S", str(_LAUNCHER), way, str(uid), str(gid))
    # In a namespace of its own the process only looks like that user: its files stay root's.
    return Account(0, 0, prefix) if way == "namespace" else Account(uid, gid, prefix)


def _unprivileged(data: Path) -> tuple[int, int]:
    """The present owner of the data unless that is root, else `nobody`, who exists on every system."""
    owner = data.stat()
    if owner.st_uid != 0:
        return owner.st_uid, owner.st_gid
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError as error:
        raise StorageError(
            "PostgreSQL refuses to run as root and there is no user `nobody`: start as an ordinary user"
        ) from error
    return nobody.pw_uid, nobody.pw_gid


def _needed_file(binaries: Path) -> Path:
    return binaries.parent / "share" / "postgresql" / "postgres.bki"
