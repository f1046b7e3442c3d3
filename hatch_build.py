"""Writes the commit into the wheel, so that an installed engine can name the code that it is."""

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CommitHook(BuildHookInterface):
    """`gal_friday_live/commit.txt`: the commit, `.dirty` behind it where files differ. Nothing outside a checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        del version
        commit = self._git("rev-parse", "HEAD")
        if not commit:
            return
        changed = self._git("status", "--porcelain", "--untracked-files=no")
        file = Path(tempfile.mkdtemp()) / "commit.txt"
        file.write_text(f"{commit}{'.dirty' if changed else ''}\n", encoding="utf-8")
        build_data["force_include"][str(file)] = "gal_friday_live/commit.txt"

    def _git(self, *arguments: str) -> str:
        try:
            done = subprocess.run(
                ["git", "-C", self.root, *arguments], capture_output=True, text=True, check=False
            )
        except OSError:
            return ""
        return done.stdout.strip() if done.returncode == 0 else ""
