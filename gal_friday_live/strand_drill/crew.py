"""The roles as processes, each with a folder of its own: started, asked, and killed.

`Crew.start` gives a process at once, `Member.until` waits for the role's own word. One that ends unasked is an error with
its last words.
"""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from gal_friday_core.errors import GalFridayError
from gal_friday_live.control_socket import ask, control_path
from gal_friday_live.processes import Child, Children

UNREACHED: Final = "cannot reach Kraken"
READY_WITHIN_S: Final = 300.0
"""On a machine that starts several programs at once, and compiles."""


class Started(Protocol):
    """A process that speaks JSON lines."""

    @property
    def running(self) -> bool: ...

    async def line(self) -> bytes:
        """The next line, empty once it has ended."""
        ...

    async def kill(self) -> None:
        """SIGKILL, without a warning; gone when it returns."""
        ...

    def last_words(self) -> str:
        """The end of its log."""
        ...


class Starts(Protocol):
    """Starts `gal-friday` with these arguments, beside our own environment."""

    async def __call__(self, name: str, arguments: Sequence[str], env: Mapping[str, str]) -> Started: ...


class Guarded:
    """Under a guard each, so that none outlives this process, however it ends."""

    def __init__(self, children: Children) -> None:
        self._children = children

    async def __call__(self, name: str, arguments: Sequence[str], env: Mapping[str, str]) -> Started:
        command = [sys.executable, "-m", "gal_friday_live.cli", *arguments]
        child = self._children.start(name, command, env, capture=True)
        told = asyncio.StreamReader()
        assert child.process.stdout is not None, "its output is captured"
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(told), child.process.stdout
        )
        return GuardedProcess(child, told)


@dataclass(frozen=True, slots=True)
class GuardedProcess:
    """A guard and what it runs: killed together, as one process group."""

    child: Child
    told: asyncio.StreamReader

    @property
    def running(self) -> bool:
        return self.child.running

    async def line(self) -> bytes:
        return await self.told.readline()

    async def kill(self) -> None:
        os.killpg(self.child.process.pid, signal.SIGKILL)
        await asyncio.to_thread(self.child.process.wait)

    def last_words(self) -> str:
        return self.child.last_words()


@dataclass(slots=True)
class Member:
    """One running process; `name` is that of its folder. `heard` is what it said, by event."""

    name: str
    folder: Path
    process: Started
    heard: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def until(self, *events: str, within_s: float = READY_WITHIN_S) -> dict[str, Any]:
        """What it says of the first of these: `standby`, or `ready`. Raises GalFridayError where it ends, or says none in time."""
        try:
            async with asyncio.timeout(within_s):
                while not self.heard.keys() & set(events):
                    await self._hear()
        except TimeoutError:
            raise GalFridayError(
                f"{self.name} was not {' or '.join(events)} after {within_s:g} s; its log ends: {self.process.last_words()}"
            ) from None
        return next(self.heard[event] for event in events if event in self.heard)

    @property
    def starved(self) -> bool:
        """Whether it ended since the exchange, on a machine too busy for both, said nothing while it began."""
        return not self.process.running and UNREACHED in self.process.last_words()

    async def _hear(self) -> None:
        line = await self.process.line()
        if not line:
            raise GalFridayError(f"{self.name} ended by itself: {self.process.last_words()}")
        said = msgspec.json.decode(line, type=dict[str, Any])
        self.heard[str(said.get("event"))] = said

    async def ask(self, command: str, **details: Any) -> Any:
        """An operator's question. Raises StorageError where nobody answers, ConfigError where it is refused."""
        return await ask(control_path(self.folder), command, **details)

    def require_running(self) -> None:
        """Raises GalFridayError where it ended by itself."""
        if not self.process.running:
            raise GalFridayError(f"{self.name} ended by itself: {self.process.last_words()}")


@dataclass(slots=True)
class Crew:
    """Starts, kills and asks roles. `members` and `commands`, the arguments, are by seat; `env` is everybody's."""

    folder: Path
    starts: Starts
    env: Mapping[str, str]
    commands: Mapping[str, Sequence[str]]
    members: dict[str, Member] = field(default_factory=dict)
    lives: Counter[str] = field(default_factory=Counter)

    async def start(self, seat: str, name: str | None = None) -> Member:
        """A process for a seat; who calls waits for its words. `name`, the seat's if left out, is that of its folder: whoever had
        it before must have ended.
        """
        name = name or seat
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        self.lives[name] += 1
        # What libpq calls the connections, so that those of one role can be told from all others.
        own = {"GAL_FRIDAY_DATA_DIR": str(folder), "PGAPPNAME": application_name(name)}
        process = await self.starts(f"{name}-{self.lives[name]}", self.commands[seat], {**self.env, **own})
        self.members[seat] = Member(name, folder, process)
        return self.members[seat]

    async def kill(self, seat: str) -> None:
        """`kill -9`; gone when it returns."""
        await self.members.pop(seat).process.kill()

    def require_running(self) -> None:
        """Raises GalFridayError where one ended by itself."""
        for member in self.members.values():
            member.require_running()


def application_name(name: str) -> str:
    """How a process's connections are called at the database."""
    return f"gal-friday drill {name}"
