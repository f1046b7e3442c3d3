"""Where NautilusTrader lives: an environment of its own, made on first use in the user's cache folder."""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

PEER = "nautilus_trader==1.221.0"


def peer_python(*also):
    """An interpreter that has NautilusTrader, and the packages named."""
    packages = [PEER, *also]
    named = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:8]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    home = cache / "gal-friday" / f"bench-nautilus-{named}-{sys.version_info[0]}.{sys.version_info[1]}"
    python = home / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not (home / "installed").exists():
        print(f"making an environment for {', '.join(packages)} in {home}", file=sys.stderr)
        venv.create(home, clear=True, symlinks=True, with_pip=False)
        subprocess.run([*installer(python), *packages], check=True, stdout=sys.stderr)
        (home / "installed").touch()
    return python


def installer(python):
    """A command that installs into another environment: the base Python's pip, else uv."""
    base = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info[1]}"
    has_pip = (
        subprocess.run([base, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
    )
    if has_pip:
        return [base, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check"]
    uv = shutil.which("uv") or str(Path(sys.prefix) / "installer" / "bin" / "uv")
    return [uv, "pip", "install", "--quiet", "--python", python]
