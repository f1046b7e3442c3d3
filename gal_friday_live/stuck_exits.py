"""A position that is to be left and cannot be: its stops rest, but somebody must know."""

import time
from collections.abc import Callable, Mapping

from gal_friday_core.brackets import Swap

CODE = "EXIT_STUCK"
STUCK_S = 120.0
"""Longer than lines that are made anew, rate limits and unknown outcomes take."""


class StuckExits:
    """Calls `tell` once with pair and seconds where stops were to give way to a sale and have not for `stuck_s`."""

    def __init__(
        self,
        tell: Callable[[str, float], None],
        *,
        stuck_s: float = STUCK_S,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tell = tell
        self._stuck_s = stuck_s
        self._timer = timer
        self._since: dict[str, tuple[Swap, float]] = {}
        self._told: set[str] = set()

    def look(self, swaps: Mapping[str, Swap]) -> None:
        """Every so often, with what is under way by pair."""
        now, before = self._timer(), self._since
        self._since = {
            pair: before[pair] if pair in before and before[pair][0] is swap else (swap, now)
            for pair, swap in swaps.items()
        }
        for pair, (_, since) in self._since.items():
            if now - since < self._stuck_s:
                self._told.discard(pair)
            elif pair not in self._told:
                self._told.add(pair)
                self._tell(pair, now - since)
