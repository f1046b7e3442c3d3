"""Whether this machine keeps the speed of a market, and if not, which one it would keep for the time being.

A market whose time runs fast must be at its present often: whoever trades on it counts deadlines and ages in its
seconds. `Pace` is told each time that it is, and judges by windows of real time.
"""

from typing import Final

TICK_S: Final = 0.05
"""How often the market moves by itself, in real seconds."""
WINDOW_S: Final = 2.0
MISSED: Final = 2
"""Windows in a row before it goes slower: a machine may be busy for a moment."""
KEPT, MOST_KEPT = 3, 60
"""Windows in a row before it goes faster again; twice as many after each time that this was too soon."""
MOST_BETWEEN_S: Final = 6.0
"""Seconds of the market between two presents; a third of what the engine's stops have to arrive at sixty times the pace."""


class Pace:
    """`speed` seconds of the market pass in one of ours, `asked` of them where the machine can; 1 or less is never slowed.

    >>> pace = Pace(60.0, began_s=0.0)
    >>> for second in range(1, 3): # ten times a second would do
    ...     pace.met(); pace.met()
    >>> pace.kept_speed(2.5) is None, pace.kept_speed(5.0)
    (True, 1.2)
    """

    def __init__(self, asked: float, *, began_s: float) -> None:
        self.asked = self.speed = asked
        self._began_s = began_s
        self._met = 0
        self._missed = self._kept = 0
        self._patience = KEPT

    def met(self) -> None:
        """The market is at its present."""
        self._met += 1

    def kept_speed(self, now_s: float) -> float | None:
        """The speed to go on with, at the end of a window where that is another one than now; else None."""
        elapsed_s = now_s - self._began_s
        if elapsed_s < WINDOW_S or self.asked <= 1:
            return None
        every_s = elapsed_s / max(self._met, 1)
        self._began_s, self._met = now_s, 0
        if every_s > _most_s(self.speed):
            self._missed, self._kept = self._missed + 1, 0
        else:
            self._missed, self._kept = 0, self._kept + 1
        if self._missed >= MISSED:
            return self._goes_on(self._slower(every_s))
        if self._kept >= self._patience and self.speed < self.asked:
            return self._goes_on(min(self.asked, 2 * self.speed))
        return None

    def _slower(self, every_s: float) -> float:
        if self.speed < self.asked:
            self._patience = min(2 * self._patience, MOST_KEPT)
        return max(1.0, round(self.speed * _most_s(self.speed) / (2 * every_s), 1))

    def _goes_on(self, speed: float) -> float | None:
        self._missed = self._kept = 0
        changed, self.speed = speed != self.speed, speed
        return speed if changed else None


def _most_s(speed: float) -> float:
    """The longest between two presents."""
    return max(MOST_BETWEEN_S / speed, 2 * TICK_S)
