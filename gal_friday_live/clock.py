"""Time for the engine: the system's, or one that a feed moves."""

import time


class SystemClock:
    """The wall clock."""

    def now_ns(self) -> int:
        return time.time_ns()


class SimulatedClock:
    """Stands still until it is told; it never goes back."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        return self._now_ns

    def advance_to(self, now_ns: int) -> None:
        self._now_ns = max(now_ns, self._now_ns)
