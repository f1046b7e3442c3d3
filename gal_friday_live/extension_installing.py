"""Puts an extension's package into the Python environment that runs: from its folder, without tools and without a network.

What pip would do for a package of plain Python in `src/`: its files, and the metadata by which its entry points are
found. A package that needs more (other packages, compiled code) is pip's to install.
"""

import base64
import csv
import hashlib
import io
import re
import sys
import sysconfig
import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import msgspec

from gal_friday_core.errors import ConfigError
from gal_friday_core.extensions.offers import GROUPS

INSTALLER = "gal-friday"
PROBE = ".gal-friday-writable"
LEFT_OUT = ("__pycache__", ".dist-info", ".egg-info", ".pyc")
"""Ends of names that are no code of the package."""


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """What was put where; `edited` says that its code stays in its own folder."""

    distribution: str
    version: str
    folder: str
    edited: bool


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """What `pyproject.toml` says, as far as it matters here; `offers` by group, then by name."""

    name: str
    version: str
    description: str
    offers: Mapping[str, Mapping[str, str]]
    source: Path


def add(folder: Path, *, edit: bool = False, site: Path | None = None) -> Installed:
    """Install the package in `folder`, in place of an earlier version of it; whole, or not at all.

    With `edit` its code stays where it is. `site` is where packages go; this environment's by default. Raises
    ConfigError for what is no such package, for files that another package has, and where nothing can be written.
    """
    project = read(folder)
    target = site or Path(sysconfig.get_path("purelib"))
    contents = _contents(project, edit=edit)
    earlier = {
        file for info in _infos(project.name, target) for file in _recorded(info, project.name, target)
    }
    taken = [name for name in contents if (target / name).exists() and target / name not in earlier]
    if taken:
        raise ConfigError(f"{target / taken[0]} belongs to another package: give yours another name")
    try:
        target.mkdir(parents=True, exist_ok=True)
        (target / PROBE).touch()
        (target / PROBE).unlink()
        _take_out(earlier, target)
        for name, content in contents.items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes(content)
    except OSError as error:
        _take_out({target / name for name in contents}, target)
        raise ConfigError(
            f"{target} cannot be written: {error.strerror}; run it as who installed Python there"
        ) from None
    return Installed(distribution=project.name, version=project.version, folder=str(target), edited=edit)


def remove(name: str, *, site: Path | None = None) -> None:
    """Take out what `add` put in. Raises ConfigError for a package that is not there, or that something else installed."""
    target = site or Path(sysconfig.get_path("purelib"))
    infos = _infos(name, target)
    if not infos:
        raise ConfigError(f"no package {name!r} is installed in {target}")
    _take_out({file for info in infos for file in _recorded(info, name, target)}, target)


def _infos(name: str, site: Path) -> list[Path]:
    return sorted(site.glob(f"{_normal(name)}-*.dist-info"))


def _recorded(info: Path, name: str, site: Path) -> list[Path]:
    """The files of an installed package. Raises ConfigError where it is not ours to touch."""
    by = info / "INSTALLER"
    if not by.is_file() or by.read_text(encoding="utf-8").strip() != INSTALLER:
        raise ConfigError(f"{name} was not installed by this program: uninstall it with pip, or uv")
    with (info / "RECORD").open(encoding="utf-8", newline="") as lines:
        return [site / row[0] for row in csv.reader(lines) if row]


def _take_out(files: Iterable[Path], site: Path) -> None:
    """These files, what Python compiled of them, and the folders that are empty then."""
    folders = set[Path]()
    for file in files:
        file.unlink(missing_ok=True)
        for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
            compiled.unlink(missing_ok=True)
        folders |= {parent for parent in (file.parent / "__pycache__").parents if parent.is_relative_to(site)}
        folders.add(file.parent / "__pycache__")
    for folder in sorted(folders - {site}, key=lambda folder: len(folder.parts), reverse=True):
        with suppress(OSError):  # not empty: others have files there
            folder.rmdir()


def read(folder: Path) -> Project:
    """What the folder's `pyproject.toml` says. Raises ConfigError where that is not enough to install it."""
    path = folder / "pyproject.toml"
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {})
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; give the folder that gal-friday new made") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
    offers = {group: dict(told.get("entry-points", {}).get(group, {})) for group in GROUPS.values()}
    if not any(offers.values()):
        raise ConfigError(
            f"{path}: offers nothing; [project.entry-points] has one of {', '.join(GROUPS.values())}"
        )
    _require_plain(told, path)
    return Project(
        name=told["name"], version=told["version"], description=str(told.get("description", "")),
        offers={group: points for group, points in offers.items() if points}, source=folder.resolve() / "src",
    )  # fmt: skip


def _require_plain(told: Mapping[str, Any], path: Path) -> None:
    name, version = str(told.get("name", "")), str(told.get("version", ""))
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name) or not re.fullmatch(
        r"[\w.+!]+", version
    ):
        raise ConfigError(f"{path}: [project] needs a name and a version in figures")
    missing = [need for need in told.get("dependencies", ()) if not _is_there(need)]
    if missing:
        raise ConfigError(
            f"{path}: needs {', '.join(missing)}, which is not installed: install the package with pip"
        )
    source = path.parent / "src"
    if not source.is_dir() or not any(source.rglob("*.py")):
        raise ConfigError(
            f"{source}: no Python code there; a package with another layout is installed with pip"
        )


def _is_there(requirement: str) -> bool:
    """Whether a package of that name is installed; which version is for its own tests to tell."""
    name = re.split(r"[\s\[<>=!~;@]", requirement.strip(), maxsplit=1)[0]
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def _contents(project: Project, *, edit: bool) -> dict[str, bytes]:
    """Every file that is to be there, by its place: the code, or a line that says where it is, and the metadata."""
    found = dict[str, bytes]()
    if edit:
        found[f"__editable__.{_normal(project.name)}.pth"] = f"{project.source}\n".encode()
    else:
        for path in sorted(project.source.rglob("*")):
            inside = path.relative_to(project.source)
            if path.is_file() and not any(part.endswith(LEFT_OUT) for part in inside.parts):
                found[inside.as_posix()] = path.read_bytes()
    info = f"{_normal(project.name)}-{project.version}.dist-info"
    found |= {f"{info}/{name}": text.encode() for name, text in _metadata(project).items()}
    found[f"{info}/RECORD"] = _record(found, f"{info}/RECORD").encode()
    return found


def _metadata(project: Project) -> dict[str, str]:
    points = "\n".join(
        "\n".join([f"[{group}]", *(f"{name} = {target}" for name, target in named.items()), ""])
        for group, named in project.offers.items()
    )
    return {
        "METADATA": (
            f"Metadata-Version: 2.1\nName: {project.name}\nVersion: {project.version}\n"
            f"Summary: {' '.join(project.description.split())}\n"
        ),
        "INSTALLER": f"{INSTALLER}\n",
        "WHEEL": f"Wheel-Version: 1.0\nGenerator: {INSTALLER}\nRoot-Is-Purelib: true\nTag: py{sys.version_info[0]}-none-any\n",
        "entry_points.txt": points,
    }


def _record(files: Mapping[str, bytes], own: str) -> str:
    """Every file with its hash and size, as the packaging standard has it."""
    lines = io.StringIO()
    rows = csv.writer(lines, lineterminator="\n")
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.writerow((name, f"sha256={digest}", len(content)))
    rows.writerow((own, "", ""))
    return lines.getvalue()


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()
