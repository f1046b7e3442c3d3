"""A backup: one tar file, private from its first byte, complete or not there.

The database is dumped first and the artifacts are copied after it: they are never changed, so whatever the registry names
is there. Other programs go on working.
"""

import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

import msgspec

from gal_friday_adapters.backup import dump
from gal_friday_adapters.postgres import migrate
from gal_friday_adapters.postgres.connect import with_database
from gal_friday_core.errors import ConfigError, DataError, StorageError
from gal_friday_core.progress import Progress, quiet
from gal_friday_core.times import to_iso

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
DATABASE: Final = "database/gal_friday.dump"
RUNS: Final = "database/dagster.dump"
RUNS_DATABASE: Final = "dagster"
CONFIG: Final = "config/"
_BLOCK: Final = 1 << 20
_LARGEST_MANIFEST: Final = 1 << 28


class FileRecord(msgspec.Struct, frozen=True):
    """What a file of the backup must be."""

    size: int
    sha256: str


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """The manifest: what the backup holds, made when and by which code, on which schema."""

    format: int
    made: str
    code_version: str
    schema: str
    files: dict[str, FileRecord]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(record.size for record in self.files.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is backed up. `folders` by their name in the backup; one that is not there is left out."""

    database_url: str
    folders: Mapping[str, Path]
    config: Path | None = None
    runs: bool = True
    """Dagster's runs and events too, where the server has them."""


@dataclass(slots=True)
class _Tar:
    """An open archive, and a record of what went in."""

    tar: tarfile.TarFile
    files: dict[str, FileRecord] = field(default_factory=dict)

    def add(self, name: str, path: Path) -> None:
        """Copy a file as it stands now; one that shrinks meanwhile is an error, what grows is cut."""
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            reader = _Hashing(file)
            member = tarfile.TarInfo(name)
            member.size, member.mode = size, 0o600
            self.tar.addfile(member, reader)
        self.files[name] = FileRecord(size, reader.sha256.hexdigest())


class _Hashing(io.RawIOBase):
    """A file that is hashed as it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        block = self._file.read(size)
        self.sha256.update(block)
        return block


def write(
    target: Path, source: Source, *, code_version: str, now_ns: int, progress: Progress = quiet
) -> Contents:
    """Write the backup to `target`, which must not exist; what it holds.

    Raises ConfigError where something is there already, StorageError where disk or database refuse.
    """
    if target.exists():
        raise ConfigError(f"{target} is there already: a backup overwrites nothing, name another file")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(dir=target.parent, prefix=".backup-") as scratch,
            _appearing(target) as file,
            tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            archive = _Tar(tar)
            _add_databases(archive, source, Path(scratch), progress)
            _add_files(archive, source, progress)
            found = Contents(
                format=FORMAT,
                made=to_iso(now_ns),
                code_version=code_version,
                schema=migrate.current(source.database_url),
                files=archive.files,
            )
            _add_manifest(tar, found)
    except OSError as error:
        raise StorageError(
            f"cannot write {target}: {error.strerror or error}; free space or choose another place"
        ) from error
    return found


def contents(file: Path) -> Contents:
    """The manifest of a backup, without its files. Raises DataError for what is no whole backup of ours."""
    try:
        with tarfile.open(file, mode="r:") as tar:
            member = tar.getmember(MANIFEST)
            opened = tar.extractfile(member) if member.isreg() and member.size <= _LARGEST_MANIFEST else None
            found = msgspec.json.decode(opened.read() if opened else b"", type=Contents)
    except (tarfile.TarError, KeyError, EOFError, msgspec.MsgspecError, UnicodeDecodeError):
        raise DataError(f"{file} is no backup of Gal-Friday, or not a whole one: make another") from None
    except OSError as error:
        raise StorageError(f"cannot read {file}: {error.strerror or error}") from error
    if found.format != FORMAT:
        raise DataError(
            f"{file} has format {found.format}, this version reads {FORMAT}: restore it with the version that made it"
        )
    return found


@contextmanager
def _appearing(target: Path) -> Iterator[IO[bytes]]:
    """A file that only its owner may read, under its name once it is whole and on disk."""
    descriptor, name = tempfile.mkstemp(prefix=".backup-", suffix=".partial", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.link(name, target)  # refuses where the name was taken meanwhile
    finally:
        Path(name).unlink()


def _add_databases(archive: _Tar, source: Source, scratch: Path, progress: Progress) -> None:
    names = {DATABASE: source.database_url}
    if source.runs and dump.exists(source.database_url, RUNS_DATABASE):
        names[RUNS] = with_database(source.database_url, RUNS_DATABASE)
    for done, (name, url) in enumerate(names.items()):
        progress("databases", done, len(names))
        file = scratch / "database.dump"
        dump.dump(url, file)
        archive.add(name, file)
        file.unlink()
    progress("databases", len(names), len(names))


def _add_files(archive: _Tar, source: Source, progress: Progress) -> None:
    found = [
        (f"{name}/{path.relative_to(folder)}", path)
        for name, folder in source.folders.items()
        for path in _files(folder)
    ]
    if source.config is not None:
        found.append((f"{CONFIG}{source.config.name}", source.config))
    for done, (name, path) in enumerate(found):
        progress("files", done, len(found))
        archive.add(name, path)
    progress("files", len(found), len(found))


def _files(folder: Path) -> list[Path]:
    """Every file below the folder, in a settled order; what begins with a dot is half written, or a lock."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not path.is_symlink()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _add_manifest(tar: tarfile.TarFile, found: Contents) -> None:
    text = msgspec.json.format(msgspec.json.encode(found), indent=1)
    member = tarfile.TarInfo(MANIFEST)
    member.size, member.mode = len(text), 0o600
    tar.addfile(member, io.BytesIO(text))


def sha256_of(file: Path) -> str:
    """In hexadecimal digits."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
