"""Whether a series is whole and current: its longest hole, and how long ago its newest bar closed."""

from dataclasses import dataclass

import numpy as np

from gal_friday_core.candles import Candles
from gal_friday_core.times import DAY_NS, MINUTE_NS, to_iso


@dataclass(frozen=True, slots=True)
class Hole:
    """No bar opened in [start_ns, end_ns)."""

    start_ns: int
    end_ns: int

    @property
    def days(self) -> float:
        return (self.end_ns - self.start_ns) / DAY_NS

    def __str__(self) -> str:
        return f"{to_iso(self.start_ns)[:16]} to {to_iso(self.end_ns)[:16]} ({self.days:,.1f} days)"


def longest_hole(candles: Candles) -> Hole | None:
    """The widest stretch inside a series without a bar; None where every bar follows the one before."""
    if len(candles) < 2:
        return None
    length = candles.series.interval_ns
    steps = np.diff(candles.ts)
    widest = int(np.argmax(steps))
    if steps[widest] <= length:
        return None
    return Hole(int(candles.ts[widest]) + length, int(candles.ts[widest + 1]))


def why_broken(candles: Candles, max_gap_days: float) -> str | None:
    """What to do about the longest hole, where it is longer than that."""
    hole = longest_hole(candles)
    if hole is None or hole.days <= max_gap_days:
        return None
    return (
        f"no bar from {hole}, more than history.max_gap_days ({max_gap_days:g}): ingest the missing months, "
        "or raise that limit to learn across the hole"
    )


def why_stale(closed_ns: int | None, now_ns: int, max_age_minutes: int) -> str | None:
    """Why a series that should be current is not. `closed_ns` is None where nothing is stored at all.

    >>> why_stale(0, 90 * 60 * 10**9, 60)
    'its newest bar closed 90 minutes ago (1970-01-01T00:00), more than history.max_age_minutes (60)'
    """
    if closed_ns is None:
        return "nothing is stored"
    age = (now_ns - closed_ns) // MINUTE_NS
    if age <= max_age_minutes:
        return None
    return (
        f"its newest bar closed {age:,} minutes ago ({to_iso(closed_ns)[:16]}), "
        f"more than history.max_age_minutes ({max_age_minutes})"
    )
