"""Candles from Parquet: columns ts (int64 nanoseconds UTC, or a timestamp), open, high, low, close, volume[, trades]."""

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gal_friday_adapters.history.raw import NOTHING_STORED, BadRow, RawCandles
from gal_friday_core.candle_quality import EARLIEST_NS
from gal_friday_core.candles import UNKNOWN_TRADES, Candles, Series
from gal_friday_core.errors import DataError

VALUES = ("open", "high", "low", "close", "volume")
MAX_ROWS = 50_000_000
"""Ninety years of minutes. A file that announces more is not read into memory."""


def read_parquet(path: Path, series: Series, source: str | None = None) -> RawCandles:
    """Rows of a file, unchecked.

    Raises DataError where it is no readable Parquet, a column is missing or of the wrong type, or the
    times are not nanoseconds.
    """
    name = source or path.name
    try:
        scan = pl.scan_parquet(path, hive_partitioning=False)
        schema = scan.collect_schema()
        _check_columns(name, schema)
        rows = int(scan.select(pl.len()).collect().item())
        if rows > MAX_ROWS:
            raise DataError(
                f"{name}: {rows:,} rows are more than {MAX_ROWS:,}; {NOTHING_STORED}. Split the file"
            )
        frame = scan.select(_expressions(schema)).collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        first = str(error).splitlines()[0]
        raise DataError(
            f"{name}: not a readable Parquet file ({first}); {NOTHING_STORED}. Fetch it again"
        ) from error
    return _raw(name, series, frame)


def _check_columns(name: str, schema: pl.Schema) -> None:
    missing = [column for column in ("ts", *VALUES) if column not in schema]
    if missing:
        raise DataError(
            f"{name}: no column {', '.join(missing)} (found: {', '.join(schema) or 'none'}); {NOTHING_STORED}. "
            "Expected ts, open, high, low, close, volume[, trades]"
        )
    wrong = [column for column in (*VALUES, "trades") if column in schema and not schema[column].is_numeric()]
    if not (schema["ts"].is_integer() or schema["ts"] == pl.Datetime):
        wrong.insert(0, "ts")
    if wrong:
        found = ", ".join(f"{column} is {schema[column]}" for column in wrong)
        raise DataError(
            f"{name}: wrong column types: {found}; {NOTHING_STORED}. "
            "Expected ts as int64 nanoseconds or a timestamp, all others as numbers"
        )


def _expressions(schema: pl.Schema) -> list[pl.Expr]:
    ts = pl.col("ts").dt.cast_time_unit("ns") if schema["ts"] == pl.Datetime else pl.col("ts")
    trades = pl.col("trades") if "trades" in schema else pl.lit(None)
    return [
        ts.cast(pl.Int64),
        *(pl.col(column).cast(pl.Float64) for column in VALUES),
        trades.cast(pl.Int64).fill_null(UNKNOWN_TRADES).alias("trades"),
    ]


def _raw(name: str, series: Series, frame: pl.DataFrame) -> RawCandles:
    numbers = np.arange(1, len(frame) + 1, dtype=np.int64)
    unreadable: tuple[BadRow, ...] = ()
    if frame["ts"].null_count():
        gone = frame["ts"].is_null().to_numpy()
        unreadable = tuple(BadRow(int(number), "the time is missing", "") for number in numbers[gone])
        frame, numbers = frame.filter(pl.col("ts").is_not_null()), numbers[~gone]
    ts = frame["ts"].to_numpy()
    _check_unit(name, ts)
    open_, high, low, close, volume = (frame[column].fill_null(float("nan")).to_numpy() for column in VALUES)
    candles = Candles(series, ts, open_, high, low, close, volume, frame["trades"].to_numpy())
    return RawCandles(name, "row", candles, numbers, unreadable)


def _check_unit(name: str, ts: NDArray[np.int64]) -> None:
    if len(ts) and EARLIEST_NS // 10**9 <= (typical := int(np.median(ts))) < EARLIEST_NS // 10:
        raise DataError(
            f"{name}: times such as {typical} are not nanoseconds; {NOTHING_STORED}. "
            "Store ts as int64 nanoseconds UTC, or as a timestamp"
        )
