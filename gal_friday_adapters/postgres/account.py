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
ENDS_WITHIN_S = 120.0
"""Creating a cluster takes a second; a disk that answers nothing must not hold its caller for ever."""
_LAUNCHER = Path(__file__).with_name("run_as.py")
# $1 bin folder, $2 data. With --show, initdb looks for every program and file that it needs, and stops.
_PROBE = '"$1/initdb" --show -U postgres -D "$2" && test -w "$2" && test -x "$2"'


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
        """Run to the end under this account; what it said, errors included, is in `stdout`.

        Raises StorageError where it does not come to an end.
        """
        words = [*self.prefix, *map(str, command)]
        try:
            return subprocess.run(  # noqa: S603 - our own launcher and the wheel's binaries
                words,
                cwd="/",
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=ENDS_WITHIN_S,
            )
        except subprocess.TimeoutExpired as error:
            raise StorageError(
                f"{Path(command[0]).name} did not end in {ENDS_WITHIN_S:g} s and was stopped: "
                "is the disk of the data directory answering?"
            ) from error

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
        probe = account.run(["/bin/sh", "-c", _PROBE, "probe", binaries, data])
        if probe.returncode == 0:
            return account
        refusals.append(f"{way}: {last_lines(probe.stdout, 1)}")
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
    """The present owner of the data if they are a known ordinary user, else `nobody`, whom every system has."""
    owner = data.stat().st_uid
    for known in pwd.getpwall():
        if known.pw_uid == owner != 0:
            return known.pw_uid, known.pw_gid
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError as error:
        raise StorageError(
            "PostgreSQL refuses to run as root and there is no user `nobody`: start as an ordinary user"
        ) from error
    return nobody.pw_uid, nobody.pw_gid


def last_lines(text: str, count: int = 3) -> str:
    """The end of what a program said, on one line."""
    return " | ".join(line.strip() for line in text.strip().splitlines()[-count:]) or "no message"
