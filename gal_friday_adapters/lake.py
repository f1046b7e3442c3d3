"""The candle lake: Parquet partitioned by venue, pair, interval and month.

    <root>/candles/venue=kraken/pair=BTC-USD/interval=1m/month=2024-01/data.parquet

`root` is a folder or a prefix of a bucket. A month is rewritten whole: on a disk through a temporary file, fsync and
rename, under a lock of its series; in a bucket by compare-and-swap. A killed writer leaves the old month or the new one,
and no writer loses what another added. The bytes are a function of the rows alone: no times, names or orders of writing
enter them, and an unchanged month is not touched.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gal_friday_adapters.files import files_at
from gal_friday_adapters.locations import Location
from gal_friday_adapters.parquet_parts import Rows
from gal_friday_adapters.parquet_store import (
    decoded,
    encoded,
    read_all_metadata,
    read_metadata,
    read_some,
    read_table,
    read_tables,
    write_table,
)
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
    """Candles under `root`; safe for several processes at once, in a bucket on several machines too."""

    def __init__(self, root: Location) -> None:
        self.root = root
        self.files = files_at(root)

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
        with self.files.held(_lock(candles.series)):
            for month, part in by_month(candles):
                has_changed, counts = self._add(candles.series, month, part)
                if has_changed:
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
            and (end_ns is None or month <= month_of(end_ns - 1))
        ]
        within = {month_of(end) for end in (start_ns, end_ns) if end is not None and not _begins_month(end)}
        names = {month: self.name(series, month) for month in months}
        rows = {names[month]: Rows(COLUMNS[0], first, last) for month in within & names.keys()}
        tables = read_tables(self.files, list(names.values()), COLUMNS, rows)
        if not tables:
            return _empty(series)
        joined = {name: np.concatenate([table[name] for table in tables]) for name in COLUMNS}
        return _candles(series, joined).between(first, last)

    def months(self, series: Series) -> list[str]:
        """Stored months as 'YYYY-MM', ascending."""
        return _months(self.files.glob(f"{_folder(series)}/month=*/data.parquet"))

    def series(self) -> list[Series]:
        """Every stored series, sorted."""
        names = self.files.glob("candles/venue=*/pair=*/interval=*/month=*/data.parquet")
        return sorted({_series_of(name) for name in names})

    def version(self, series: Series, month: str | None = None) -> str:
        """sha256 of the stored bars of a series, or of one month of it; independent of the file format."""
        if month is None:
            return self.read(series).fingerprint()
        return self.read_month(series, month).fingerprint()

    def read_month(self, series: Series, month: str) -> Candles:
        """One month's bars; empty where nothing is stored."""
        table = read_table(self.files, self.name(series, month), COLUMNS)
        return _empty(series) if table is None else _candles(series, table)

    def closed_ns(self, series: Series) -> int | None:
        """When the newest stored bar closed; None where nothing is stored."""
        months = self.months(series)
        return int(self.times(series, months[-1])[-1]) + series.interval_ns if months else None

    def times(self, series: Series, month: str) -> NDArray[np.int64]:
        """When one month's bars open; empty where nothing is stored."""
        tables = read_some(self.files, [self.name(series, month)], COLUMNS[:1])
        return tables[0][COLUMNS[0]] if tables else np.empty(0, np.int64)

    def stamps(self, series: Series) -> dict[str, str]:
        """Of each stored month what changes whenever its file is replaced: cheaper to ask for than its content."""
        found = self.files.stamps(self.name(series, "*"))
        return dict(zip(_months(list(found)), found.values(), strict=True))

    def coverage(self, series: Series) -> list[Span]:
        """Times for which all bars that exist are known to be stored: the memory of resumable downloads."""
        table = read_table(self.files, _coverage(series), ("start", "end"))
        return [] if table is None else _spans(table)

    def cover(self, series: Series, spans: list[Span]) -> None:
        """Add to the coverage, after the bars themselves are written."""

        def added(known: list[Span]) -> list[Span]:
            return known if all(covered(known, span) for span in spans) else union(known, spans)

        self._recover(series, added)

    def forget(self, series: Series, start_ns: int) -> None:
        """Take back the coverage from a time on: its bars stay, and are asked for again."""
        self._recover(
            series, lambda known: [(start, min(end, start_ns)) for start, end in known if start < start_ns]
        )

    def name(self, series: Series, month: str) -> str:
        """Of a month's file, below `root`."""
        return f"{_folder(series)}/month={month}/data.parquet"

    def _add(self, series: Series, month: str, part: Candles) -> tuple[bool, tuple[int, int, int]]:
        """Merge bars of one month into its file; whether that changed, and rows added, unchanged, replaced."""
        name, counts = self.name(series, month), (0, 0, 0)

        def merged(stored: bytes | None) -> bytes | None:
            nonlocal counts
            known = _empty(series) if stored is None else self._candles(series, name, stored)
            candles, counts = _merge(known, part)
            return None if candles is None else encoded(dict(zip(COLUMNS, candles.columns(), strict=True)))

        return self.files.change(name, merged), counts

    def _candles(self, series: Series, name: str, stored: bytes) -> Candles:
        return _candles(series, decoded(stored, self.files.show(name), COLUMNS))

    def _recover(self, series: Series, change: Callable[[list[Span]], list[Span]]) -> None:
        """Replace the coverage by a function of it."""
        name = _coverage(series)

        def changed(stored: bytes | None) -> bytes | None:
            known = [] if stored is None else _spans(decoded(stored, self.files.show(name)))
            wanted = change(known)
            if wanted == known:
                return None
            starts, ends = (np.array([span[side] for span in wanted], np.int64) for side in (0, 1))
            return encoded({"start": starts, "end": ends})

        with self.files.held(_lock(series)):
            self.files.change(name, changed)


