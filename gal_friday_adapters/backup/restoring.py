"""A backup put where there is nothing yet: all of it is checked before anything is touched."""

import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gal_friday_adapters.backup import dump
from gal_friday_adapters.backup.archive import (
    CONFIG,
    DATABASE,
    MANIFEST,
    RUNS,
    RUNS_DATABASE,
    Contents,
    contents,
    sha256_of,
)
from gal_friday_adapters.postgres import migrate
from gal_friday_adapters.postgres.connect import describe, ensure_database, with_database
from gal_friday_adapters.private_files import create_private
from gal_friday_core.errors import ConfigError, DataError, StorageError
from gal_friday_core.progress import Progress, quiet


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where it goes: an empty database, and folders that are not there or empty. `config` is the file to write, if any."""

    database_url: str
    folders: Mapping[str, Path]
    config: Path | None = None


def restore(file: Path, target: Target, *, progress: Progress = quiet) -> Contents:
    """Put a backup where nothing is, and bring its schema to the present one; what it held.

    Every file is compared with the manifest before the first is put anywhere. Raises DataError for a damaged backup,
    ConfigError where something is there already, StorageError where disk or database refuse.
    """
    found = contents(file)
    _require_known(file, found)
    _require_room(target, found)
    somewhere = next(iter(target.folders.values())).parent
    try:
        somewhere.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=somewhere, prefix=".restore-") as scratch:
            unpacked = Path(scratch)
            _unpack(file, found, unpacked, progress)
            progress("databases", 0, 1)
            _load(unpacked, found, target)
            progress("databases", 1, 1)
            _put(unpacked, target)
    except OSError as error:
        raise StorageError(
            f"cannot restore {file}: {error.strerror or error}; free space or fix permissions"
        ) from error
    return found


def examined(file: Path, *, progress: Progress = quiet) -> Contents:
    """What a backup holds, after every byte of it was looked at; needs room for a second copy while it looks.

    Raises DataError where it is damaged.
    """
    found = contents(file)
    _require_known(file, found)
    with tempfile.TemporaryDirectory(prefix="gal-friday-") as scratch:
        _unpack(file, found, Path(scratch), progress)
    return found


def _require_known(file: Path, found: Contents) -> None:
    if DATABASE not in found.files:
        raise DataError(f"{file} holds no database: it is not whole")
    if found.schema and found.schema not in migrate.revisions():
        raise DataError(
            f"{file} has schema {found.schema}, which this version does not know: "
            f"restore it with {found.code_version} or newer"
        )


def _require_room(target: Target, found: Contents) -> None:
    for name, folder in target.folders.items():
        if (
            any(entry.startswith(f"{name}/") for entry in found.files)
            and folder.exists()
            and any(folder.iterdir())
        ):
            raise ConfigError(f"{folder} is not empty: a backup goes where nothing is; move it away first")
    if target.config is not None and target.config.exists():
        raise ConfigError(f"{target.config} is there already: a backup overwrites nothing")
    urls = [target.database_url]
    if RUNS in found.files and dump.exists(target.database_url, RUNS_DATABASE):
        urls.append(with_database(target.database_url, RUNS_DATABASE))
    for url in urls:
        if not dump.is_empty(url):
            raise ConfigError(f"{describe(url)} is not empty: a backup goes where nothing is; name another")


def _unpack(file: Path, found: Contents, folder: Path, progress: Progress) -> None:
    """Every file of the manifest and no other, each as the manifest says. Raises DataError otherwise."""
    missing = dict(found.files)
    try:
        with tarfile.open(file, mode="r:") as tar:
            for member in tar:
                if member.name == MANIFEST:
                    continue
                progress("files", len(found.files) - len(missing), len(found.files))
                record = missing.pop(member.name, None)
                if record is None or not member.isreg() or not _is_inside(member.name):
                    raise DataError(
                        f"{file} holds {member.name!r}, which its manifest does not: do not trust it"
                    )
                tar.extract(member, folder, filter="data")
                path = folder / member.name
                if path.stat().st_size != record.size or sha256_of(path) != record.sha256:
                    raise DataError(f"{file}: {member.name} is not what was backed up: take another backup")
    except (tarfile.TarError, EOFError) as error:
        raise DataError(f"{file} cannot be read to its end ({error}): take another backup") from None
    if missing:
        raise DataError(
            f"{file} lacks {len(missing)} files of its manifest, such as {min(missing)}: take another backup"
        )
    progress("files", len(found.files), len(found.files))


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _load(unpacked: Path, found: Contents, target: Target) -> None:
    """The schema as it was first, which makes the roles that the dump grants to."""
    if found.schema:
        migrate.upgrade(target.database_url, found.schema)
    dump.load(target.database_url, unpacked / DATABASE)
    migrate.upgrade(target.database_url)
    if RUNS in found.files:
        dump.load(ensure_database(target.database_url, RUNS_DATABASE), unpacked / RUNS)


def _put(unpacked: Path, target: Target) -> None:
    for name, folder in target.folders.items():
        source = unpacked / name
        if source.exists():
            folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if folder.exists():
                folder.rmdir()
            shutil.move(source, folder)
    config = unpacked / CONFIG
    if target.config is not None and config.exists():
        for file in config.iterdir():
            create_private(target.config, file.read_bytes())
