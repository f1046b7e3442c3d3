"""Run one command as a process group that cannot outlive its owner: `python -m gal_friday_live.guard COMMAND…`.

The owner keeps the write end of our standard input open. When that closes, because the owner asked or
because it died, the whole group is ended: first asked (SIGTERM), then made (SIGKILL). Services that start
servers of their own, as Dagster's do, leave nothing behind this way, even after a `kill -9` of the owner.
"""

import os
import select
import signal
import subprocess
import sys
from types import FrameType

GRACE_S = 8.0
_POLL_S = 0.2


class _StopRequested(Exception):  # noqa: N818 - a request, not a fault
    """A signal asked the guard to end."""


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise _StopRequested


def _owner_is_gone() -> bool:
    """Whether standard input reached its end; waits a moment for it."""
    readable, _, _ = select.select([sys.stdin], [], [], _POLL_S)
    return bool(readable) and not os.read(sys.stdin.fileno(), 4096)


def _end_group(child: "subprocess.Popen[bytes]") -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    try:
        child.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        sys.stderr.write(f"{child.args!r} did not stop within {GRACE_S:g} s and is ended by force\n")
        sys.stderr.flush()
    os.killpg(0, signal.SIGKILL)  # what is left of the group, this guard included


def main(command: list[str]) -> int:
    """Run the command until it ends or the owner is gone; the caller made us leader of a new session."""
    if os.getpgrp() != os.getpid():
        os.setsid()
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - our own command line
    try:
        while child.poll() is None:
            if _owner_is_gone():
                _end_group(child)
    except _StopRequested:
        _end_group(child)
    return child.returncode or 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
