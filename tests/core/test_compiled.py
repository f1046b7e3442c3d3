"""Machine code on disk is never older than any source it was compiled from."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import gal_friday_core
from gal_friday_core.barriers import widths
from gal_friday_core.compiled import sources

REACH = "reach = volatility * math.sqrt(horizon)"
PROBE = """
import numpy as np
from gal_friday_core.candles import Candles, Series
from gal_friday_core.config import BarriersConfig, CostsConfig
from gal_friday_core.labels import label_trades
n = 64
ts = np.arange(n) * 60_000_000_000 + 1_700_000_040_000_000_000
up = 100.0 * 1.004 ** np.arange(n)
candles = Candles(Series("v", "A/B", "1m"), ts, up, up * 1.001, up * 0.999, up, np.ones(n), np.ones(n, np.int64))
labels = label_trades(candles, np.full(n, 0.001), BarriersConfig(horizon_bars=20), CostsConfig())
print(labels.net_return.sum())
"""


def probe(folder: Path) -> str:
    env = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", PROBE], env=env, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_labels_follow_a_change_of_the_barriers_that_they_call(tmp_path):
    package = tmp_path / "gal_friday_core"
    shutil.copytree(
        Path(gal_friday_core.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__")
    )
    before = probe(tmp_path)
    assert probe(tmp_path) == before  # from the cache
    assert list((package / "__pycache__").glob("labels*.nbi"))
    source = (package / "barriers.py").read_text(encoding="utf-8")
    assert REACH in source
    (package / "barriers.py").write_text(source.replace(REACH, f"{REACH} * 9"), encoding="utf-8")
    assert probe(tmp_path) != before


def test_every_cached_function_carries_the_stamp_of_all_sources():
    assert widths._cache._cache_file._source_stamp == sources()
    for path in Path(gal_friday_core.__file__).parent.rglob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            if line.startswith("@njit(cache=True"):
                assert lines[number - 1] == "@kept", f"{path.name}:{number + 1} is cached but not kept"
