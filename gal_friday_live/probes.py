"""What an engine measures of itself and its surroundings. A probe answers at once, whatever it asks after.

Each gives one reading under the code that the trading gate and a halt will name. A probe whose question is
still out gives how long it has been out, so that a service which hangs is a number too.
"""

import asyncio
import math
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

import psutil

from gal_friday_core.errors import GalFridayError
from gal_friday_core.health import clock_offset_s
from gal_friday_core.ports import Clock
from gal_friday_core.times import SECOND_NS
from gal_friday_live.trading_gate import TradingGate

CLOCK_UNKNOWN = "CLOCK_UNKNOWN"
MEGABYTE = 1_000_000
LAG_EVERY_S = 0.02
Timer = Callable[[], float]
"""Monotonic seconds."""


class Probe(Protocol):
    """One thing to keep an eye on."""

    code: str

    async def run(self) -> None:
        """Measure until cancelled, where that takes time."""
        ...

    def read(self) -> float | None:
        """The present reading; None where there is none yet. Never waits."""
        ...


class LoopLag:
    """The longest that something had to wait for the event loop since the last reading, in seconds.

    Between `hold` and `ready` nothing counts: an engine that starts holds up nobody but itself.
    """

    code = "LOOP_LAG"

    def __init__(self, *, timer: Timer = time.monotonic, every_s: float = LAG_EVERY_S) -> None:
        self._timer = timer
        self._every_s = every_s
        self._worst = 0.0
        self._since = -math.inf

    def hold(self) -> None:
        self._since = math.inf

    def ready(self) -> None:
        """What was due before now does not count."""
        self._worst, self._since = 0.0, self._timer()

    async def run(self) -> None:
        while True:
            due = self._timer() + self._every_s
            await asyncio.sleep(self._every_s)
            if due >= self._since:
                self._worst = max(self._worst, self._timer() - due)

    def read(self) -> float:
        worst, self._worst = self._worst, 0.0
        return worst


class Answers:
    """For how many seconds a service has not answered; 0 while it does.

    `ask` returns when it has. One question is out at a time, for however long: a service that hangs must not
    be asked by more and more callers.
    """

    def __init__(
        self,
        code: str,
        ask: Callable[[], Awaitable[None]],
        *,
        every_s: float = 1.0,
        grace_s: float = 0.5,
        timer: Timer = time.monotonic,
    ) -> None:
        self.code = code
        self.problem = ""
        self._ask = ask
        self._every_s = every_s
        self._grace_s = grace_s
        self._timer = timer
        self._silent_since: float | None = None
        self._asked_at: float | None = None

    async def run(self) -> None:
        while True:
            self._asked_at = self._timer()
            try:
                await self._ask()
            except (GalFridayError, OSError, TimeoutError) as error:
                self.problem = f"{type(error).__name__}: {error}"
                self._silent_since = self._asked_at if self._silent_since is None else self._silent_since
            else:
                self.problem, self._silent_since = "", None
            self._asked_at = None
            await asyncio.sleep(self._every_s)

    def read(self) -> float:
        since = self._silent_since if self._silent_since is not None else self._asked_at
        waited = 0.0 if since is None else self._timer() - since
        return waited if self._silent_since is not None or waited > self._grace_s else 0.0


class LineDown:
    """For how many seconds a line has been down; `fault` says why it is, or nothing while it stands."""

    def __init__(self, code: str, fault: Callable[[], str], *, timer: Timer = time.monotonic) -> None:
        self.code = code
        self._fault = fault
        self._timer = timer
        self._since: float | None = None

    async def run(self) -> None:
        """Nothing to wait for."""

    def read(self) -> float:
        if not self._fault():
            self._since = None
            return 0.0
        if self._since is None:
            self._since = self._timer()
        return self._timer() - self._since


class ClockOffset:
    """By how many seconds this machine's clock certainly differs from the exchange's, without a sign."""

    code = "CLOCK_OFFSET"

    def __init__(
        self,
        clock: Clock,
        exchange_time_ns: Callable[[], Awaitable[int]],
        *,
        resolution_ns: int = SECOND_NS,
        every_s: float = 30.0,
    ) -> None:
        self._clock = clock
        self._exchange_time_ns = exchange_time_ns
        self._resolution_ns = resolution_ns
        self._every_s = every_s
        self._held: TradingGate | None = None
        self.offset_s: float | None = None
        self.problem = ""

    def hold(self, gate: TradingGate) -> None:
        """Keep entries back until the exchange has told its time: on a clock that is behind, old data look new."""
        self._held = gate
        gate.block(CLOCK_UNKNOWN, "the exchange has not told its time yet")

    async def run(self) -> None:
        while True:
            asked = self._clock.now_ns()
            try:
                told = await self._exchange_time_ns()
            except (GalFridayError, OSError, TimeoutError) as error:
                self.problem = f"{type(error).__name__}: {error}"
            else:
                self.problem = ""
                self.offset_s = clock_offset_s(asked, self._clock.now_ns(), told, self._resolution_ns)
            await asyncio.sleep(self._every_s)

    def read(self) -> float | None:
        if self.offset_s is None:
            return None
        if self._held is not None:  # whoever reads judges at once
            self._held.clear(CLOCK_UNKNOWN)
            self._held = None
        return abs(self.offset_s)


class FreeDisk:
    """Free space where the product writes, in MB: a disk that hangs holds up a thread, and the last answer stands."""

    code = "DISK_FULL"

    def __init__(self, folder: Path, *, every_s: float = 1.0) -> None:
        self._folder = folder
        self._every_s = every_s
        self._free_mb: float | None = None

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self._every_s)

    async def look(self) -> float | None:
        """Ask now; None where nothing is there to ask."""
        try:
            usage = await asyncio.to_thread(shutil.disk_usage, self._folder)
        except OSError:
            self._free_mb = None
        else:
            self._free_mb = usage.free / MEGABYTE
        return self._free_mb

    def read(self) -> float | None:
        return self._free_mb


class Memory:
    """What this process holds, in MB."""

    code = "MEMORY"

    def __init__(self) -> None:
        self._process = psutil.Process()

    async def run(self) -> None:
        """Nothing to wait for."""

    def read(self) -> float:
        return float(self._process.memory_info().rss) / MEGABYTE
