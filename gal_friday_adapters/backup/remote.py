"""A backup as one object of a bucket: complete or not there, as on a disk. It holds secrets: so must the bucket be kept."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gal_friday_adapters.locations import Location, ObjectUrl
from gal_friday_adapters.object_store import ObjectStore
from gal_friday_core.errors import StorageError


@contextmanager
def written_to(place: Location, scratch: Path) -> Iterator[Path]:
    """Where to write the backup. What goes to a bucket is written below `scratch`, put there as the block ends, and
    removed here.

    Raises StorageError where there is such an object already, or the bucket refuses.
    """
    if isinstance(place, Path):
        yield place
        return
    store = ObjectStore(place)
    if store.head("") is not None:
        raise StorageError(f"{place} is there already; a backup overwrites nothing: name another")
    with _private(scratch) as folder:
        yield folder / _name(place)
        store.put("", folder / _name(place))


@contextmanager
def read_from(place: Location, scratch: Path) -> Iterator[Path]:
    """The backup as a file; one of a bucket is fetched for as long as the block runs. Raises StorageError."""
    if isinstance(place, Path):
        yield place
        return
    with _private(scratch) as folder:
        ObjectStore(place).download("", folder / _name(place))
        yield folder / _name(place)


@contextmanager
def _private(scratch: Path) -> Iterator[Path]:
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=scratch) as folder:  # for its owner only
        yield Path(folder)


def _name(url: ObjectUrl) -> str:
    return url.prefix.rsplit("/", 1)[-1] or "gal-friday.tar"
