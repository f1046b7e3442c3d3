"""Puts an extension's package into the Python environment that runs: from its folder, without tools and without a network.

What pip would do for a package of plain Python in `src/`: its files, and the metadata by which its entry points are
found. A package that needs more (other packages, compiled code) is pip's to install.
"""

import base64
import csv
import hashlib
import io
import re
import shutil
import sys
import sysconfig
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import msgspec

from gal_friday_core.errors import ConfigError
from gal_friday_core.extensions.offers import GROUPS

INSTALLER = "gal-friday"


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
    """Install the package in `folder`, in place of an earlier version of it.

    With `edit` its code stays where it is. `site` is where packages go; this environment's by default. Raises
    ConfigError for what is no such package, and where nothing can be written.
    """
    project = read(folder)
    target = site or Path(sysconfig.get_path("purelib"))
    _require_writable(target)
    remove(project.name, site=target, missing_ok=True)
    written = list(_place(project, target, edit=edit))
    info = target / f"{_normal(project.name)}-{project.version}.dist-info"
    info.mkdir()
    for name, text in _metadata(project).items():
        (info / name).write_text(text, encoding="utf-8")
        written.append(info / name)
    (info / "RECORD").write_text(_record(written, target, info / "RECORD"), encoding="utf-8")
    return Installed(distribution=project.name, version=project.version, folder=str(target), edited=edit)


def remove(name: str, *, site: Path | None = None, missing_ok: bool = False) -> bool:
    """Take out what `add` put in; whether there was anything. Raises ConfigError for a package that something else installed."""
    target = site or Path(sysconfig.get_path("purelib"))
    infos = sorted(target.glob(f"{_normal(name)}-*.dist-info"))
    if not infos and not missing_ok:
        raise ConfigError(f"no package {name!r} is installed in {target}")
    for info in infos:
        by = info / "INSTALLER"
        if not by.is_file() or by.read_text(encoding="utf-8").strip() != INSTALLER:
            raise ConfigError(f"{name} was not installed by this program: uninstall it with pip, or uv")
        with (info / "RECORD").open(encoding="utf-8", newline="") as lines:
            files = [target / row[0] for row in csv.reader(lines) if row]
        for file in files:
            file.unlink(missing_ok=True)
        for parent in sorted({file.parent for file in files} - {target}, reverse=True):
            shutil.rmtree(parent, ignore_errors=True)
    return bool(infos)


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


def _require_writable(site: Path) -> None:
    try:
        site.mkdir(parents=True, exist_ok=True)
        probe = site / ".gal-friday-writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f"{site} cannot be written ({error.strerror}): run it as who installed Python there"
        ) from None


def _place(project: Project, site: Path, *, edit: bool) -> Iterator[Path]:
    """Put the code there, or a line that says where it is."""
    if edit:
        pointer = site / f"__editable__.{_normal(project.name)}.pth"
        pointer.write_text(f"{project.source}\n", encoding="utf-8")
        yield pointer
        return
    for path in sorted(project.source.rglob("*")):
        if not path.is_file() or "__pycache__" in path.parts:
            continue
        place = site / path.relative_to(project.source)
        if place.exists():
            raise ConfigError(f"{place} belongs to another package: give yours another name")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
        yield place


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


def _record(files: list[Path], site: Path, own: Path) -> str:
    """Every file with its hash and size, as the packaging standard has it."""
    lines = io.StringIO()
    rows = csv.writer(lines, lineterminator="\n")
    for file in files:
        content = file.read_bytes()
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.writerow((file.relative_to(site).as_posix(), f"sha256={digest}", len(content)))
    rows.writerow((own.relative_to(site).as_posix(), "", ""))
    return lines.getvalue()


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()