class TableLake:
    """Feature tables: `<root>/tables/name=…/series=…/month=…/data.parquet`."""

    def __init__(self, root: Location) -> None:
        self.root = root
        self.files = files_at(root)

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
        with self.files.held(f"{name}_{series_key.replace(':', '_')}"):
            return write_table(self.files, _table(name, series_key, month), columns, metadata)

    def read(
        self,
        name: str,
        series_key: str,
        months: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
    ) -> dict[str, NDArray[Any]]:
        """The given months (all, if None) joined in time order; empty dict where none is stored.

        Of a table in a bucket only the named `columns` (all, if None) are fetched.
        """
        wanted = self.months(name, series_key) if months is None else sorted(months)
        names = [_table(name, series_key, month) for month in wanted]
        tables = read_tables(self.files, names) if columns is None else read_some(self.files, names, columns)
        if not tables:
            return {}
        if any(table.keys() != tables[0].keys() for table in tables):
            raise DataError(
                f"table {name!r} of {series_key}: its months have different columns; build them again"
            )
        return {column: np.concatenate([table[column] for table in tables]) for column in tables[0]}

    def metadata(self, name: str, series_key: str, month: str) -> dict[str, str]:
        """What `write` was given for this month; empty where nothing is stored."""
        return read_metadata(self.files, _table(name, series_key, month))

    def all_metadata(
        self, name: str, series_key: str, months: Sequence[str]
    ) -> list[tuple[str, dict[str, str]]]:
        """The same of each month, with its month."""
        found = read_all_metadata(self.files, [_table(name, series_key, month) for month in months])
        return list(zip(months, found, strict=True))

    def months(self, name: str, series_key: str) -> list[str]:
        return _months(self.files.glob(_table(name, series_key, "*")))


def by_month(candles: Candles) -> list[tuple[str, Candles]]:
    """Split by the UTC month of the opening time; bars must be in time order."""
    months = candles.ts.astype("datetime64[ns]").astype("datetime64[M]")
    turns = np.flatnonzero(months[1:] != months[:-1]) + 1
    bounds = [0, *(int(turn) for turn in turns), len(candles)] if len(candles) else []
    return [(str(months[first]), candles[first:end]) for first, end in pairwise(bounds)]


def _begins_month(ns: int) -> bool:
    return month_of(ns) != month_of(ns - 1)


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


def _series_of(name: str) -> Series:
    parts = dict(part.split("=", 1) for part in name.split("/")[1:4])
    return Series(parts["venue"], parts["pair"].replace("-", "/"), parts["interval"])


def _months(names: Sequence[str]) -> list[str]:
    return sorted(name.split("/")[-2].removeprefix("month=") for name in names)


def _spans(table: Mapping[str, NDArray[Any]]) -> list[Span]:
    return [(int(start), int(end)) for start, end in zip(table["start"], table["end"], strict=True)]


def _folder(series: Series) -> str:
    pair = series.pair.replace("/", "-")
    return f"candles/venue={series.venue}/pair={pair}/interval={series.interval}"


def _coverage(series: Series) -> str:
    return f"{_folder(series)}/coverage.parquet"


def _lock(series: Series) -> str:
    return series.key.replace(":", "_")


def _table(name: str, series_key: str, month: str) -> str:
    return f"tables/name={name}/series={series_key.replace(':', '_')}/month={month}/data.parquet"
