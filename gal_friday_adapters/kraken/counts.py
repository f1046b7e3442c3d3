"""What a feed counts of itself: enough to see in one look whether the market is heard, and how well."""

from collections import deque
from dataclasses import dataclass, field, fields

REMEMBERED = 256
"""Durations kept of detections and of recoveries."""


@dataclass(slots=True)
class Counts:
    """Since the feed was made. `detected_s`: silence before a loss was noticed; `recovered_s`: from there until
    every subscription stood and every book was verified again.
    """

    connections: int = 0
    failed_attempts: int = 0
    losses: int = 0
    others: int = 0
    heartbeats: int = 0
    book_updates: int = 0
    snapshots: int = 0
    checksum_failures: int = 0
    malformed: int = 0
    unknown: int = 0
    unasked: int = 0
    stale: int = 0
    resyncs: int = 0
    trades: int = 0
    repeated_trades: int = 0
    gaps: int = 0
    missed_trades: int = 0
    candles: int = 0
    late_candles: int = 0
    refusals: int = 0
    detected_s: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    recovered_s: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    @property
    def messages(self) -> int:
        """All that came; `others` is what was not a verified update of a book."""
        return self.book_updates + self.others

    def as_dict(self) -> dict[str, float]:
        """JSON-able; of the durations the last and the longest."""
        counted: dict[str, float] = {"messages": self.messages}
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, deque):
                counted[f"last_{item.name}"] = value[-1] if value else 0.0
                counted[f"longest_{item.name}"] = max(value, default=0.0)
            else:
                counted[item.name] = value
        return counted
