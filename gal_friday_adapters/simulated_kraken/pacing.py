"""Whether this machine keeps the speed of a market, and if not, which one it would keep.

A market whose time runs fast must be at its present often: whoever trades on it counts deadlines and ages in its
seconds. `Pace` is told each time that it is, and judges by windows of real time.
"""

from typing import Final

TICK_S: Final = 0.05
"""How often the market moves by itself, in real seconds."""
WINDOW_S: Final = 2.0
WINDOWS: Final = 2
"""In a row, before anything is changed: a machine may be busy for a moment."""
MOST_BETWEEN_S: Final = 6.0
"""Seconds of the market between two presents; a third of what the engine's stops have to arrive at sixty times the pace."""


class Pace:
    """`speed` seconds of the market pass in one of ours; 1 or less is never slowed.

    >>> pace = Pace(60.0, began_s=0.0)
    >>> for second in range(1, 3): # ten times a second would do
    ...     pace.met(); pace.met()
    >>> pace.kept_speed(2.5) is None, pace.kept_speed(5.0)
    (True, 1.2)
    """

    def __init__(self, speed: float, *, began_s: float) -> None:
        self.speed = speed
        self._began_s = began_s
        self._met = 0
        self._missed = 0

    def met(self) -> None:
        """The market is at its present."""
        self._met += 1

    def kept_speed(self, now_s: float) -> float | None:
        """The speed to go on with, at the end of a window where the present one was not kept for long; else None."""
        elapsed_s = now_s - self._began_s
        if elapsed_s < WINDOW_S or self.speed <= 1:
            return None
        every_s = elapsed_s / max(self._met, 1)
        most_s = max(MOST_BETWEEN_S / self.speed, 2 * TICK_S)
        self._began_s, self._met = now_s, 0
        self._missed = self._missed + 1 if every_s > most_s else 0
        if self._missed < WINDOWS:
            return None
        self._missed = 0
        return max(1.0, round(self.speed * most_s / (2 * every_s), 1))
