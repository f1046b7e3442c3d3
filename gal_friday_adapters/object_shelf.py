"""Artifacts as objects of a bucket: each file by a put that creates or does nothing, the manifest last."""

from collections.abc import Mapping

from gal_friday_adapters.object_store import Conflict, ObjectStore, UnansweredError
from gal_friday_core import artifact
from gal_friday_core.errors import ArtifactError


class ObjectShelf:
    """A writer that dies leaves files without a manifest: nothing, until the same artifact is put again."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def has(self, folder: str) -> bool:
        return self._store.head(f"{folder}/{artifact.MANIFEST}") is not None

    def create(self, folder: str, files: Mapping[str, bytes]) -> None:
        for name in sorted(files, key=lambda name: name == artifact.MANIFEST):
            self._create(f"{folder}/{name}", files[name])

    def read(self, folder: str) -> dict[str, bytes]:
        found = {one.name[len(folder) + 1 :]: one.size for one in self._store.listed(folder)}
        if artifact.MANIFEST not in found and not self.has(folder):
            raise FileNotFoundError(folder)
        for name, size in found.items():
            if "/" in name:
                raise ArtifactError(f"{name}: not a plain file; remove it")
            if size > artifact.MAX_MODEL_BYTES:
                raise ArtifactError(f"{name}: larger than any artifact file may be; restore it")
        held = {name: self._store.get(f"{folder}/{name}") for name in sorted(found)}
        return {name: one.content for name, one in held.items() if one is not None}

    def _create(self, name: str, content: bytes) -> None:
        try:
            self._store.create(name, content)
        except Conflict:
            return  # another writer's, or this one's without an answer: `get` verifies what is there
        except UnansweredError:
            held = self._store.get(name)
            if held is None or held.content != content:
                raise
