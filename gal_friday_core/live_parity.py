"""Features as a live engine used them against the same computed again from the bars that it heard, byte by byte.

Entry point: `compare`. Before the first recorded bar, and where none was heard, the lake's bars count: the engine warmed up
on them, or fetched what it had missed. Columns of a book are not computed again: nothing here knows what the book was.
"""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gal_friday_core.candles import Candles
from gal_friday_core.features.book_set import CANDLES_BOOK_V1
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.drivers import REACH
from gal_friday_core.features.registry import set_of
from gal_friday_core.features.schema import FeatureSchema
from gal_friday_core.features.streams import compute, is_of_bars
from gal_friday_core.live_records import Recorded
from gal_friday_core.times import to_iso

MOST_NAMED = 100
"""Differences that are named; all are counted."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One number that was used, and what it should have been; hexadecimal as the eight bytes in memory, high end first."""

    session: str
    ts_ns: int
    feature: str
    recorded: float
    computed: float
    recorded_bits: str
    computed_bits: str

    def __str__(self) -> str:
        return (
            f"bar of {to_iso(self.ts_ns)[:19]}Z, {self.feature}: used {self.recorded!r} (0x{self.recorded_bits}), "
            f"should be {self.computed!r} (0x{self.computed_bits})"
        )


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """`rows` were judged, `differing` of them wrong; `unjudged` begin before enough of the past is known."""

    rows: int
    differing: int
    unjudged: int
    differences: tuple[Difference, ...]


def compare(recorded: Recorded, lake: Candles) -> Compared:
    """Every row of one session and schema. `lake` holds the series from `REACH` bars before the first row on.

    Rows of a schema without candle features are not judged.
    """
    schema = _judged_by(recorded.schema_hash)
    if schema is None or not len(recorded):
        return Compared(rows=0, differing=0, unjudged=len(recorded), differences=())
    bars = heard(recorded.bars, lake)
    computed = compute(bars, schema).values
    rows = np.searchsorted(bars.ts, recorded.bars.ts)
    judged = np.flatnonzero(rows >= min(REACH, len(bars) - len(recorded)))
    used = np.ascontiguousarray(recorded.values[judged, : len(schema)])
    right = np.ascontiguousarray(computed[rows[judged]])
    wrong = used.view(np.int64) != right.view(np.int64)
    places = np.argwhere(wrong)[:MOST_NAMED]
    return Compared(
        rows=len(judged),
        differing=int(wrong.any(axis=1).sum()),
        unjudged=len(recorded) - len(judged),
        differences=tuple(
            _difference(
                recorded, int(judged[row]), schema.names[column], used[row, column], right[row, column]
            )
            for row, column in places
        ),
    )


def heard(told: Candles, lake: Candles) -> Candles:
    """The bars that an engine worked on: those it was told, elsewhere the lake's up to the last it was told."""
    if not len(told):
        return lake[:0]
    past = lake.between(0, int(told.ts[-1]) + 1)
    kept = ~np.isin(past.ts, told.ts)
    ts = np.concatenate((past.ts[kept], told.ts))
    order = np.argsort(ts, kind="stable")
    columns: list[NDArray[Any]] = [
        np.concatenate((before[kept], here))[order]
        for before, here in zip(past.columns(), told.columns(), strict=True)
    ]
    return Candles(lake.series, *columns)


def _judged_by(schema_hash: str) -> FeatureSchema | None:
    """The set whose columns can be computed again from bars: of a book's, the candles' alone."""
    if schema_hash == CANDLES_BOOK_V1.hash:
        return CANDLES_V1
    known = set_of(schema_hash)
    return known if known is not None and is_of_bars(known) else None


def _difference(
    recorded: Recorded, row: int, feature: str, used: np.float64, right: np.float64
) -> Difference:
    return Difference(
        session=recorded.session,
        ts_ns=int(recorded.bars.ts[row]),
        feature=feature,
        recorded=float(used),
        computed=float(right),
        recorded_bits=_hex(used),
        computed_bits=_hex(right),
    )


def _hex(value: np.float64) -> str:
    return np.array(value, ">f8").tobytes().hex()
