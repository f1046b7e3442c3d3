"""What a page may have the engine do: halt, resume, try the alerts. Every attempt is kept, whatever comes of it.

The engine journals halts and resumptions with who asked. Beside that each attempt, refused ones too, is a line of
`dashboard-actions.jsonl` among the logs: time, session, action, words and outcome.
"""

import asyncio
import getpass
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from gal_friday_adapters import paths
from gal_friday_adapters.alerts import deliver
from gal_friday_core.alerts import Alert
from gal_friday_core.errors import ConfigError, GalFridayError, StorageError
from gal_friday_core.times import to_iso
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.control_socket import ask
from gal_friday_live.dashboard.doors import Door
from gal_friday_live.dashboard.layout import RESUME_WORD

ANSWERS_WITHIN_S: Final = 15.0
LONGEST_REASON: Final = 200
FILE: Final = "dashboard-actions.jsonl"
HALT_REASON: Final = "HALT on the dashboard"

Details = Mapping[str, Any]


class Actions:
    """`perform` carries one out. `doors` are the engine's control socket, or those of a split engine's roles."""

    def __init__(
        self, manager: ConfigurationManager, doors: Sequence[Door], *, now_ns: Callable[[], int]
    ) -> None:
        self._manager = manager
        self._doors = tuple(doors)
        self._now_ns = now_ns
        self._file = paths.logs_dir(manager.config) / FILE
        self._known: dict[str, Callable[[Details, str], Awaitable[dict[str, Any]]]] = {
            "halt": self._halt,
            "resume": self._resume,
            "test-alert": self._test_alert,
        }

    async def perform(self, name: str, details: Details, session: str) -> dict[str, Any]:
        """What came of it, in words under `said`. Raises GalFridayError with the reason where it was not done."""
        action = self._known.get(name)
        if action is None:
            raise ConfigError(f"no such action: {name}")
        who = f"dashboard {getpass.getuser()} {session}"
        try:
            outcome = await action(details, who)
        except GalFridayError as error:
            await self._keep(name, who, details, f"refused: {error}")
            raise
        await self._keep(name, who, details, str(outcome["said"]))
        return outcome

    async def _halt(self, details: Details, who: str) -> dict[str, Any]:
        reason = str(details.get("reason") or HALT_REASON)[:LONGEST_REASON]
        await halt_all(self._doors, reason=reason, who=who, timeout_s=ANSWERS_WITHIN_S)
        whom = f" ({', '.join(door.name for door in self._doors)})" if len(self._doors) > 1 else ""
        return {"said": f"Halted{whom}: no new entries; waiting ones are cancelled, protective stops stay."}

    async def _resume(self, details: Details, who: str) -> dict[str, Any]:
        if details.get("word") != RESUME_WORD:
            raise ConfigError(f"type {RESUME_WORD} to let the engine trade again")
        reason = str(details.get("reason") or "").strip()[:LONGEST_REASON]
        if not reason:
            raise ConfigError("say why the engine may trade again")
        door = self._chosen(str(details.get("engine") or ""))
        await ask(door.path, "resume", timeout_s=ANSWERS_WITHIN_S, reason=reason, who=who)
        return {"said": f"The {door.name if len(self._doors) > 1 else 'engine'} trades again."}

    def _chosen(self, name: str) -> Door:
        """The only one, or that of the name."""
        named = self._doors if len(self._doors) == 1 else [door for door in self._doors if door.name == name]
        if not named:
            known = ", ".join(door.name for door in self._doors)
            raise ConfigError(f"say which role may trade again: {known}")
        return named[0]

    async def _test_alert(self, _: Details, who: str) -> dict[str, Any]:
        alert = Alert(code="TEST", severity="page", title="A test", text=f"Sent by {who}.", key="test")
        told = await asyncio.to_thread(deliver, self._manager.config.alerts, alert)
        if not told:
            raise ConfigError("nobody is told of alerts: name destinations under alerts in the configuration")
        lost = [f"{one['kind']}: {one['problem']}" for one in told if not one["ok"]]
        if lost:
            raise ConfigError(f"{len(lost)} of {len(told)} destinations did not take it: {'; '.join(lost)}")
        return {"said": f"Every destination took the test alert: {len(told)}."}

    async def _keep(self, name: str, who: str, details: Details, outcome: str) -> None:
        line = {
            "time": to_iso(self._now_ns()), "action": name, "who": who,
            "reason": str(details.get("reason") or "")[:LONGEST_REASON], "outcome": outcome,
            "engines": [door.name for door in self._doors],
        }  # fmt: skip
        await asyncio.to_thread(_append, self._file, msgspec.json.encode(line) + b"\n")


async def halt_all(doors: Sequence[Door], *, timeout_s: float, **told: str) -> None:
    """Halt every engine that is asked, all at once, and tell them who asks and why. Raises the one's own words where there is but one, else StorageError
    that names those that are not halted, and those that are.
    """

    async def halted(door: Door) -> GalFridayError | None:
        try:
            await ask(door.path, "halt", timeout_s=timeout_s, **told)
        except GalFridayError as error:
            return error
        return None

    ends = dict(zip(doors, await asyncio.gather(*map(halted, doors)), strict=True))
    refusals = {door.name: end for door, end in ends.items() if end is not None}
    if refusals and len(doors) == 1:
        raise next(iter(refusals.values()))
    if refusals:
        said = "; ".join(f"{name}: {end}" for name, end in refusals.items())
        done = ", ".join(door.name for door, end in ends.items() if end is None)
        raise StorageError(f"{said}. Halted: {done or 'none'}")


def _append(file: Path, line: bytes) -> None:
    """One whole line, durable, in a file that only its owner reads."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
