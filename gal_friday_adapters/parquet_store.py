"""Columns in files: the same rows are the same bytes, written whole, read back as NumPy arrays."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gal_friday_adapters.files import Files
from gal_friday_adapters.parquet_parts import Rows, nothing_more, parts, place_of
from gal_friday_core.errors import StorageError

ROW_GROUP = 16_384
"""Rows that are stored together, hence fetched together: eleven days of minutes."""
LEVEL = 1
"""zstd: level 1 writes a year of minutes in a third of the time of level 3, for 4 % more bytes."""
AGAIN = "remove it and ingest that month again"

Table = dict[str, NDArray[Any]]
Source = Path | io.BytesIO


def encoded(columns: Mapping[str, NDArray[Any]], metadata: Mapping[str, str] | None = None) -> bytes:
    """Columns as Parquet. Minus zero is stored as zero, so that equal rows are equal bytes."""
    return encoded_frame(pl.DataFrame({name: _normal(column) for name, column in columns.items()}), metadata)


def encoded_frame(frame: pl.DataFrame, metadata: Mapping[str, str] | None = None) -> bytes:
    """The same of a frame as it is."""
    buffer = io.BytesIO()
    frame.write_parquet(
        buffer,
        compression="zstd",
        compression_level=LEVEL,
        row_group_size=ROW_GROUP,
        metadata=dict(metadata) if metadata else None,
    )
    return buffer.getvalue()


def write_frame(
    files: Files, name: str, frame: pl.DataFrame, metadata: Mapping[str, str] | None = None
) -> bool:
    """Replace a file by a frame; False, touching nothing, if equal already. The caller holds its lock."""
    content = encoded_frame(frame, metadata)
    return files.change(name, lambda _: content)


def write_table(
    files: Files, name: str, columns: Mapping[str, NDArray[Any]], metadata: Mapping[str, str] | None = None
) -> bool:
    """The same of columns."""
    content = encoded(columns, metadata)
    return files.change(name, lambda _: content)


def decoded(stored: bytes, shown: str, columns: Sequence[str] | None = None) -> Table:
    """Columns of a file's bytes. Raises StorageError where they are damaged."""
    return _read(io.BytesIO(stored), shown, columns)


def read_tables(
    files: Files,
    names: Sequence[str],
    columns: Sequence[str] | None = None,
    rows: Mapping[str, Rows] | None = None,
) -> list[Table]:
    """Columns of those files that are there, in the order of their names. Raises StorageError for a damaged one.

    Of a file for which `rows` are given, those rows, and some of their neighbours.
    """
    chosen = rows or {}
    found = zip(
        names, files.sources(names, {name: parts(columns, chosen[name]) for name in chosen}), strict=True
    )
    return [
        _read(source, files.show(name), columns, chosen.get(name))
        for name, source in found
        if source is not None
    ]


def read_table(files: Files, name: str, columns: Sequence[str] | None = None) -> Table | None:
    """Columns of one file; None where it is not there."""
    return next(iter(read_tables(files, [name], columns)), None)


def read_some(files: Files, names: Sequence[str], columns: Sequence[str]) -> list[Table]:
    """The same of a few of many columns: only those are fetched of files that are far away."""
    found = zip(names, files.sources(names, dict.fromkeys(names, parts(columns))), strict=True)
    return [_read(source, files.show(name), columns) for name, source in found if source is not None]


def read_frame(files: Files, name: str, advice: str) -> pl.DataFrame | None:
    """One file as it is; None where it is not there. Raises StorageError, with the `advice`, where it is damaged."""
    (source,) = files.sources([name])
    return None if source is None else _frame(source, files.show(name), None, advice)


def read_metadata(files: Files, name: str) -> dict[str, str]:
    """What was given with the columns; empty where the file is not there."""
    return read_all_metadata(files, [name])[0]


def read_all_metadata(files: Files, names: Sequence[str]) -> list[dict[str, str]]:
    """The same of each file."""
    found = zip(names, files.sources(names, dict.fromkeys(names, nothing_more)), strict=True)
    return [{} if source is None else _metadata(source, files.show(name)) for name, source in found]


def read_described(files: Files, names: Sequence[str]) -> list[tuple[Table, dict[str, str]]]:
    """Columns of those files that are there, each with what was given beside them."""
    found = zip(names, files.sources(names), strict=True)
    return [described(source, files.show(name)) for name, source in found if source is not None]


def described(source: Source | bytes, shown: str) -> tuple[Table, dict[str, str]]:
    """Columns of one file, with what was given beside them."""
    held = io.BytesIO(source) if isinstance(source, bytes) else source
    return _read(held, shown, None), _metadata(held, shown)


def _read(source: Source, shown: str, columns: Sequence[str] | None, rows: Rows | None = None) -> Table:
    frame = _frame(source, shown, columns, AGAIN, rows)
    return {name: frame[name].to_numpy() for name in frame.columns}


def _frame(
    source: Source, shown: str, columns: Sequence[str] | None, advice: str, rows: Rows | None = None
) -> pl.DataFrame:
    try:
        place = None if rows is None else place_of(source, rows)
        if place is None:
            return pl.read_parquet(
                source, columns=list(columns) if columns else None, hive_partitioning=False
            )
        scanned = pl.scan_parquet(source, hive_partitioning=False).slice(*place)
        return (scanned.select(columns) if columns else scanned).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise StorageError(f"{shown} cannot be read ({str(error).splitlines()[0]}); {advice}") from error


def _metadata(source: Source, shown: str) -> dict[str, str]:
    try:
        found = pl.read_parquet_metadata(source)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise StorageError(f"{shown} cannot be read ({str(error).splitlines()[0]}); {AGAIN}") from error
    return {key: value for key, value in found.items() if key != "ARROW:schema"}


def _normal(column: NDArray[Any]) -> NDArray[Any]:
    return column + 0.0 if np.issubdtype(column.dtype, np.floating) else column
