"""Artifacts as folders of a disk: each appears whole by one rename, and is never changed."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from gal_friday_core import artifact
from gal_friday_core.errors import ArtifactError, StorageError

INCOMING = ".incoming-"


class DiskShelf:
    """The port `Shelf` over a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def has(self, folder: str) -> bool:
        try:
            return (self._root / folder).exists()
        except OSError as error:
            raise self._refused(error) from error

    def create(self, folder: str, files: Mapping[str, bytes]) -> None:
        try:
            _create(self._root, self._root / folder, files)
        except OSError as error:
            raise self._refused(error) from error

    def read(self, folder: str) -> dict[str, bytes]:
        try:
            return {entry.name: _read(entry) for entry in sorted((self._root / folder).iterdir())}
        except FileNotFoundError:
            raise
        except OSError as error:
            raise ArtifactError(f"cannot be read ({error.strerror}); fix its permissions") from error

    def _refused(self, error: OSError) -> StorageError:
        return StorageError(
            f"artifact store {self._root}: cannot write ({error.strerror}); free space or fix its permissions"
        )


def _create(root: Path, folder: Path, files: Mapping[str, bytes]) -> None:
    """Write beside, flush, then rename: who loses a race finds the winner's equal folder."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    incoming = Path(tempfile.mkdtemp(prefix=INCOMING, dir=root))
    try:
        for name, content in files.items():
            _write_durably(incoming / name, content)
        _flush_folder(incoming)
        try:
            incoming.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
        _flush_folder(folder.parent)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


def _read(entry: Path) -> bytes:
    if entry.is_symlink() or not entry.is_file():
        raise ArtifactError(f"{entry.name}: not a plain file; remove it")
    if entry.stat().st_size > artifact.MAX_MODEL_BYTES:
        raise ArtifactError(f"{entry.name}: larger than any artifact file may be; restore it")
    return entry.read_bytes()


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder for flushing, and renames durably without
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
