"""The candle lake: Parquet partitioned by venue, pair, interval and month.

    <root>/candles/venue=kraken/pair=BTC-USD/interval=1m/month=2024-01/data.parquet

A month is rewritten whole, through a temporary file, fsync and rename, under a lock of its series; a
killed writer leaves the old month or the new one. The bytes are a function of the rows alone: no times,
names or orders of writing enter them, and an unchanged month is not touched.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gal_friday_adapters.parquet_store import locked, read_table, write_table
from gal_friday_core.candle_quality import row_faults, select
from gal_friday_core.candles import UNKNOWN_TRADES, Candles, Series
from gal_friday_core.errors import DataError
from gal_friday_core.spans import Span, covered, union
from gal_friday_core.times import month_of, to_iso

COLUMNS = ("ts", "open", "high", "low", "close", "volume", "trades")
NEVER_NS = 2**63 - 1


@dataclass(frozen=True, slots=True)
class WriteResult:
    """Rows by what became of them, and the months whose file changed.

    `replaced` rows were stored with other values; the newer input stands now. A known number of trades
    is never replaced by an unknown one.
    """

    added: int
    unchanged: int
    replaced: int
    months: tuple[str, ...]


class CandleLake:
    """Candles on disk under `root`; safe for several processes at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._candles = root / "candles"

    def write(self, candles: Candles) -> WriteResult:
        """Merge bars into what is stored.

        Raises DataError, storing nothing, where a bar is impossible, off the grid, repeated or out of
        order; StorageError where the disk refuses.
        """
        faults = row_faults(candles, plausible_times=False)
        if faults:
            reason, mask = next(iter(faults.items()))
            row = int(np.flatnonzero(mask)[0])
            raise DataError(f"{candles.series.key}: bar {to_iso(int(candles.ts[row]))} not stored: {reason}")
        added = unchanged = replaced = 0
        changed: list[str] = []
        with locked(self._lock_path(candles.series)):
            for month, part in by_month(candles):
                path = self._path(candles.series, month)
                merged, counts = _merge(self._read_file(candles.series, path), part)
                if merged is not None:
                    write_table(path, dict(zip(COLUMNS, merged.columns(), strict=True)))
                    changed.append(month)
                added, unchanged, replaced = added + counts[0], unchanged + counts[1], replaced + counts[2]
        return WriteResult(added, unchanged, replaced, tuple(changed))

    def read(self, series: Series, start_ns: int | None = None, end_ns: int | None = None) -> Candles:
        """Bars that open in [start_ns, end_ns), in time order; empty where nothing is stored."""
        first = -NEVER_NS if start_ns is None else start_ns
        last = NEVER_NS if end_ns is None else end_ns
        months = [
            month
            for month in self.months(series)
            if (start_ns is None or month >= month_of(start_ns))
            and (end_ns is None or month <= month_of(end_ns))
        ]
        tables = [read_table(self._path(series, month), COLUMNS) for month in months]
        if not tables:
            return _empty(series)
        joined = {name: np.concatenate([table[name] for table in tables]) for name in COLUMNS}
        return _candles(series, joined).between(first, last)

    def months(self, series: Series) -> list[str]:
        """Stored months as 'YYYY-MM', ascending."""
        folders = self._folder(series).glob("month=*/data.parquet")
        return sorted(path.parent.name.removeprefix("month=") for path in folders)

    def series(self) -> list[Series]:
        """Every stored series, sorted."""
        folders = {
            path.parent.parent
            for path in self._candles.glob("venue=*/pair=*/interval=*/month=*/data.parquet")
        }
        return sorted(_series_at(folder) for folder in folders)

    def version(self, series: Series, month: str | None = None) -> str:
        """sha256 of the stored bars of a series, or of one month of it; independent of the file format."""
        if month is None:
            return self.read(series).fingerprint()
        return self.read_month(series, month).fingerprint()

    def read_month(self, series: Series, month: str) -> Candles:
        """One month's bars; empty where nothing is stored."""
        return self._read_file(series, self._path(series, month))

    def closed_ns(self, series: Series) -> int | None:
        """When the newest stored bar closed; None where nothing is stored."""
        months = self.months(series)
        return int(self.read_month(series, months[-1]).ts[-1]) + series.interval_ns if months else None

    def stamp(self, series: Series, month: str) -> str:
        """Changes whenever the month's file is replaced: cheaper to ask for than its content."""
        found = self._path(series, month).stat()
        return f"{found.st_mtime_ns}-{found.st_ino}-{found.st_size}"

    def coverage(self, series: Series) -> list[Span]:
        """Times for which all bars that exist are known to be stored: the memory of resumable downloads."""
        path = self._folder(series) / "coverage.parquet"
        if not path.exists():
            return []
        table = read_table(path, ("start", "end"))
        return [(int(start), int(end)) for start, end in zip(table["start"], table["end"], strict=True)]

    def cover(self, series: Series, spans: list[Span]) -> None:
        """Add to the coverage, after the bars themselves are written."""
        with locked(self._lock_path(series)):
            known = self.coverage(series)
            if all(covered(known, span) for span in spans):
                return
            starts, ends = zip(*union(known, spans), strict=True)
            table = {"start": np.array(starts, np.int64), "end": np.array(ends, np.int64)}
            write_table(self._folder(series) / "coverage.parquet", table)

    def forget(self, series: Series, start_ns: int) -> None:
        """Take back the coverage from a time on: its bars stay, and are asked for again."""
        with locked(self._lock_path(series)):
            known = self.coverage(series)
            kept = [(start, min(end, start_ns)) for start, end in known if start < start_ns]
            if kept != known:
                starts, ends = (np.array([span[side] for span in kept], np.int64) for side in (0, 1))
                write_table(self._folder(series) / "coverage.parquet", {"start": starts, "end": ends})

    def _folder(self, series: Series) -> Path:
        pair = series.pair.replace("/", "-")
        return self._candles / f"venue={series.venue}" / f"pair={pair}" / f"interval={series.interval}"

    def _path(self, series: Series, month: str) -> Path:
        return self._folder(series) / f"month={month}" / "data.parquet"

    def _lock_path(self, series: Series) -> Path:
        return self.root / "locks" / f"{series.key.replace(':', '_')}.lock"

    def _read_file(self, series: Series, path: Path) -> Candles:
        return _candles(series, read_table(path, COLUMNS)) if path.exists() else _empty(series)


