"""What a page may have the engine do: halt, resume, try the alerts. Every attempt is kept, whatever comes of it.

The engine journals halts and resumptions with who asked. Beside that each attempt, refused ones too, is a line of
`dashboard-actions.jsonl` among the logs: time, session, action, words and outcome.
"""

import asyncio
import getpass
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from gal_friday_adapters import paths
from gal_friday_adapters.alerts import deliver
from gal_friday_core.alerts import Alert
from gal_friday_core.errors import ConfigError, GalFridayError
from gal_friday_core.times import to_iso
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.control_socket import ask
from gal_friday_live.dashboard.layout import RESUME_WORD

ANSWERS_WITHIN_S: Final = 15.0
LONGEST_REASON: Final = 200
FILE: Final = "dashboard-actions.jsonl"
HALT_REASON: Final = "HALT on the dashboard"

Details = Mapping[str, Any]


class Actions:
    """`perform` carries one out. `path` is the engine's control socket."""

    def __init__(self, manager: ConfigurationManager, path: Path, *, now_ns: Callable[[], int]) -> None:
        self._manager = manager
        self._path = path
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
        await ask(self._path, "halt", timeout_s=ANSWERS_WITHIN_S, reason=reason, who=who)
        return {"said": "Halted: no new entries; waiting ones are cancelled, protective stops stay."}

    async def _resume(self, details: Details, who: str) -> dict[str, Any]:
        if details.get("word") != RESUME_WORD:
            raise ConfigError(f"type {RESUME_WORD} to let the engine trade again")
        reason = str(details.get("reason") or "").strip()[:LONGEST_REASON]
        if not reason:
            raise ConfigError("say why the engine may trade again")
        await ask(self._path, "resume", timeout_s=ANSWERS_WITHIN_S, reason=reason, who=who)
        return {"said": "The engine trades again."}

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
        }  # fmt: skip
        await asyncio.to_thread(_append, self._file, msgspec.json.encode(line) + b"\n")


def _append(file: Path, line: bytes) -> None:
    """One whole line, durable, in a file that only its owner reads."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
