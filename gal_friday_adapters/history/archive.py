"""Kraken's ZIP of OHLCVT files, read in memory: nothing is ever extracted to disk, so no member's path matters."""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from gal_friday_adapters.history.raw import NOTHING_STORED
from gal_friday_core.errors import DataError

MAX_MEMBER_BYTES = 2 * 1024**3
MAX_MEMBERS = 50_000
MAX_RATIO = 200
"""Digits compress three- to tenfold; a member that claims more is a bomb."""


def members(path: Path) -> Iterator[tuple[str, zipfile.ZipInfo, zipfile.ZipFile]]:
    """(base name, entry, open archive) of each CSV member, in name order.

    Raises DataError where the archive is damaged, encrypted, or has hostile names or sizes.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if _wanted(path, entry)]
            if len(entries) > MAX_MEMBERS:
                raise DataError(f"{path.name}: {len(entries):,} members are too many; {NOTHING_STORED}")
            for entry in sorted(entries, key=lambda entry: entry.filename):
                yield PurePosixPath(entry.filename).name, entry, archive
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, struct.error) as error:
        raise DataError(f"{path.name}: not a readable ZIP archive ({error}). Fetch it again") from error


def read_member(path: Path, entry: zipfile.ZipInfo, archive: zipfile.ZipFile) -> bytes:
    """The bytes of one member, its checksum verified."""
    where = f"{path.name}: {entry.filename}"
    if entry.flag_bits & 0x1:
        raise DataError(f"{where}: encrypted; {NOTHING_STORED}. Give the archive without a password")
    too_dense = entry.file_size > MAX_RATIO * max(entry.compress_size, 1) and entry.file_size > 1_000_000
    if entry.file_size > MAX_MEMBER_BYTES or too_dense:
        raise DataError(
            f"{where}: unpacks to {entry.file_size:,} bytes, which no candle file does; {NOTHING_STORED}"
        )
    try:
        return archive.read(entry)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError) as error:
        raise DataError(f"{where}: damaged ({error}); {NOTHING_STORED}. Fetch the archive again") from error


def _wanted(path: Path, entry: zipfile.ZipInfo) -> bool:
    name = PurePosixPath(entry.filename)
    if (
        not entry.filename
        or name.is_absolute()
        or ".." in name.parts
        or "\\" in entry.filename
        or ":" in entry.filename
    ):
        raise DataError(f"{path.name}: refuses the member name {entry.filename!r}; {NOTHING_STORED}")
    hidden = any(part.startswith((".", "__MACOSX")) for part in name.parts)
    return not entry.is_dir() and not hidden and name.suffix.lower() == ".csv"
