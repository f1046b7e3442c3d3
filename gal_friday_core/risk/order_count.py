"""Orders asked for within a minute: an engine that asks faster than it ever should has run away."""

from collections import deque
from decimal import Decimal

from gal_friday_core.risk.codes import Rejected, refuse
from gal_friday_core.times import MINUTE_NS

ANOMALY = "ORDER_RATE_ANOMALY"
RESTLESS = frozenset({"ORDER_RATE_EXCEEDED", "DUPLICATE_ORDER", "DUPLICATE_SIGNAL"})
"""Refusals that say what asks does not stop asking: they count too."""


class OrderCount:
    """Counts whatever is asked for in any sixty seconds; it stays small."""

    def __init__(self) -> None:
        self._asked: deque[int] = deque()

    def one_more(self, now_ns: int, most: int) -> Rejected | None:
        """Count one; a refusal where it is beyond the `most` that may be asked for."""
        asked = self._asked
        self.within_a_minute(now_ns)
        asked.append(now_ns)
        if len(asked) <= most:
            return None
        if len(asked) > most + 1:
            asked.popleft()  # by how much it is too many does not matter
        return refuse("ORDER_RATE_EXCEEDED", Decimal(most), Decimal(most + 1))

    def within_a_minute(self, now_ns: int) -> int:
        """How many were asked for in the last sixty seconds, at most one more than may be."""
        asked, since = self._asked, now_ns - MINUTE_NS
        while asked and asked[0] <= since:
            asked.popleft()
        return len(asked)


def anomaly(most: int) -> str:
    """The reason of the halt."""
    return f"{ANOMALY}: more than {most} orders within a minute (risk.halt_orders_per_minute)"
