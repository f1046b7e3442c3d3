"""Model artifacts on disk, addressed by content: written once, verified whenever they are read.

An artifact is a folder named by the sha256 of its manifest. It appears by one rename, complete or not at
all; `get` trusts nothing on disk but that name.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from gal_friday_core import artifact
from gal_friday_core.errors import ArtifactError, StorageError

_INCOMING = ".incoming-"


class ArtifactStore:
    """Create-only folders `root/ab/abcdef…/`, one an artifact."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, artifact_id: str) -> Path:
        """Where an artifact lives. Raises ArtifactError for what is not a sha256 in hex."""
        if len(artifact_id) != 64 or set(artifact_id) - set("0123456789abcdef"):
            raise ArtifactError(f"{artifact_id[:80]!r} is no artifact id: 64 hexadecimal digits are")
        return self.root / artifact_id[:2] / artifact_id

    def put(self, files: Mapping[str, bytes]) -> str:
        """Store sealed files and return their id; the same files again change nothing.

        Raises ArtifactError where the files, or what is already stored under their id, do not verify, and
        StorageError where the disk refuses; then nothing is stored.
        """
        artifact_id = artifact.verify(files)
        folder = self.folder(artifact_id)
        try:
            if not folder.exists():
                self._create(folder, files)
        except OSError as error:
            raise StorageError(
                f"artifact store {self.root}: cannot write ({error.strerror}); free space or fix its permissions"
            ) from error
        self.get(artifact_id)
        return artifact_id

    def get(self, artifact_id: str) -> dict[str, bytes]:
        """Every file of an artifact, by name. Raises ArtifactError for a missing, altered or extra file."""
        folder = self.folder(artifact_id)
        try:
            files = {entry.name: _read(entry) for entry in sorted(folder.iterdir())}
            artifact.verify(files, artifact_id)
        except FileNotFoundError:
            raise ArtifactError(
                f"artifact {folder}: not there; restore the folder from a backup, or train and register again"
            ) from None
        except OSError as error:
            raise ArtifactError(
                f"artifact {folder}: cannot be read ({error.strerror}); fix its permissions"
            ) from error
        except ArtifactError as error:
            raise ArtifactError(f"artifact {folder}: {error}") from None
        return files

    def _create(self, folder: Path, files: Mapping[str, bytes]) -> None:
        """Write beside, flush, then rename: who loses a race finds the winner's equal folder."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        incoming = Path(tempfile.mkdtemp(prefix=_INCOMING, dir=self.root))
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
