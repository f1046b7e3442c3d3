"""Ends what a drill leaves behind that was killed: `python -m gal_friday_live.strand_drill.caretaker FOLDER [--remove]`.

Roles end by their guards; a database has none, and a folder cannot end itself. The drill keeps the write end of our standard
input open: once that closes, whatever still works in its folder is waited for, its PostgreSQL is stopped, and the folder is
removed where it was a temporary one. After a drill that ended in order there is nothing to do.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

WITHIN_S: Final = 60.0
"""Guards give what they guard eight seconds; a database writes all to disk."""
LOOK_EVERY_S: Final = 0.1


@contextmanager
def taken_care_of(folder: Path, *, remove: bool) -> Iterator[None]:
    """Nothing that works in the folder outlives this process by more than a moment, however it ends."""
    command = [sys.executable, "-m", __name__, str(folder), *["--remove"] * remove]
    caretaker = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603 - ourselves
    assert caretaker.stdin is not None, "it is a pipe"
    try:
        yield
    finally:
        caretaker.stdin.close()
        caretaker.wait()


def end(folder: Path, *, remove: bool) -> None:
    """Return once nothing works in the folder any more, or after `WITHIN_S`."""
    from gal_friday_adapters.postgres.server import EmbeddedPostgres

    server, deadline = EmbeddedPostgres(folder / "postgres"), time.monotonic() + WITHIN_S
    while _works_in(folder) and time.monotonic() < deadline:
        if server.runs():
            server.start()  # adopts it
            server.stop()
        time.sleep(LOOK_EVERY_S)
    if remove:
        shutil.rmtree(folder, ignore_errors=True)


def _works_in(folder: Path) -> bool:
    """Whether a process was given a path in the folder: database, guard, role. Who only names the folder is who asked for it."""
    import psutil

    inside = f"{folder}/"
    commands = (process.info["cmdline"] or () for process in psutil.process_iter(["cmdline"]))
    return any(word.startswith(inside) for command in commands for word in command)


def main() -> None:
    """Until standard input ends; then to the end."""
    folder, *options = sys.argv[1:]
    sys.stdin.buffer.read()
    end(Path(folder), remove="--remove" in options)


if __name__ == "__main__":
    main()
