"""Rows as a file has them, before any of the promises of `Candles` is checked, and the check itself."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.candle_quality import interval_contradiction, row_faults, select
from gal_friday_core.candles import Candles
from gal_friday_core.errors import DataError
from gal_friday_core.times import SECOND_NS

NOTHING_STORED = "nothing of this file was stored"
MAX_SKIPPED_SHARE = 0.01
"""More bad rows than this share are not isolated damage: the file is refused even when bad rows may be skipped."""
MIN_SKIPPED_ROWS = 5
"""So many bad rows may be skipped in a file of any length, while they are the lesser half."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """One refused row: line (text files) or row (Parquet) number from 1, why, and what it says."""

    number: int
    reason: str
    content: str


@dataclass(frozen=True, slots=True)
class RawCandles:
    """What a reader found. `candles` is unchecked; `numbers` gives the line or row of each of its rows."""

    source: str
    unit: str
    candles: Candles
    numbers: NDArray[np.int64]
    unreadable: tuple[BadRow, ...] = ()


def checked(raw: RawCandles, *, skip_bad_rows: bool = False) -> tuple[Candles, list[BadRow]]:
    """The good rows, and the refused ones in file order (only with `skip_bad_rows`).

    Raises DataError, naming file, line and reason, where a row is bad and may not be skipped, where too
    many are, or where the times contradict order or interval as a whole.
    """
    _refuse_as_a_whole(raw)
    faults = row_faults(raw.candles)
    bad = _bad_rows(raw, faults)
    if bad and not skip_bad_rows:
        raise DataError(
            _first_of(raw, bad, "Correct the file, or give --skip-bad-rows to leave such rows out")
        )
    total = len(raw.candles) + len(raw.unreadable)
    if len(bad) > max(MAX_SKIPPED_SHARE * total, MIN_SKIPPED_ROWS) or 2 * len(bad) > total:
        raise DataError(_first_of(raw, bad, "Too many to skip: fetch the file again"))
    if not faults:
        return raw.candles, bad
    return select(raw.candles, ~np.logical_or.reduce(list(faults.values()))), bad


def _refuse_as_a_whole(raw: RawCandles) -> None:
    candles = raw.candles
    if not len(candles) and not raw.unreadable:
        raise DataError(f"{raw.source}: the file is empty; {NOTHING_STORED}. Fetch it again")
    contradiction = interval_contradiction(candles)
    if contradiction:
        raise DataError(
            f"{raw.source}: wrong interval: {contradiction}; {NOTHING_STORED}. "
            "Correct the file's name or give --interval"
        )
    backwards = np.flatnonzero(np.diff(candles.ts) < 0)
    if len(backwards) > max(MAX_SKIPPED_SHARE * len(candles), MIN_SKIPPED_ROWS):
        number = int(raw.numbers[backwards[0] + 1])
        raise DataError(
            f"{raw.source}: the times are shuffled: {len(backwards):,} rows are earlier than the row above, "
            f"first in {raw.unit} {number}; {NOTHING_STORED}. Sort the file by time or fetch it again"
        )


def _bad_rows(raw: RawCandles, faults: dict[str, NDArray[np.bool_]]) -> list[BadRow]:
    first_reason: dict[int, str] = {}
    for reason, mask in faults.items():
        for row in np.flatnonzero(mask):
            first_reason.setdefault(int(row), reason)
    found = [
        BadRow(int(raw.numbers[row]), reason, _content(raw.candles, row))
        for row, reason in first_reason.items()
    ]
    return sorted([*found, *raw.unreadable], key=lambda row: row.number)


def _content(candles: Candles, row: int) -> str:
    ts, *values = (column[row] for column in candles.columns())
    seconds = f"{ts // SECOND_NS}" if ts % SECOND_NS == 0 else f"{ts}ns"
    return ",".join([seconds, *(f"{value:.12g}" for value in values)])


def _first_of(raw: RawCandles, bad: list[BadRow], advice: str) -> str:
    first = bad[0]
    more = f" ({len(bad) - 1:,} more bad rows follow)" if len(bad) > 1 else ""
    return (
        f"{raw.source}: {raw.unit} {first.number}: {first.reason}: {first.content!r}{more}; "
        f"{NOTHING_STORED}. {advice}"
    )
