"""Kraken's OHLCVT files: unix seconds, open, high, low, close, volume, trades; one bar a line.

A header is not Kraken's, but many who pass its candles on write one: it may name the columns in any order.
"""

import codecs
import re
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gal_friday_adapters.history.csv_header import in_order
from gal_friday_adapters.history.raw import NOTHING_STORED, BadRow, RawCandles
from gal_friday_core.candles import Candles, Series
from gal_friday_core.errors import DataError
from gal_friday_core.times import SECOND_NS

FIELDS = ("time", "open", "high", "low", "close", "volume", "trades")
EXPECTED = "expected 7, or a header that names them: unix seconds, open, high, low, close, volume, trades"
MAX_SECONDS = 9_000_000_000
"""Year 2255: later times are held here, where they are refused, as they would not fit nanoseconds."""

_SCHEMA = {field: pl.Int64 if field in ("time", "trades") else pl.Float64 for field in FIELDS}
_WHOLE = re.compile(r"\s*[+-]?\d{1,18}\s*")
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+|nan|inf(inity)?)\s*", re.IGNORECASE)


def read_kraken_csv(content: bytes, series: Series, source: str) -> RawCandles:
    """Rows of a file, unchecked.

    Raises DataError where it is empty, not text, cut off, or of another column count that no header explains.
    """
    text = content.removeprefix(codecs.BOM_UTF8)
    if not text or text.isspace():
        raise DataError(f"{source}: the file is empty; {NOTHING_STORED}. Fetch it again")
    if b"\0" in content[:65_536]:
        raise DataError(f"{source}: not a text file; {NOTHING_STORED}. Expected Kraken's OHLCVT lines")
    lines, above = in_order(text, source)
    frame = _read_quickly(lines)
    if frame is None:
        return _read_line_by_line(lines, above, series, source)
    columns = [frame[field].to_numpy() for field in FIELDS]
    return _raw(series, source, columns, np.arange(1 + above, len(frame) + 1 + above, dtype=np.int64), ())


def _read_quickly(content: bytes) -> pl.DataFrame | None:
    """The table, or None where any line is not exactly seven numbers."""
    try:
        frame = pl.read_csv(content, has_header=False, schema=_SCHEMA, quote_char=None)
    except pl.exceptions.PolarsError:
        return None
    lines = content.count(b"\n") + (not content.endswith(b"\n"))
    clean = len(frame) == lines and not any(frame.null_count().row(0))
    return frame if clean else None


def _raw(
    series: Series,
    source: str,
    columns: list[NDArray[Any]],
    numbers: NDArray[np.int64],
    unreadable: tuple[BadRow, ...],
) -> RawCandles:
    seconds = columns[0]
    if len(seconds) and abs(typical := int(np.median(seconds))) > MAX_SECONDS:
        raise DataError(
            f"{source}: times such as {typical} are not unix seconds (milliseconds?); {NOTHING_STORED}. "
            "Convert the first column to seconds"
        )
    ts = np.clip(seconds, -MAX_SECONDS, MAX_SECONDS).astype(np.int64) * SECOND_NS
    return RawCandles(source, "line", Candles(series, ts, *columns[1:]), numbers, unreadable)


def _read_line_by_line(content: bytes, above: int, series: Series, source: str) -> RawCandles:
    """The slow way: says which line is wrong, and why; `above` lines stood before these."""
    lines = content.decode("utf-8", errors="replace").splitlines()
    rows = [line.split(",") for line in lines]
    _check_shape(lines, rows, above, source)
    good: list[tuple[int, list[str]]] = []
    bad: list[BadRow] = []
    for number, fields in enumerate(rows, start=1 + above):
        reason = _fault(fields)
        if reason is None:
            good.append((number, fields))
        else:
            bad.append(BadRow(number, reason, lines[number - 1 - above][:120]))
    columns = [
        np.array([(int if field in ("time", "trades") else float)(row[at].strip()) for _, row in good], dtype)
        for at, (field, dtype) in enumerate(zip(FIELDS, _dtypes(), strict=True))
    ]
    numbers = np.array([number for number, _ in good], np.int64)
    return _raw(series, source, columns, numbers, tuple(bad))


def _dtypes() -> list[type[np.int64] | type[np.float64]]:
    return [np.int64 if kind == pl.Int64 else np.float64 for kind in _SCHEMA.values()]


def _check_shape(lines: list[str], rows: list[list[str]], above: int, source: str) -> None:
    """Refuse what is wrong with the file as a whole."""
    counts = [len(fields) for fields in rows]
    if not _NUMBER.fullmatch(rows[0][0]) and counts[0] > 1:
        raise DataError(
            f"{source}: line {1 + above}: no number: {lines[0][:80]!r}; {NOTHING_STORED}. "
            f"Remove or correct the line; {EXPECTED}"
        )
    usual = max(set(counts), key=counts.count)
    if usual != len(FIELDS):
        raise DataError(
            f"{source}: line {counts.index(usual) + 1 + above}: {usual} columns; {EXPECTED}; {NOTHING_STORED}. "
            "Fetch Kraken's OHLCVT file, or convert this one"
        )
    if counts[-1] < len(FIELDS) and lines[-1].strip():
        raise DataError(
            f"{source}: line {len(lines) + above}: cut off after {counts[-1]} of 7 columns: the file is truncated; "
            f"{NOTHING_STORED}. Fetch it again"
        )


def _fault(fields: list[str]) -> str | None:
    if len(fields) != len(FIELDS):
        return f"{len(fields)} columns where 7 are expected" if any(fields) else "a blank line"
    for field, text in zip(FIELDS, fields, strict=True):
        pattern = _WHOLE if field in ("time", "trades") else _NUMBER
        if not pattern.fullmatch(text):
            return f"{field} is not a {'whole ' if pattern is _WHOLE else ''}number"
    return None