class TableLake:
    """Feature tables on disk: `<root>/tables/name=…/series=…/month=…/data.parquet`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._tables = root / "tables"

    def write(
        self,
        name: str,
        series_key: str,
        month: str,
        columns: Mapping[str, NDArray[Any]],
        metadata: Mapping[str, str] | None = None,
    ) -> bool:
        """Store one month of a table whole, replacing it. True when a byte changed.

        `columns` are one-dimensional and of one length; `metadata` travels in the file (a schema hash).
        """
        lengths = {len(column) for column in columns.values()}
        if len(lengths) != 1:
            raise DataError(f"table {name!r}: columns differ in length: {sorted(lengths)}")
        with locked(self.root / "locks" / f"{name}_{series_key.replace(':', '_')}.lock"):
            return write_table(self._path(name, series_key, month), columns, metadata)

    def read(self, name: str, series_key: str, months: list[str] | None = None) -> dict[str, NDArray[Any]]:
        """The columns of the given months (all, if None) joined in time order; empty dict where none is stored."""
        wanted = self.months(name, series_key) if months is None else sorted(months)
        paths = [path for month in wanted if (path := self._path(name, series_key, month)).exists()]
        tables = [read_table(path) for path in paths]
        if not tables:
            return {}
        if any(table.keys() != tables[0].keys() for table in tables):
            raise DataError(
                f"table {name!r} of {series_key}: its months have different columns; build them again"
            )
        return {column: np.concatenate([table[column] for table in tables]) for column in tables[0]}

    def metadata(self, name: str, series_key: str, month: str) -> dict[str, str]:
        """What `write` was given for this month; empty where nothing is stored."""
        path = self._path(name, series_key, month)
        if not path.exists():
            return {}
        return {k: v for k, v in pl.read_parquet_metadata(path).items() if k != "ARROW:schema"}

    def months(self, name: str, series_key: str) -> list[str]:
        folder = self._path(name, series_key, "*").parent.parent
        return sorted(path.parent.name.removeprefix("month=") for path in folder.glob("month=*/data.parquet"))

    def _path(self, name: str, series_key: str, month: str) -> Path:
        series = series_key.replace(":", "_")
        return self._tables / f"name={name}" / f"series={series}" / f"month={month}" / "data.parquet"


def by_month(candles: Candles) -> list[tuple[str, Candles]]:
    """Split by the UTC month of the opening time; bars must be in time order."""
    months = candles.ts.astype("datetime64[ns]").astype("datetime64[M]")
    turns = np.flatnonzero(months[1:] != months[:-1]) + 1
    bounds = [0, *(int(turn) for turn in turns), len(candles)] if len(candles) else []
    return [(str(months[first]), candles[first:end]) for first, end in pairwise(bounds)]


def _merge(stored: Candles, offered: Candles) -> tuple[Candles | None, tuple[int, int, int]]:
    """(the month after the merge, or None where nothing changes; rows added, unchanged, replaced)."""
    if not len(stored):
        return offered, (len(offered), 0, 0)
    at = np.searchsorted(stored.ts, offered.ts)
    known = at < len(stored)
    known[known] = stored.ts[at[known]] == offered.ts[known]
    both = at[known]
    pairs = list(zip(stored.columns(), offered.columns(), strict=True))
    differs = np.logical_or.reduce([old[both] != new[known] for old, new in pairs[:-1]])
    old_trades, new_trades = pairs[-1]
    differs |= (old_trades[both] != new_trades[known]) & (new_trades[known] != UNKNOWN_TRADES)
    counts = (int((~known).sum()), int((~differs).sum()), int(differs.sum()))
    if not counts[0] and not counts[2]:
        return None, counts
    return _combined(stored, offered, both[differs], ~known, np.flatnonzero(known)[differs]), counts


def _combined(
    stored: Candles,
    offered: Candles,
    outdated: NDArray[np.int64],
    new: NDArray[np.bool_],
    newer: NDArray[np.int64],
) -> Candles:
    """Stored rows, those at `outdated` replaced by the offered ones at `newer`, and the `new` ones added."""
    trades = offered.trades[newer]
    known_trades = np.where(trades == UNKNOWN_TRADES, stored.trades[outdated], trades)
    columns = [column.copy() for column in stored.columns()]
    for column, offer in zip(columns, offered.columns(), strict=True):
        column[outdated] = offer[newer]
    columns[-1][outdated] = known_trades
    added = select(offered, new).columns()
    order = np.argsort(np.concatenate((columns[0], added[0])), kind="stable")
    return Candles(
        stored.series,
        *(np.concatenate(pair)[order] for pair in zip(columns, added, strict=True)),
    )


def _candles(series: Series, table: Mapping[str, NDArray[Any]]) -> Candles:
    return Candles(series, *(table[name] for name in COLUMNS))


def _empty(series: Series) -> Candles:
    whole, real = np.empty(0, np.int64), np.empty(0, np.float64)
    return Candles(series, whole, real, real, real, real, real, whole)


def _series_at(folder: Path) -> Series:
    parts = dict(part.split("=", 1) for part in folder.parts[-3:])
    return Series(parts["venue"], parts["pair"].replace("-", "/"), parts["interval"])
