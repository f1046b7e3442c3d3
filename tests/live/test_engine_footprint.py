"""The engine process: no Dagster, no training libraries, and small."""

import json
import subprocess
import sys

FORBIDDEN = {"dagster", "evidently", "xgboost", "sklearn", "pandas", "plotly", "ccxt"}
LIMIT_MB = 300

SCRIPT = """
import asyncio, json, resource, sys
import gal_friday_live.paper, gal_friday_live.backtesting
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.candles import Candles, Series
from gal_friday_core.config import Config
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.fixed_models import FixedModels
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.paper import replay_ports
from gal_friday_live.replay_data import Stretch, instrument_of
from gal_friday_live.wiring import build
import numpy as np

ts = np.arange(2_000, dtype=np.int64) * 60_000_000_000
price = 100 + np.sin(np.arange(2_000) / 7)
candles = Candles(Series("kraken", "BTC/USD", "1m"), ts, price, price, price, price, price, ts * 0 + 1)
played = Stretch(candles.series, candles[1_200:], candles[:1_200], instrument_of(candles))

async def main():
    engine = build(ConfigurationManager.from_config(Config()), replay_ports(played, FixedModels(), MemoryJournal()))
    await engine.start()
    await engine.run()
    await engine.stop()
    assert engine.features.calculated == 800

asyncio.run(main())
loaded = sorted({name.partition(".")[0] for name in sys.modules})
if sys.platform == "linux":  # ru_maxrss would count the process that started this one
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    peak_mb = int(status["VmHWM"].split()[0]) / 1024
else:
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
print(json.dumps({"loaded": loaded, "peak_mb": peak_mb}))
"""


def run_engine():
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_engine_process_stays_small_and_imports_no_pipeline():
    run_engine()  # the first start on a machine compiles the kernels, once
    found = run_engine()
    assert not FORBIDDEN & set(found["loaded"])
    print(f"engine process: {found['peak_mb']:.0f} MB at its peak")
    assert found["peak_mb"] < LIMIT_MB
