"""Writes a new extension as a small package: `pyproject.toml`, code that works, and a test that holds its contract."""

import keyword
import sys
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path
from string import Template

from gal_friday_core.errors import ConfigError
from gal_friday_core.extensions.offers import BUILT_IN, NAME, Kind

SUFFIX = ".txt"
"""Of every template, so that nothing takes it for code."""


def make(kind: Kind, name: str, folder: Path) -> list[Path]:
    """Write the package `name` into `folder`; its files. Nothing is ever overwritten.

    Raises ConfigError where the name cannot be one, or where the folder is not empty or cannot be written.
    """
    words = _words(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is there already and not empty: name another folder with --folder")
    source = files("gal_friday_live.templates") / kind.replace("-", "_")
    written = []
    try:
        for relative, template in _templates(source):
            path = folder / _place(relative, words["module"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(Template(template).substitute(words), encoding="utf-8")
            written.append(path)
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be written: {error.strerror}; name another with --folder"
        ) from None
    return written


def _words(name: str) -> Mapping[str, str]:
    """What is filled in: the name as configuration, package, module, class and title have it."""
    module = name.replace("-", "_")
    taken = {known for built_in in BUILT_IN.values() for known in built_in}
    if not NAME.fullmatch(name):
        raise ConfigError(f"{name!r} cannot be a name: use 1 to 40 of a-z, 0-9, _ and -, a letter first")
    if name in taken:
        raise ConfigError(f"{name!r} is built in: choose another name")
    if keyword.iskeyword(module) or module in sys.stdlib_module_names or module.startswith("gal_friday"):
        raise ConfigError(
            f"a package cannot be called {module!r}, as Python or this program has one: choose another name"
        )
    there = find_spec(module)
    if there is not None and there.origin is not None:
        raise ConfigError(f"a package {module!r} is installed already: choose another name")
    words = module.split("_")
    return {
        "name": name,
        "distribution": module.replace("_", "-"),
        "module": module,
        "keys": f"{module.upper()}_API",
        "class_name": "".join(word.capitalize() for word in words),
        "title": " ".join(words).capitalize(),
    }


def _templates(folder: Traversable, within: str = "") -> list[tuple[str, str]]:
    """Every template below, by its path."""
    found = []
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_dir():
            found += _templates(item, f"{within}{item.name}/")
        elif item.name.endswith(SUFFIX):
            found.append((f"{within}{item.name.removesuffix(SUFFIX)}", item.read_text(encoding="utf-8")))
    return found


def _place(relative: str, module: str) -> str:
    """Where a template's file goes: code into the module's own folder."""
    folder, _, name = relative.rpartition("/")
    if folder == "src":
        return f"src/{module}/{name}"
    return f"{folder}/test_{module}.py" if name == "test_.py" else relative
