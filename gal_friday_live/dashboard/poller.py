"""One caller of the engine for all who watch: asks for its overview over one line, and knows since when it is silent.

An engine that hangs has one question out, however long: it is not asked by more and more callers. Its numbers are
handed on with the state `hung`, and shown as what they were.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from gal_friday_core.errors import ConfigError, StorageError
from gal_friday_live.control_socket import Conversation
from gal_friday_live.dashboard.view import EngineState, Reading

HUNG_AFTER_S: Final = 2.0
RETRY_S: Final = 0.5
MEASURED_EVERY_S: Final = 1.0
"""What the engine measures of itself and its machine need not be asked as often as what it trades."""
IDLE_EVERY_S: Final = 2.0
"""While nobody watches: often enough to know since when an engine is gone."""


class Poller:
    """`run` asks until it is cancelled; `reading` is what is known now; `on_reading` hears every new one."""

    def __init__(
        self,
        path: Path,
        *,
        every_s: float,
        watched: Callable[[], bool],
        arrived: asyncio.Event,
        on_reading: Callable[[Reading], None],
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._path = path
        self._every_s = every_s
        self._watched = watched
        self._arrived = arrived
        self._on_reading = on_reading
        self._now_ns = now_ns
        self.reading = Reading("gone", now_ns())
        self._measured: dict[str, Any] = {}
        self._measured_s = float("-inf")

    async def run(self) -> None:
        while True:
            try:
                await self._talk()
            except (StorageError, ConfigError) as error:
                self._tell("gone", str(error))
            await asyncio.sleep(RETRY_S)

    async def _talk(self) -> None:
        """Ask again and again over one line, until it breaks."""
        talk = await Conversation.begin(self._path)
        try:
            while True:
                began = time.monotonic()
                metrics = await self._answer(talk, "overview")
                if began >= self._measured_s + MEASURED_EVERY_S:
                    self._measured_s = began
                    self._measured = _by_subject((await self._answer(talk, "metrics"))["readings"])
                self._tell("live", metrics={**metrics, "measured": self._measured})
                await self._pause(time.monotonic() - began)
        finally:
            talk.close()

    async def _answer(self, talk: Conversation, what: str) -> dict[str, Any]:
        """However late it comes; until then the engine counts as hung."""
        question = asyncio.ensure_future(talk.ask(what))
        try:
            while not (await asyncio.wait({question}, timeout=HUNG_AFTER_S))[0]:
                self._tell("hung", "it took the question and does not answer")
            found: dict[str, Any] = question.result()
            return found
        finally:
            question.cancel()

    async def _pause(self, spent_s: float) -> None:
        if self._watched():
            await asyncio.sleep(max(self._every_s - spent_s, 0.01))
            return
        self._arrived.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(IDLE_EVERY_S):
                await self._arrived.wait()

    def _tell(self, state: EngineState, problem: str = "", *, metrics: dict[str, Any] | None = None) -> None:
        """A state's `since_ns` is that of its first reading."""
        now_ns, before = self._now_ns(), self.reading
        since_ns = before.since_ns if before.state == state else now_ns
        if metrics is None:
            self.reading = Reading(state, since_ns, before.metrics, before.at_ns, problem)
        else:
            self.reading = Reading(state, since_ns, metrics, now_ns, problem)
        self._on_reading(self.reading)


def _by_subject(measured: dict[str, Any]) -> dict[str, Any]:
    """`gal_friday_core.metrics` as paths: `measured.loop.lag_p99_seconds`.

    >>> _by_subject({"gal_friday_loop": {"lag_p99_seconds": 0.01}})
    {'loop': {'lag_p99_seconds': 0.01}}
    """
    return {name.removeprefix("gal_friday_"): fields for name, fields in measured.items()}
