"""Model artifacts addressed by content: written once, verified whenever they are read.

An artifact is a folder named by the sha256 of its manifest: on a disk it appears by one rename; in a bucket its manifest
comes last, and without that it is not there. `get` trusts nothing that is stored but that name.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from gal_friday_adapters.disk_shelf import DiskShelf
from gal_friday_adapters.kept_artifacts import KeptArtifacts
from gal_friday_adapters.locations import Location, ObjectUrl
from gal_friday_adapters.paths import artifacts_dir, kept_dir
from gal_friday_core import artifact
from gal_friday_core.config import Config
from gal_friday_core.errors import ArtifactError, StorageError


class UnreachableArtifactError(ArtifactError, StorageError):
    """It may be as it should be: where it is does not answer now."""


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
    """Create-only artifacts below a folder, or a prefix of a bucket, of which copies are `kept` in a folder here."""

    def __init__(self, root: Location, kept: Path | None = None) -> None:
        self.root = root
        self._shelf = _shelf(root)
        self._kept = _kept(root, kept)

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
        stored = self._stored(artifact_id, folder)
        if self._kept is not None:
            self._kept.keep(folder, stored)
        return artifact_id

    def get(self, artifact_id: str) -> dict[str, bytes]:
        """Every file of an artifact, by name.

        Raises ArtifactError for a missing, altered or extra file: UnreachableArtifactError where nobody knows.
        """
        folder = _folder(artifact_id)
        if self._kept is None:
            return self._stored(artifact_id, folder)
        files = self._kept.get(artifact_id, folder)
        if files is None:
            files = self._stored(artifact_id, folder)
            self._kept.keep(folder, files)
        return files

    def _stored(self, artifact_id: str, folder: str) -> dict[str, bytes]:
        try:
            files = self._shelf.read(folder)
            artifact.verify(files, artifact_id)
        except FileNotFoundError:
            raise ArtifactError(
                f"artifact {self.root / folder}: not there; restore the folder from a backup, or train and register "
                "again"
            ) from None
        except StorageError as error:
            raise UnreachableArtifactError(f"artifact {self.root / folder}: {error}") from error
        except ArtifactError as error:
            raise ArtifactError(f"artifact {self.root / folder}: {error}") from None
        return files


def artifacts_of(config: Config) -> ArtifactStore:
    """Those that the configuration names."""
    return ArtifactStore(artifacts_dir(config), kept_dir(config))


def _kept(root: Location, folder: Path | None) -> KeptArtifacts | None:
    if folder is None or not isinstance(root, ObjectUrl) or not root.reach.keep_models_mb:
        return None
    return KeptArtifacts(folder, root.reach.keep_models_mb << 20)


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
