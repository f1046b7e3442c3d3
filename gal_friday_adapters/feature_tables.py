"""Features of recorded books and trades in the table lake, a row a bar, one file a month.

    <root>/tables/name=features-book-v1-…/series=kraken_BTC-USD_1m/month=2024-01/data.parquet

A row is that of the bar's close and stands at the bar's open, as the rows of the candle features do.
"""

from collections.abc import Iterator
from itertools import groupby, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gal_friday_adapters.lake import TableLake
from gal_friday_adapters.sessions.market_lake import MarketLake
from gal_friday_core.candles import Series
from gal_friday_core.features.book_drivers import BookStream
from gal_friday_core.features.book_set import BOOK_V1
from gal_friday_core.features.drivers import FeatureTable
from gal_friday_core.features.schema import FeatureSchema
from gal_friday_core.market_events import BOOK, INVALID, MarketEvents
from gal_friday_core.times import HOUR_NS, SECOND_NS, from_iso, month_of

UNRECORDED_NS = 60 * SECOND_NS
"""A pause so long in which the pair had no book means that nobody recorded: what comes after begins anew."""
TS = "ts"


def table_name(schema: FeatureSchema) -> str:
    """Tables of different schemas never mix: the hash is part of the name."""
    return f"features-{schema.name}-{schema.hash[:12]}"


def write_book_features(lake: MarketLake, tables: TableLake, series: Series) -> dict[str, int]:
    """Compute the rows of everything recorded of a pair and store them; rows stored by month.

    Rows in which nothing is known are left out. Computing them again changes nothing.
    """
    rows: dict[str, int] = {}
    for month, parts in groupby(_rows(lake, series), key=lambda table: month_of(int(table.ts[0]))):
        found = list(parts)
        ts, values = np.concatenate([part.ts for part in found]), np.vstack([part.values for part in found])
        columns: dict[str, NDArray[Any]] = {TS: ts}
        columns.update({name: values[:, column] for column, name in enumerate(BOOK_V1.names)})
        tables.write(table_name(BOOK_V1), series.key, month, columns, {"schema": BOOK_V1.hash})
        rows[month] = len(ts)
    return rows


def read_book_features(tables: TableLake, series: Series, ts: NDArray[np.int64]) -> FeatureTable:
    """The stored rows of the bars that open at `ts`; NaN throughout where nothing was recorded."""
    name = table_name(BOOK_V1)
    months = tables.months(name, series.key) if len(ts) else []
    asked = [month for month in months if month_of(int(ts[0])) <= month <= month_of(int(ts[-1]))]
    stored = tables.read(name, series.key, asked)
    values = np.full((len(ts), len(BOOK_V1)), np.nan)
    if stored:
        _, wanted, found = np.intersect1d(ts, stored[TS], assume_unique=True, return_indices=True)
        values[wanted] = np.column_stack([stored[name][found] for name in BOOK_V1.names])
    return FeatureTable(ts, values, BOOK_V1)


def _rows(lake: MarketLake, series: Series) -> Iterator[FeatureTable]:
    """Rows with their bars' open, in time order, no part over a month's end."""
    length = series.interval_ns
    stream, last_ns = BookStream(length), 0
    for part, anew in _unbroken(lake, series):
        if anew:
            stream = BookStream(length)
        table = stream.extend(part)
        opens = table.ts - length
        chosen = np.isfinite(table.values).any(axis=1) & (opens > last_ns)
        opens, values = opens[chosen], table.values[chosen]
        last_ns = max(last_ns, int(opens[-1])) if len(opens) else last_ns
        months = opens.astype("datetime64[ns]").astype("datetime64[M]")
        turns = [0, *(np.flatnonzero(months[1:] != months[:-1]) + 1).tolist(), len(opens)]
        for first, end in pairwise(turns):
            if end > first:
                yield FeatureTable(opens[first:end], values[first:end], BOOK_V1)


def _unbroken(lake: MarketLake, series: Series) -> Iterator[tuple[MarketEvents, bool]]:
    """Recorded events hour by hour, cut where recording paused; whether a part begins anew."""
    told_ns, verified, decimals = 0, False, None
    for hour in lake.hours(series.venue, series.pair):
        start = from_iso(f"{hour}:00:00Z")
        events = lake.events(series.venue, series.pair, start, start + HOUR_NS)
        if events is None:
            continue
        books = np.where(events.kind == BOOK, 1, np.where(events.kind == INVALID, 0, -1))
        known = np.maximum.accumulate(np.where(books >= 0, np.arange(len(books)), -1))
        before = np.concatenate(([verified], np.where(known < 0, verified, books[known] == 1)))
        pauses = np.diff(events.ts, prepend=told_ns) > UNRECORDED_NS
        cuts = np.flatnonzero(pauses & ~before[:-1].astype(bool)).tolist()
        units = (events.price_decimals, events.quantity_decimals)
        begins = set(cuts) | ({0} if units != decimals else set())
        for first, end in pairwise(sorted({0, *cuts, len(events)})):
            yield events[first:end], first in begins
        told_ns, verified, decimals = int(events.ts[-1]), bool(before[-1]), units
