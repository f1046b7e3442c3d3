"""Feature tables in the table lake, one file a month, and the training sets and label tables that are made of them."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gal_friday_adapters.feature_tables import TS, table_name
from gal_friday_adapters.lake import CandleLake, TableLake
from gal_friday_assets.partitions import month_bounds
from gal_friday_core.candles import Candles, Series
from gal_friday_core.config import Config
from gal_friday_core.errors import DataError, SchemaMismatchError
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.registry import feature_set
from gal_friday_core.features.schema import FeatureSchema
from gal_friday_core.features.streams import REACH, FeatureTable, compute
from gal_friday_core.label_sets import LabelSet
from gal_friday_core.times import DAY_NS
from gal_friday_core.training_set import TrainingSet, assemble

ALL_MONTHS = "all"
MOST_BEHIND_NS = 2 * DAY_NS
"""Features that are so far behind their bars are not late but forgotten."""
MOST_REFRESHES = 5
"""So often a table may be replaced while it is read."""
CANDLES = "candles"
"""The key, in a stored table, of what it was computed from."""


def compute_months(candles: Candles, months: Sequence[str], schema: FeatureSchema) -> FeatureTable:
    """Features from the first to the last of these months, the bits that the whole series would give them.

    `candles` are of the whole series; the kernel starts as many bars early as its rows reach back.
    """
    bounds = month_bounds(min(months))[0], month_bounds(max(months))[1]
    first, last = np.searchsorted(candles.ts, bounds, side="left")
    start = max(0, int(first) - REACH)
    return compute(candles[start : int(last)], schema)[int(first) - start :]


def write_month(tables: TableLake, candles: Candles, month: str, table: FeatureTable) -> NDArray[np.float64]:
    """Store one month of a table, and which of the whole series' `candles` it came from; its values, shape (n, f)."""
    first, last = np.searchsorted(table.ts, month_bounds(month), side="left")
    values = table.values[first:last]
    columns: dict[str, NDArray[Any]] = {TS: table.ts[first:last]}
    columns.update({name: values[:, column] for column, name in enumerate(table.schema.names)})
    made_of = {"schema": table.schema.hash, CANDLES: _source(candles, month)}
    tables.write(table_name(table.schema), candles.series.key, month, columns, made_of)
    return values


def outdated_months(tables: TableLake, candles: Candles, schema: FeatureSchema) -> list[str]:
    """Months whose stored features are not those of the series' `candles`, missing ones included.

    A month's features come from its own bars and from the `REACH` bars before them: a correction on the last of
    January makes February's outdated too.
    """
    name, key = table_name(schema), candles.series.key
    return [
        month
        for month, made_of in tables.all_metadata(name, key, _months(candles))
        if made_of.get(CANDLES) != _source(candles, month)
    ]


def months_reached(lake: CandleLake, series: Series, changed: Sequence[str]) -> list[str]:
    """The changed months, and those after the last of them whose features reach back into it."""
    found, bars = sorted(changed), 0
    for month in lake.months(series):
        if month > max(changed) and bars < REACH:
            found.append(month)
            bars += len(lake.times(series, month))
    return found


def _months(candles: Candles) -> list[str]:
    return [str(month) for month in np.unique(candles.ts.astype("datetime64[ns]").astype("datetime64[M]"))]


def _source(candles: Candles, month: str) -> str:
    """sha256 of all bars that a month's features depend on."""
    first, last = np.searchsorted(candles.ts, month_bounds(month), side="left")
    return candles[max(0, int(first) - REACH) : int(last)].fingerprint()


def read_table(
    tables: TableLake, series: Series, schema: FeatureSchema, ts: NDArray[np.int64]
) -> FeatureTable:
    """The whole series' features, one row for each bar of `ts`.

    Raises DataError when stored features do not cover exactly these bars.
    """
    columns = tables.read(table_name(schema), series.key)
    _require_columns(columns, series, schema)
    if not columns or not np.array_equal(columns[TS], ts):
        found = len(columns[TS]) if columns else 0
        raise DataError(
            f"feature_table of {series.key} has {found:,} rows for {len(ts):,} candles: materialise it for "
            "every month of the series first"
        )
    return FeatureTable(ts, matrix(columns, schema), schema)


def _require_columns(columns: Mapping[str, NDArray[Any]], series: Series, schema: FeatureSchema) -> None:
    """Refuse a stored table that is not of this schema, whatever its name says."""
    if columns and tuple(columns) != (TS, *schema.names):
        apart = sorted({*columns} ^ {TS, *schema.names}) or ["their order"]
        raise SchemaMismatchError(
            f"feature_table of {series.key} is not of {schema.name} {schema.hash[:12]}…: it differs in "
            f"{', '.join(apart[:3])}; materialise it again for every month of the series"
        )


def matrix(columns: Mapping[str, NDArray[np.float64]], schema: FeatureSchema) -> NDArray[np.float64]:
    """Columns by name as one array in schema order, shape (n, f)."""
    return np.column_stack([columns[name] for name in schema.names])


