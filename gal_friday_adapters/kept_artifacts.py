"""Copies on this machine's disk of artifacts that are in a bucket: who had a model once has it while the bucket is away.

An artifact's name is the sha256 of its content, so a copy is never out of date, and one that was altered is known for
it: it is thrown away and fetched again. The copies used last stay; a disk that refuses costs a copy and nothing else.
"""

import contextlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from gal_friday_adapters.disk_shelf import INCOMING, DiskShelf
from gal_friday_adapters.files import locked
from gal_friday_core import artifact
from gal_friday_core.errors import ArtifactError, StorageError

log = logging.getLogger(__name__)

OUTGOING = ".outgoing-"
LOCK = ".lock"


class KeptArtifacts:
    """At most so many bytes of artifacts below `root`; safe for several processes at once."""

    def __init__(self, root: Path, most_bytes: int) -> None:
        self._root = root
        self._most = most_bytes
        self._shelf = DiskShelf(root)

    def get(self, artifact_id: str, folder: str) -> dict[str, bytes] | None:
        """Its files, verified; None where there is no copy, or none that is whole."""
        try:
            files = self._shelf.read(folder)
            artifact.verify(files, artifact_id)
        except FileNotFoundError:
            return None
        except ArtifactError as error:
            log.warning("%s: %s; it is fetched again", self._root / folder, error)
            self._changed(lambda: self._remove(self._root / folder))
            return None
        with contextlib.suppress(OSError):
            os.utime(self._root / folder)  # the order in which they were used
        return files

    def keep(self, folder: str, files: Mapping[str, bytes]) -> None:
        """Put a copy of verified files here, and remove those that were used longest ago where there is no room."""
        if sum(map(len, files.values())) <= self._most:
            self._changed(lambda: self._put(folder, files))

    def _put(self, folder: str, files: Mapping[str, bytes]) -> None:
        for unfinished in (*self._root.glob(f"{INCOMING}*"), *self._root.glob(f"{OUTGOING}*")):
            shutil.rmtree(unfinished)  # whoever held the lock then is dead
        self._shelf.create(folder, files)
        kept = [(found.stat().st_mtime_ns, found) for found in self._root.glob("??/*")]
        room = self._most - sum(_size(found) for _, found in kept)
        for _, found in sorted(kept):
            if room >= 0:
                return
            if found != self._root / folder:
                room += _size(found)
                self._remove(found)

    def _remove(self, folder: Path) -> None:
        """All at once for those who read meanwhile."""
        outgoing = Path(tempfile.mkdtemp(prefix=OUTGOING, dir=self._root))
        folder.rename(outgoing / folder.name)
        shutil.rmtree(outgoing)

    def _changed(self, change: Callable[[], None]) -> None:
        try:
            with locked(self._root / LOCK):
                change()
        except (OSError, StorageError) as error:
            log.warning("no copies of models are kept in %s: %s", self._root, error)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())
