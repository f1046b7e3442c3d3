"""A tree of whole files by name, on a disk or in a bucket: each is there entirely or not at all.

Names are relative, with slashes: `candles/venue=kraken/…/data.parquet`. Entry point: `files_at`.
"""

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Protocol

from gal_friday_adapters.locations import Location, ObjectUrl
from gal_friday_core.errors import StorageError
from gal_friday_core.spans import Span, union

Change = Callable[[bytes | None], bytes | None]
"""From what is stored (None: nothing) to what is to be stored (None: nothing to be done). May be called again."""


@dataclass(eq=False, slots=True)
class Part:
    """What has come of a file: the `spans` of its `content`, which is as long as the file; the rest is zeros."""

    content: bytearray
    spans: list[Span]

    def add(self, start: int, content: bytes) -> None:
        end = start + len(content)
        self.content[start:end] = content
        self.spans = union(self.spans, [(start, end)])


Missing = Callable[[Part], list[Span]]
"""Which bytes are still wanted of a file of which its end, at least, is there; asked until there are none."""


class Files(Protocol):
    """Every method raises StorageError where the place refuses or does not answer."""

    def show(self, name: str) -> str:
        """A file's path or URL, for messages."""
        ...

    def read(self, name: str) -> bytes | None:
        """None where there is no such file."""
        ...

    def sources(
        self, names: Sequence[str], missing: Mapping[str, Missing] | None = None
    ) -> list[Path | BytesIO | None]:
        """What each file can be read from, None where it is not there.

        Of those that `missing` names, what it does not ask for may be zeros.
        """
        ...

    def change(self, name: str, change: Change) -> bool:
        """Replace a file by a function of what it holds, so that no other writer's change is lost.

        False, touching nothing, where the function gives None or what is stored already.
        """
        ...

    def held(self, lock: str) -> AbstractContextManager[None]:
        """Keep other processes of this machine from changing what goes by this name; a bucket needs no such thing."""
        ...

    def glob(self, pattern: str) -> list[str]:
        """Names that fit, ascending; `*` stands for any text without a slash."""
        ...

    def folders(self, folder: str) -> list[str]:
        """The names of the folders right below, ascending."""
        ...

    def stamps(self, pattern: str) -> dict[str, str]:
        """Of each file whose name fits, what changes whenever it is replaced."""
        ...


def files_at(location: Location) -> Files:
    """Nothing is touched or asked yet. Raises ConfigError for a server that must not be spoken to."""
    if isinstance(location, ObjectUrl):
        from gal_friday_adapters.object_files import ObjectFiles
        from gal_friday_adapters.object_store import ObjectStore

        return ObjectFiles(ObjectStore(location))
    return LocalFiles(location)


class LocalFiles:
    """Files below a folder: written beside, flushed, renamed, under a lock that dies with its holder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def show(self, name: str) -> str:
        return str(self._root / name)

    def read(self, name: str) -> bytes | None:
        try:
            return (self._root / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(
                f"cannot read {self.show(name)}: {error.strerror}; check its permissions"
            ) from error

    def sources(
        self, names: Sequence[str], missing: Mapping[str, Missing] | None = None
    ) -> list[Path | BytesIO | None]:
        """Whoever reads a file of a disk takes what it needs of it."""
        del missing
        paths = [self._root / name for name in names]
        return [path if path.exists() else None for path in paths]

    def change(self, name: str, change: Change) -> bool:
        """The caller holds the lock of what the file belongs to."""
        stored = self.read(name)
        wanted = change(stored)
        if wanted is None or wanted == stored:
            return False
        try:
            replace(self._root / name, wanted)
        except OSError as error:
            raise StorageError(
                f"cannot write {self.show(name)}: {error.strerror}; free space or check the data directory"
            ) from error
        return True

    def held(self, lock: str) -> AbstractContextManager[None]:
        return locked(self._root / "locks" / f"{lock}.lock")

    def glob(self, pattern: str) -> list[str]:
        return sorted(path.relative_to(self._root).as_posix() for path in self._root.glob(pattern))

    def folders(self, folder: str) -> list[str]:
        return sorted(path.name for path in (self._root / folder).glob("*") if path.is_dir())

    def stamps(self, pattern: str) -> dict[str, str]:
        return {name: self._stamp(name) for name in self.glob(pattern)}

    def _stamp(self, name: str) -> str:
        try:
            found = (self._root / name).stat()
        except OSError as error:
            raise StorageError(f"{self.show(name)}: {error.strerror}") from error
        return f"{found.st_mtime_ns}-{found.st_ino}-{found.st_size}"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock between processes; the kernel drops it when its holder dies."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("ab")
    except OSError as error:
        raise StorageError(f"cannot lock {path}: {error.strerror}; check the data directory") from error
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def replace(path: Path, content: bytes) -> None:
    """Temporary file, fsync, rename, fsync of the folder; the writer holds a lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(
        f"{path.name}.tmp"
    )  # one name under the lock: a killed writer's is overwritten
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