def latest_rows(
    tables: TableLake, series: Series, schema: FeatureSchema, count: int, *, complete: bool = True
) -> NDArray[np.float64]:
    """Up to `count` of the newest feature rows, shape (n, f), from as few months as hold them; `complete` ones only."""
    name, parts, found = table_name(schema), list[NDArray[np.float64]](), 0
    for month in reversed(tables.months(name, series.key)):
        values = matrix(tables.read(name, series.key, [month]), schema)
        parts.append(values[np.isfinite(values).all(axis=1)] if complete else values)
        found += len(parts[-1])
        if found >= count:
            break
    return np.concatenate(parts[::-1])[-count:] if parts else np.empty((0, len(schema)))


def learnable(
    lake: CandleLake, tables: TableLake, series: Series, schema: FeatureSchema = CANDLES_V1
) -> tuple[Candles, FeatureTable]:
    """Bars and their features, of one moment: they are read again where a refresh replaced a file between the two.

    Raises DataError where features are missing, or of other candles.
    """
    for _ in range(MOST_REFRESHES):
        before = newest_row(tables, series, schema)
        bars = bars_with_features(lake, tables, series, schema)
        try:
            return bars, read_features(tables, bars, schema)
        except DataError:
            if newest_row(tables, series, schema) == before:
                raise
    raise DataError(f"feature_table of {series.key} is replaced faster than it is read: try again later")


def bars_with_features(
    lake: CandleLake, tables: TableLake, series: Series, schema: FeatureSchema = CANDLES_V1
) -> Candles:
    """The series up to its newest stored feature row: top-ups go on while a run trains, and the next one learns from them.

    All of it where features are further behind than that explains: whoever reads them then says what is missing.
    """
    bars = lake.read(series)
    newest = newest_row(tables, series, schema)
    if newest is None or not len(bars) or int(bars.ts[-1]) - newest > MOST_BEHIND_NS:
        return bars
    return bars[: int(np.searchsorted(bars.ts, newest, side="right"))]


def has_features(
    lake: CandleLake, tables: TableLake, series: Series, schema: FeatureSchema = CANDLES_V1
) -> bool:
    """Whether a model could learn from the series now: its features are there, and of the bars that are there."""
    try:
        learnable(lake, tables, series, schema)
    except DataError:
        return False
    return True


def newest_row(tables: TableLake, series: Series, schema: FeatureSchema) -> int | None:
    """Open of the newest bar that has a stored row; None where nothing is stored."""
    name = table_name(schema)
    for month in reversed(tables.months(name, series.key)):
        ts = tables.read(name, series.key, [month], [TS]).get(TS)
        if ts is not None and len(ts):
            return int(ts[-1])
    return None


def assemble_series(lake: CandleLake, tables: TableLake, series: Series, config: Config) -> TrainingSet:
    """What a model of the series learns from. Raises DataError where the stored data does not suffice."""
    return assemble(*learnable(lake, tables, series, feature_set(config.training.feature_set)), config)


def read_features(tables: TableLake, candles: Candles, schema: FeatureSchema) -> FeatureTable:
    """The stored features of all of a series' `candles`. Raises DataError where they are of other candles."""
    table = read_table(tables, candles.series, schema, candles.ts)
    if outdated := outdated_months(tables, candles, schema):
        raise DataError(
            f"feature_table of {candles.series.key}: {', '.join(outdated[:6])} came from candles that were corrected "
            "since: materialise it for these months again"
        )
    return table


def label_table_name(labels: LabelSet) -> str:
    """Tables of different label sets never mix: the hash is part of the name."""
    return f"labels-{labels.name}-{labels.hash[:12]}"


def write_labels(tables: TableLake, data: TrainingSet, labels: LabelSet) -> str:
    """Store a training set's labels whole, as one file: they look ahead over month ends. Their data version."""
    columns = label_columns(data)
    made_of = {
        "label_set": labels.name,
        "label_hash": labels.hash,
        "schema": data.schema.hash,
        CANDLES: data.candles_fingerprint,
    }
    tables.write(label_table_name(labels), data.series_key, ALL_MONTHS, columns, made_of)
    version = hashlib.sha256(labels.hash.encode())
    for column in columns.values():
        version.update(column.tobytes())
    return version.hexdigest()


def label_columns(data: TrainingSet) -> dict[str, NDArray[Any]]:
    """A training set's labels as a table; `ts` is the open of the deciding bar, `t1_ns` when its label was known."""
    labels = data.labels
    event = np.zeros(len(labels), np.bool_)
    event[data.events] = True
    return {
        TS: data.table.ts[data.table_rows],
        "t0_ns": labels.t0_ns,
        "t1_ns": labels.t1_ns,
        "net_return": labels.net_return,
        "outcome": labels.outcome,
        "event": event,
        "uniqueness": data.uniqueness,
    }
