"""Where peers live that cannot share our environment: one of their own, made on first use in the user's cache folder."""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

NAUTILUS = "nautilus_trader==1.221.0"
FREQAI = ("freqtrade==2026.9", "datasieve==0.1.9", "scikit-learn==1.9.1", "xgboost-cpu==3.2.0")
"""The extra `freqai` would bring torch's friends as well; these are what its XGBoost models import."""
BACKTESTERS = {
    "nautilus_trader": (NAUTILUS,),
    "vectorbt": ("vectorbt==1.2.0",),
    "backtesting.py": ("backtesting==0.6.6",),
    "backtrader": ("backtrader==1.9.78.123", "numpy==2.4.6"),
    "jesse": ("jesse==3.5.3",),
    "freqtrade": FREQAI,
}
"""What `bench_backtest.py` runs the same rule on: packages by the peer's own name."""


def nautilus(*also):
    """An interpreter that has NautilusTrader, and the packages named."""
    return environment("nautilus", [NAUTILUS, *also])


def freqai():
    """An interpreter that has FreqAI."""
    return environment("freqai", FREQAI)


def backtester(name):
    """An interpreter that has the named backtester."""
    if name == "freqtrade":
        return freqai()
    short = name.removesuffix("_trader")
    return environment(short, BACKTESTERS[name])


def environment(name, packages):
    """An interpreter with these packages and nothing of ours."""
    packages = list(packages)
    named = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:8]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    home = cache / "gal-friday" / f"bench-{name}-{named}-{sys.version_info[0]}.{sys.version_info[1]}"
    python = home / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not (home / "installed").exists():
        print(f"making an environment for {', '.join(packages)} in {home}", file=sys.stderr)
        venv.create(home, clear=True, symlinks=True, with_pip=False)
        subprocess.run([*_installer(python), *packages], check=True, stdout=sys.stderr)
        (home / "installed").touch()
    return python


def _installer(python):
    """A command that installs into another environment: the base Python's pip, else uv."""
    base = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info[1]}"
    has_pip = (
        subprocess.run([base, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
    )
    if has_pip:
        return [base, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check"]
    uv = shutil.which("uv") or str(Path(sys.prefix) / "installer" / "bin" / "uv")
    return [uv, "pip", "install", "--quiet", "--python", python]
