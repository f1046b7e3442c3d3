"""Which code this is: the package's version and the commit it was made from, for every record that must name it."""

import shutil
import subprocess
from functools import cache
from pathlib import Path

from gal_friday_core import __version__
from gal_friday_core.config import Config
from gal_friday_core.extensions.in_use import lineage

PACKAGE = Path(__file__).parent
BAKED = PACKAGE / "commit.txt"
"""Written into a wheel when it is built; a checkout has none."""
SHOWN = 12
"""Hexadecimal digits of the commit."""
PATIENCE_S = 5.0


def code_version(config: Config | None = None) -> str:
    """`0.1.0+g1a2b3c4d5e6f`, `.dirty` behind it where files differ from that commit; the bare version where
    nobody knows a commit. Of a run under `config` also the packages that it takes strategies and the like from:
    ` my-breakout-0.1.0+bbe193ad3394`. Raises ConfigError where one of them cannot be loaded.
    """
    added = lineage(config) if config is not None else ""
    return f"{_own()} {added}".rstrip()


@cache
def _own() -> str:
    return described(PACKAGE.parent, BAKED)


def described(root: Path, baked: Path) -> str:
    """The version of the code in a checkout at `root`, or of a wheel that carries `baked`."""
    commit, dirty = _checked_out(root)
    if not commit and baked.is_file():
        commit, _, dirty = baked.read_text(encoding="utf-8").strip().partition(".")
    if not commit:
        return __version__
    return f"{__version__}+g{commit[:SHOWN]}{'.dirty' if dirty else ''}"


def _checked_out(root: Path) -> tuple[str, str]:
    """Commit, and what differs from it; both empty outside a checkout of our own."""
    if not (root / ".git").exists():  # an installation inside somebody else's checkout is not of its commit
        return "", ""
    return _git(root, "rev-parse", "HEAD"), _git(root, "status", "--porcelain", "--untracked-files=no")


def _git(root: Path, *arguments: str) -> str:
    program = shutil.which("git")
    if program is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program on fixed arguments
            [program, "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
