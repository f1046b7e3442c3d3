"""The roles as real processes: each under a guard, with a folder of its own, killed with all that it started.

`Crew.start` waits for the role's own word that it is ready. A process that ends unasked is an error with its last words.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from gal_friday_core.errors import GalFridayError, StorageError
from gal_friday_live.control_socket import ask, control_path
from gal_friday_live.processes import Child, Children

READY_WITHIN_S: Final = 180.0
"""On a machine that starts several programs at once, and compiles."""
LOOK_EVERY_S: Final = 0.1


@dataclass(slots=True)
class Member:
    """One running role. `name` is the role's, or that of a standby; `since` is when it was started (monotonic)."""

    name: str
    folder: Path
    child: Child
    told: asyncio.StreamReader
    since: float
    ready: dict[str, Any] | None = None

    async def until_ready(self, within_s: float = READY_WITHIN_S) -> dict[str, Any]:
        """What it says once it is ready. Raises GalFridayError where it ends, or says nothing."""
        if self.ready is not None:
            return self.ready
        try:
            async with asyncio.timeout(within_s):
                while self.ready is None:
                    await self._hear()
        except TimeoutError:
            raise GalFridayError(
                f"{self.name} was not ready after {within_s:g} s; its log ends: {self.child.last_words()}"
            ) from None
        return self.ready

    async def _hear(self) -> None:
        line = await self.told.readline()
        if not line:
            raise GalFridayError(f"{self.name} ended by itself: {self.child.last_words()}")
        said = msgspec.json.decode(line, type=dict[str, Any])
        if said.get("event") == "ready":
            self.ready = said

    async def ask(self, command: str, **details: Any) -> Any:
        """An operator's question. Raises StorageError where nobody answers, ConfigError where it is refused."""
        return await ask(control_path(self.folder), command, **details)

    def require_running(self) -> None:
        """Raises GalFridayError where it ended by itself."""
        if not self.child.running:
            raise GalFridayError(f"{self.name} ended by itself: {self.child.last_words()}")


@dataclass(slots=True)
class Crew:
    """Starts, kills and asks roles. `env` is every role's, `commands` the command line of each by name."""

    folder: Path
    children: Children
    env: Mapping[str, str]
    commands: Mapping[str, Sequence[str]]
    members: dict[str, Member] = field(default_factory=dict)

    async def start(self, name: str) -> Member:
        """A role's process; who calls waits for it to be ready. One of the same name must have ended."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        since = time.monotonic()
        child = self.children.start(
            name,
            [sys.executable, "-m", "gal_friday_live.cli", *self.commands[name]],
            # What libpq calls the connections, so that those of one role can be told from all others.
            {**self.env, "GAL_FRIDAY_DATA_DIR": str(folder), "PGAPPNAME": application_name(name)},
            capture=True,
        )
        told = asyncio.StreamReader()
        assert child.process.stdout is not None, "its output is captured"
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(told), child.process.stdout
        )
        self.members[name] = Member(name, folder, child, told, since)
        return self.members[name]

    async def kill(self, name: str) -> None:
        """`kill -9` of the role, of what it started, and of its guard, and wait until they are gone."""
        child = self.members.pop(name).child
        os.killpg(child.process.pid, signal.SIGKILL)
        await asyncio.to_thread(child.process.wait)

    async def state(self, name: str) -> dict[str, Any] | None:
        """What `status` tells of it; None where nobody answers now."""
        try:
            found: dict[str, Any] = await self.members[name].ask("status")
        except StorageError:
            return None
        return found

    def require_running(self) -> None:
        """Raises GalFridayError where one ended by itself."""
        for member in self.members.values():
            member.require_running()


def application_name(role: str) -> str:
    """How a role's connections are called at the database."""
    return f"gal-friday drill {role}"
