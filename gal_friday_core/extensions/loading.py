"""Loads what an installed package offers, once, whole or not at all, and says which code it was.

Only what a configuration names is ever imported. `Extension.lineage` (package, version and a hash of its code) goes
wherever the code's version goes: into sessions, orders' intents and models.
"""

import hashlib
import sys
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import Distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from gal_friday_core.errors import ConfigError
from gal_friday_core.extensions.offers import Kind, Offer, offers, origin, unknown

SHOWN = 12
"""Hexadecimal digits of a code's hash in a version."""
_COMPILED = {".pyc", ".pyo"}

Contents = TypeVar("Contents")


class Extension(msgspec.Struct, Generic[Contents], frozen=True, kw_only=True):
    """One offer, loaded: `contents` is what its entry point names, `code` the sha256 of the package's files."""

    offer: Offer
    code: str
    contents: Contents

    @property
    def name(self) -> str:
        return self.offer.name

    @property
    def lineage(self) -> str:
        """Package, version and code, as they stand in every record."""
        return f"{self.offer.distribution}-{self.offer.version}+{self.code[:SHOWN]}"


def extension(kind: Kind, name: str, contract: type[Contents], key: str) -> Extension[Contents]:
    """What a package offers under this name. `key` is where the name stands.

    Raises ConfigError where nobody offers it, where its module cannot be imported, and where it is not of the `contract`.
    """
    if problem := unknown(kind, name, key):
        raise ConfigError(problem)
    offer = next(offer for offer in offers(kind) if offer.name == name)
    return loaded(offer, contract)


def loaded(offer: Offer, contract: type[Contents]) -> Extension[Contents]:
    """The same of an offer at hand. Raises ConfigError as `extension` does."""
    if offer.problem:
        raise ConfigError(offer.problem)
    found = _loaded(offer, tuple(sys.path))
    if not isinstance(found.contents, contract):
        raise ConfigError(
            f"{offer}: {offer.target} is {type(found.contents).__name__}, not {contract.__name__}: "
            "see docs/extending.md for what the entry point must name"
        )
    return found


@lru_cache(maxsize=64)
def _loaded(offer: Offer, path: tuple[str, ...]) -> Extension[Any]:
    """The hash is taken before the import: what runs is at least as old as what is recorded."""
    del path
    package, point = origin(offer)
    before = set(sys.modules)
    try:
        code = code_of(point.module, package)
        contents = point.load()
    except Exception as error:  # whatever a stranger's module raises is told, with its package
        for name in set(sys.modules) - before:
            if name.partition(".")[0] == point.module.partition(".")[0]:
                del sys.modules[name]  # not half of it
        raise ConfigError(
            f"{offer} cannot be loaded from {offer.target}: {type(error).__name__}: {error}; "
            "repair or uninstall the package, or do not name it"
        ) from error
    return Extension(offer=offer, code=code, contents=contents)


def code_of(module: str, package: Distribution | None = None) -> str:
    """sha256 over the files of the module's top package and of the distribution that brought it, names included.

    Raises ModuleNotFoundError where there is no such module.
    """
    digest = hashlib.sha256()
    for name, path in sorted({**dict(_installed(package)), **dict(_importable(module))}.items()):
        digest.update(f"{name}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _importable(module: str) -> Iterator[tuple[str, Path]]:
    top = module.partition(".")[0]
    spec = find_spec(top)
    if spec is None:
        raise ModuleNotFoundError(f"no module named {top!r}")
    if spec.submodule_search_locations is None:
        if spec.origin is not None:
            yield Path(spec.origin).name, Path(spec.origin)
        return
    for folder in map(Path, spec.submodule_search_locations):
        for path in folder.rglob("*"):
            if _is_code(path):
                yield (Path(top) / path.relative_to(folder)).as_posix(), path


def _installed(package: Distribution | None) -> Iterator[tuple[str, Path]]:
    """Files that an installation put beside the package's metadata; none of an editable one, whose code is elsewhere."""
    for file in (package.files or ()) if package is not None else ():
        path = Path(str(file.locate()))
        described = any(part.endswith((".dist-info", ".egg-info")) for part in file.parts)
        if not described and ".." not in file.parts and path.suffix != ".pth" and _is_code(path):
            yield file.as_posix(), path


def _is_code(path: Path) -> bool:
    return path.is_file() and path.suffix not in _COMPILED and "__pycache__" not in path.parts
