"""Where FreqAI lives: freqtrade in an environment of its own, made on first use in the user's cache folder."""

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

from nautilus import installer

PACKAGES = ("freqtrade==2026.9", "datasieve==0.1.9", "scikit-learn==1.9.1", "xgboost-cpu==3.2.0")
"""The extra `freqai` would bring torch's friends as well; these are what its XGBoost models import."""


def peer_python():
    """An interpreter that has FreqAI."""
    named = hashlib.sha256(" ".join(PACKAGES).encode()).hexdigest()[:8]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    home = cache / "gal-friday" / f"bench-freqai-{named}-{sys.version_info[0]}.{sys.version_info[1]}"
    python = home / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not (home / "installed").exists():
        print(f"making an environment for {', '.join(PACKAGES)} in {home}", file=sys.stderr)
        venv.create(home, clear=True, symlinks=True, with_pip=False)
        subprocess.run([*installer(python), *PACKAGES], check=True, stdout=sys.stderr)
        (home / "installed").touch()
    return python
