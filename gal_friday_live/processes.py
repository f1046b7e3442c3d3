"""Child processes that `up` starts: each in its own group under a guard, each with a log file, none left behind."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from gal_friday_live.guard import GRACE_S

_GUARD = str(Path(__file__).with_name("guard.py"))


@dataclass(frozen=True, slots=True)
class Child:
    """A running command and where its output goes."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def last_words(self, lines: int = 5) -> str:
        """The end of the log, for an error message."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@dataclass(slots=True)
class Children:
    """Starts commands and, on leaving the context, ends every one of them with all that it started."""

    log_dir: Path
    running: list[Child] = field(default_factory=list)

    def start(
        self, name: str, command: Sequence[str], env: Mapping[str, str], *, capture: bool = False
    ) -> Child:
        """Run `command`; its output goes to `<log_dir>/<name>.log`, or standard output to us with `capture`."""
        self.log_dir.mkdir(parents=True, exist_ok=True)
        log = self.log_dir / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - our own command line
                [sys.executable, "-E", "-S", _GUARD, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if capture else output,
                stderr=output,
                env={**os.environ, **env},
                start_new_session=True,
            )
        child = Child(name, process, log)
        self.running.append(child)
        return child

    def stop(self) -> None:
        """Close every guard's standard input, then wait for all of them."""
        for child in self.running:
            if child.process.stdin is not None:
                child.process.stdin.close()
        deadline = time.monotonic() + GRACE_S + 4
        for child in self.running:
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
        self.running.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
