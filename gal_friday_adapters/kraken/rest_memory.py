"""How much of an API key's REST limit is used, kept so that an engine which is started again goes on counting.

Kraken counts on while nobody runs. An engine that is killed and started again a few times would ask beyond the limit
each time, until the key is locked out.
"""

import logging
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path

from gal_friday_core.money import ZERO
from gal_friday_core.times import SECOND_NS
from gal_friday_core.venue.limits import REST_LIMITS, Tier

AHEAD = Decimal(5)
"""Points written ahead at once, so that not every call writes the file: a restart believes at most so much too much."""

log = logging.getLogger(__name__)


class RestMemory:
    """A bound on the counter that drains as the counter does. `now_ns` is UTC: it must go on while nothing runs.

    Without `file` it is kept in memory only. A file that cannot be read counts as a counter that is full, one that
    cannot be written is told once: neither keeps an engine from asking.
    """

    def __init__(self, tier: Tier, now_ns: Callable[[], int], file: Path | None = None) -> None:
        self._limit = REST_LIMITS[tier]
        self._now_ns = now_ns
        self._file = file
        self._told = False
        self._points, self._at_ns = self._read(file) if file is not None else (ZERO, now_ns())

    def left(self) -> Decimal:
        """The most that may be left of the counter now. A clock that was set back drains nothing."""
        elapsed_ns = max(self._now_ns() - self._at_ns, 0)
        return max(self._points - self._limit.decay * elapsed_ns / SECOND_NS, ZERO)

    def keep(self, points: Decimal) -> None:
        """The counter has reached `points`; written down only where that is more than what stands there."""
        if points <= self.left():
            return
        self._points, self._at_ns = points + AHEAD, self._now_ns()
        if self._file is not None:
            self._write(self._file)

    def _write(self, file: Path) -> None:
        temporary = file.with_suffix(".new")
        try:
            temporary.write_text(f"{self._points:.2f} {self._at_ns}\n", encoding="ascii")
            temporary.replace(file)
        except OSError as error:
            if not self._told:
                self._told = True
                log.warning("how much was asked of Kraken is not kept in %s: %s", file, error.strerror)

    def _read(self, file: Path) -> tuple[Decimal, int]:
        try:
            points, at_ns = file.read_text(encoding="ascii").split()
            found = Decimal(points), int(at_ns)
        except FileNotFoundError:
            return ZERO, self._now_ns()
        except (OSError, ValueError, InvalidOperation) as error:
            log.warning("%s cannot be read (%s): the limit of Kraken's REST counts as reached", file, error)
            return self._limit.maximum, self._now_ns()
        if not found[0].is_finite():
            return self._limit.maximum, self._now_ns()
        return min(found[0], 2 * self._limit.maximum + AHEAD), found[1]
