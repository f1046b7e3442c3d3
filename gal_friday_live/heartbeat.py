"""Whether an engine still moves: what a watchdog is told only while it does."""

import time
from collections.abc import Callable
from typing import Final, Protocol

STILL_S: Final = 10.0
"""One event may take so long; whatever takes longer does not come back."""


class Deliveries(Protocol):
    """The bus, as far as this looks at it."""

    @property
    def delivered(self) -> int:
        """Events delivered so far."""

    def is_idle(self) -> bool:
        """Whether no event is being delivered."""


class Heartbeat:
    """Beats while the event loop runs and every stage of the bus gives back what it took.

    A database or a line that is down is no reason to stop beating: a new start would find them down too, and the engine that
    runs keeps its protection.
    """

    def __init__(
        self, bus: Deliveries, *, timer: Callable[[], float] = time.monotonic, still_s: float = STILL_S
    ) -> None:
        self._bus = bus
        self._timer = timer
        self._still_s = still_s
        self._seen = bus.delivered
        self._since = timer()

    def stands_still(self) -> str:
        """What has not moved for too long, in words; empty while all does. Asked once a second or so."""
        now = self._timer()
        if self._bus.is_idle() or self._bus.delivered != self._seen:
            self._seen, self._since = self._bus.delivered, now
        still_s = now - self._since
        if still_s < self._still_s:
            return ""
        return f"a handler of the bus has not come back for {still_s:.0f} s, after {self._seen} events"
