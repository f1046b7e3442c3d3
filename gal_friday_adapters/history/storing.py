"""Putting checked bars into the lake, counted in the report of their file."""

from collections.abc import Callable

from gal_friday_adapters.history.report import FileReport
from gal_friday_adapters.lake import CandleLake, by_month
from gal_friday_core.candles import Candles

Progress = Callable[[str, int, int], None]
"""Called with the name of a file or download, its bars done and its bars in all (0 while unknown)."""


def silent(name: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def store(candles: Candles, lake: CandleLake, entry: FileReport, progress: Progress = silent) -> None:
    """Write month by month and add up in `entry` what became of the rows."""
    done = 0
    for _, part in by_month(candles):
        result = lake.write(part)
        entry.added += result.added
        entry.unchanged += result.unchanged
        entry.replaced += result.replaced
        entry.months = sorted({*entry.months, *result.months})
        done += len(part)
        progress(entry.name, done, len(candles))
