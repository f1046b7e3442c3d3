"""The equity curves of a validation, one after the other: each fold goes on where the one before ended."""

from collections.abc import Sequence

from gal_friday_adapters.report_figures import Curve
from gal_friday_adapters.report_parts import time_labels
from gal_friday_core.evidence.bands import equity_bands
from gal_friday_core.evidence.report import Day
from gal_friday_core.times import DAY_NS, from_iso


def curves(days: Sequence[Day], confidence: float) -> tuple[list[Curve], list[tuple[int, str]]]:
    """Curves to draw, starting at the begin of each fold's first day, and marks for their time axis."""
    found, reached = [], 0.0
    for band in equity_bands(days, confidence):
        times = [from_iso(band.dates[0]), *(from_iso(date) + DAY_NS for date in band.dates)]
        value, low, high = (
            [reached, *(reached + part for part in parts)] for parts in (band.value, band.low, band.high)
        )
        found.append(Curve(f"fold {band.fold}", times, value, low, high))
        reached = value[-1]
    return found, time_labels(found[0].times[0], found[-1].times[-1])
