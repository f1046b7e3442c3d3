"""Model artifacts addressed by content: written once, verified whenever they are read.

An artifact is a folder named by the sha256 of its manifest: on a disk it appears by one rename; in a bucket its manifest
comes last, and without that it is not there. `get` trusts nothing that is stored but that name.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from gal_friday_adapters.locations import Location, ObjectUrl
from gal_friday_core import artifact
from gal_friday_core.errors import ArtifactError, StorageError

_INCOMING = ".incoming-"


class Shelf(Protocol):
    """Where artifacts stand, each below `ab/abcdef…`."""

    def has(self, folder: str) -> bool:
        """Whether it stands there as a whole."""
        ...

    def create(self, folder: str, files: Mapping[str, bytes]) -> None:
        """Whole or not at all; who loses a race leaves the winner's. Raises StorageError."""
        ...

    def read(self, folder: str) -> dict[str, bytes]:
        """Every file by name, none larger than may be; FileNotFoundError where there is none. Raises ArtifactError."""
        ...


class ArtifactStore:
    """Create-only artifacts below a folder, or a prefix of a bucket."""

    def __init__(self, root: Location) -> None:
        self.root = root
        self._shelf = _shelf(root)

    def folder(self, artifact_id: str) -> Location:
        """Where an artifact stands. Raises ArtifactError for what is not a sha256 in hex."""
        name = _folder(artifact_id)
        return self.root / name

    def put(self, files: Mapping[str, bytes]) -> str:
        """Store sealed files and return their id; the same files again change nothing.

        Raises ArtifactError where the files, or what is already stored under their id, do not verify, and
        StorageError where the place refuses; then nothing is stored.
        """
        artifact_id = artifact.verify(files)
        folder = _folder(artifact_id)
        if not self._shelf.has(folder):
            self._shelf.create(folder, files)
        self.get(artifact_id)
        return artifact_id

    def get(self, artifact_id: str) -> dict[str, bytes]:
        """Every file of an artifact, by name. Raises ArtifactError for a missing, altered or extra file."""
        folder = _folder(artifact_id)
        try:
            files = self._shelf.read(folder)
            artifact.verify(files, artifact_id)
        except FileNotFoundError:
            raise ArtifactError(
                f"artifact {self.root / folder}: not there; restore the folder from a backup, or train and register "
                "again"
            ) from None
        except StorageError as error:
            raise ArtifactError(f"artifact {self.root / folder}: {error}") from error
        except ArtifactError as error:
            raise ArtifactError(f"artifact {self.root / folder}: {error}") from None
        return files


class DiskShelf:
    """Folders on a disk."""

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


def _shelf(root: Location) -> Shelf:
    if isinstance(root, ObjectUrl):
        from gal_friday_adapters.object_shelf import ObjectShelf
        from gal_friday_adapters.object_store import ObjectStore

        return ObjectShelf(ObjectStore(root))
    return DiskShelf(root)


def _folder(artifact_id: str) -> str:
    if len(artifact_id) != 64 or set(artifact_id) - set("0123456789abcdef"):
        raise ArtifactError(f"{artifact_id[:80]!r} is no artifact id: 64 hexadecimal digits are")
    return f"{artifact_id[:2]}/{artifact_id}"


def _create(root: Path, folder: Path, files: Mapping[str, bytes]) -> None:
    """Write beside, flush, then rename: who loses a race finds the winner's equal folder."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    incoming = Path(tempfile.mkdtemp(prefix=_INCOMING, dir=root))
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
