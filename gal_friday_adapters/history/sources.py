"""From paths to sources: which files, folders and archive members hold candles, and of which series.

A path that the user names must be readable as candles. Inside a folder or an archive, what is not a
candle file (or a derivative, or of another pair or interval than asked for) is left out with its reason.
The options overrule the name of a single file; among several files they choose.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from zipfile import ZipFile, ZipInfo

from gal_friday_adapters.history.archive import members, read_member
from gal_friday_adapters.history.kraken_csv import read_kraken_csv
from gal_friday_adapters.history.naming import Overrides, series_of, split_pair
from gal_friday_adapters.history.parquet import read_parquet
from gal_friday_adapters.history.raw import NOTHING_STORED, RawCandles
from gal_friday_core.candles import Series
from gal_friday_core.errors import DataError

SUFFIXES = (".csv", ".parquet", ".zip")
MAX_CSV_BYTES = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Source:
    """One candle file, not yet read."""

    name: str
    series: Series
    read: Callable[[], RawCandles]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that is not ingested, and why; `refused` when the user named it and so must be told."""

    name: str
    reason: str
    refused: bool = False


def sources(paths: list[Path], overrides: Overrides) -> Iterator[Source | LeftOut]:
    """What the paths hold, in order. Raises DataError, before anything is read, where a path does not exist."""
    for path in paths:
        if not path.exists():
            raise DataError(f"{path}: no such file or directory; check the path")
    for path in paths:
        yield from (
            _in_folder(path, overrides) if path.is_dir() else _named(path, overrides, alone=len(paths) == 1)
        )


def _in_folder(folder: Path, overrides: Overrides) -> Iterator[Source | LeftOut]:
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and path.suffix.lower() in SUFFIXES and _visible(path, folder)
    )
    found = False
    for path in files:
        for item in (
            _archived(path, overrides) if path.suffix.lower() == ".zip" else _filtered(path, overrides)
        ):
            found = found or isinstance(item, Source) or item.refused
            yield item
    if not found:
        raise DataError(
            f"{folder}: the directory has no candle files (looked for XBTUSD_1.csv, bitfinex_BTCUSD_1m_2017.parquet, "
            "or ZIP archives of such CSVs); check the path"
        )


def _visible(path: Path, folder: Path) -> bool:
    return not any(part.startswith(".") for part in path.relative_to(folder).parts)


def _named(path: Path, overrides: Overrides, *, alone: bool) -> Iterator[Source | LeftOut]:
    suffix = path.suffix.lower()
    if suffix == ".zip":
        yield from _named_archive(path, overrides)
    elif suffix in SUFFIXES and not alone and overrides != Overrides():
        yield from _filtered(path, overrides)
    elif suffix in SUFFIXES:
        try:
            yield _source(path, series_of(path.name, overrides))
        except DataError as error:
            yield LeftOut(path.name, str(error), refused=True)
    else:
        reason = f"{path.name}: neither .csv, .parquet nor .zip; {NOTHING_STORED}. Give candle files or a folder of them"
        yield LeftOut(path.name, reason, refused=True)


def _named_archive(path: Path, overrides: Overrides) -> Iterator[Source | LeftOut]:
    told = False
    for item in _archived(path, overrides):
        told = told or isinstance(item, Source) or item.refused
        yield item
    if not told:
        reason = f"{path.name}: no member is a candle file such as XBTUSD_1.csv; {NOTHING_STORED}. Check the archive"
        yield LeftOut(path.name, reason, refused=True)


def _archived(path: Path, overrides: Overrides) -> Iterator[Source | LeftOut]:
    try:
        for name, entry, archive in members(path):
            shown = f"{path.name}!{entry.filename}"
            series = _wanted_series(name, overrides)
            if isinstance(series, str):
                yield LeftOut(shown, series)
            else:
                yield Source(shown, series, partial(_read_archived, path, entry, archive, series, shown))
    except DataError as error:
        yield LeftOut(path.name, str(error), refused=True)


def _read_archived(path: Path, entry: ZipInfo, archive: ZipFile, series: Series, shown: str) -> RawCandles:
    return read_kraken_csv(read_member(path, entry, archive), series, shown)


def _filtered(path: Path, overrides: Overrides) -> Iterator[Source | LeftOut]:
    series = _wanted_series(path.name, overrides)
    yield LeftOut(path.name, series) if isinstance(series, str) else _source(path, series)


def _wanted_series(name: str, overrides: Overrides) -> Series | str:
    """The series of a found file, or why it is left out: here the options choose, and only complete a silent name."""
    try:
        own = series_of(name)
    except DataError as error:
        try:
            return (
                series_of(name, overrides)
                if overrides != Overrides() and "does not say" in str(error)
                else str(error)
            )
        except DataError as still:
            return str(still)
    venue = own.venue if overrides.venue is None else overrides.venue.lower()
    if overrides.pair is not None and split_pair(overrides.pair) != own.pair:
        return f"another pair than {overrides.pair}"
    if overrides.interval is not None and overrides.interval != own.interval:
        return f"another interval than {overrides.interval}"
    return Series(venue, own.pair, own.interval)


def _source(path: Path, series: Series) -> Source:
    if path.suffix.lower() == ".parquet":
        return Source(path.name, series, lambda: read_parquet(path, series))
    return Source(path.name, series, lambda: read_kraken_csv(_bytes(path), series, path.name))


def _bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_CSV_BYTES:
            raise DataError(
                f"{path.name}: {size:,} bytes are more than {MAX_CSV_BYTES:,}; {NOTHING_STORED}. Split the file"
            )
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path.name}: cannot be read ({error.strerror}); check its permissions") from error
