"""What many processes read at once: candles as plain arrays, mapped into memory, and models; there once for all of them.

A folder is named by what it holds, so the same name anywhere holds the same bytes.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np

from gal_friday_core.artifact import MANIFEST
from gal_friday_core.candles import Candles, Series
from gal_friday_core.errors import StorageError

COLUMNS = ("ts", "open", "high", "low", "close", "volume", "trades")
HELD = "sweep-data"
"""The folder below a worker's own directory, on machines that do not share a disk with the one who asks."""


class Shared(msgspec.Struct, frozen=True):
    """A folder: `about` what it holds, `folder` where it was written, `name` by which a worker elsewhere has it."""

    about: str
    folder: str
    name: str


@contextmanager
def sharing() -> Iterator[Path]:
    """A folder to share things in, gone after the block."""
    with tempfile.TemporaryDirectory(prefix="gal-friday-sweep-") as folder:
        yield Path(folder)


def share_candles(folder: Path, candles: Candles) -> Shared:
    """Every column as an array file of its own. Raises StorageError where the disk is full."""
    place = folder / candles.fingerprint()
    with _told(place):
        place.mkdir()
        for column, values in zip(COLUMNS, candles.columns(), strict=True):
            np.save(place / f"{column}.npy", np.ascontiguousarray(values), allow_pickle=False)
    return Shared(candles.series.key, str(place), place.name)


def share_model(folder: Path, model_id: str, files: Mapping[str, bytes]) -> Shared:
    """An artifact's files. Raises StorageError where the disk is full."""
    place = folder / sha256(files[MANIFEST]).hexdigest()
    with _told(place):
        place.mkdir(exist_ok=True)
        for name, content in files.items():
            (place / name).write_bytes(content)
    return Shared(model_id, str(place), place.name)


def mapped(one: Shared, elsewhere: Path | None = None) -> Candles:
    """Candles, read from disk only where they are looked at. `elsewhere`: a worker's own directory.

    Raises StorageError where neither place has them.
    """
    place = _place(one, elsewhere)
    try:
        columns = [np.load(place / f"{column}.npy", mmap_mode="r", allow_pickle=False) for column in COLUMNS]
    except (OSError, ValueError) as error:
        raise StorageError(f"candles of {one.about} are not in {place}: {error}") from error
    return Candles(Series.parse(one.about), *columns)


def model_files(one: Shared, elsewhere: Path | None = None) -> dict[str, bytes]:
    """An artifact's files, to be verified by who reads them. Raises StorageError where neither place has them."""
    return _files(_place(one, elsewhere))


def packed(one: Shared) -> dict[str, bytes]:
    """The files of a folder, to be sent to another machine."""
    return _files(Path(one.folder))


def unpack(directory: Path, one: Shared, files: Mapping[str, bytes]) -> None:
    """Write the files below a worker's own directory, unless it sees the folder itself."""
    if Path(one.folder).is_dir():
        return
    place = directory / HELD / one.name
    place.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (place / name).write_bytes(content)


def _place(one: Shared, elsewhere: Path | None) -> Path:
    place = Path(one.folder)
    if not place.is_dir() and elsewhere is not None:
        return elsewhere / HELD / one.name
    return place


def _files(place: Path) -> dict[str, bytes]:
    try:
        return {path.name: path.read_bytes() for path in sorted(place.iterdir())}
    except OSError as error:
        raise StorageError(f"{place} cannot be read: {error.strerror}") from error


@contextmanager
def _told(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot share {place}: {error.strerror}; free space there") from error
