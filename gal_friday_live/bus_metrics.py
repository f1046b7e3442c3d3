"""What the bus says about itself: depths, drops, rates and handler times."""

from collections import deque
from collections.abc import Sequence
from typing import Any

from gal_friday_core.ports import Clock
from gal_friday_core.times import SECOND_NS

LANES = 11
SAMPLES = 512
"""Durations kept for each event type."""


class BusMeter:
    """Counts what went wrong or was left out, by lane, and keeps the latest durations by event type."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = (clock.now_ns(), 0)
        self._durations: dict[str, deque[int]] = {}
        self.dropped = [0] * LANES
        self.superseded = [0] * LANES
        self.deepest = [0] * LANES
        self.failed = 0

    def took(self, event_type: str, duration_ns: int) -> None:
        kept = self._durations.get(event_type)
        if kept is None:
            kept = self._durations[event_type] = deque(maxlen=SAMPLES)
        kept.append(duration_ns)

    def handler_times(self) -> tuple[int, int]:
        """Median and 99th percentile over all event types."""
        return percentiles([duration for kept in self._durations.values() for duration in kept])

    def report(self, delivered: int, depths: Sequence[int]) -> dict[str, Any]:
        """The metrics as `get_queue_metrics` gives them; `rate_per_s` is since the last report."""
        now, (since, before) = self._clock.now_ns(), self._since
        self._since = (now, delivered)
        elapsed = (now - since) / SECOND_NS
        p50, p99 = self.handler_times()
        return {
            "depth": _by_lane(depths),
            "deepest": _by_lane(self.deepest),
            "delivered": delivered,
            "rate_per_s": (delivered - before) / elapsed if elapsed > 0 else 0.0,
            "handler_p50_ns": p50,
            "handler_p99_ns": p99,
            "handlers": {
                event_type: dict(zip(("p50_ns", "p99_ns"), percentiles(kept), strict=True))
                for event_type, kept in self._durations.items()
            },
            "dropped": sum(self.dropped),
            "dropped_by_lane": _by_lane(self.dropped),
            "superseded": sum(self.superseded),
            "superseded_by_lane": _by_lane(self.superseded),
            "failed": self.failed,
        }


def percentiles(durations: Sequence[int]) -> tuple[int, int]:
    """Median and 99th percentile, nearest rank; zeros where nothing was measured.

    >>> percentiles(range(1, 101))
    (51, 100)
    """
    ordered = sorted(durations)
    count = len(ordered)
    return (ordered[count // 2], ordered[min(count - 1, count * 99 // 100)]) if count else (0, 0)


def _by_lane(values: Sequence[int]) -> dict[int, int]:
    """Only the lanes that have something to say."""
    return {lane: value for lane, value in enumerate(values) if value}
