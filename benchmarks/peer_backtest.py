"""What every backtester's script shares: `peer_NAME_backtest.py TASK.json` runs the rule once, and prints one JSON object.

Imports nothing of the product and only numpy beside the standard library, as each environment has it. `main` takes

- `prepare(bars, rule)`: the bars as the backtester wants them, compiled code warm; neither is measured,
- `run(prepared)`: the run that is measured, whatever it returns,
- `told(result)`: trades as rows (row of the entry's bar, row of the exit's bar, entry price, exit price), and the equity
  at the end, an open position at the last close.

Memory is the peak during the run over what was in use before it.
"""

import gc
import json
import os
import resource
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

STATUS = Path("/proc/self/status")


def main(version, prepare, run, told):
    """Read the task, do it, print what came of it."""
    task = json.loads(Path(sys.argv[1]).read_text())
    bars = dict(np.load(task["bars"]))
    rule = SimpleNamespace(**task["rule"])
    prepared = prepare(bars, rule)
    gc.collect()
    before = _forget_peak()
    wall, cpu = time.perf_counter(), _cpu()
    result = run(prepared)
    seconds = {"wall_s": time.perf_counter() - wall, "cpu_s": _cpu() - cpu}
    peak = _peak_mib()
    trades, equity = told(result)
    found = {
        **seconds,
        "version": version,
        "memory_mib": max(peak - before, 0.0),
        "process_mib": peak,
        "bars": len(bars["ts"]),
        "trades": [[int(first), int(last), float(entry), float(left)] for first, last, entry, left in trades],
        "final_equity": float(equity),
    }
    Path(task["answer"]).write_text(json.dumps(found))


def head(bars, count):
    """The first bars, to warm up on."""
    return {name: column[:count] for name, column in bars.items()}


def fires(bars, rule, ema):
    """At which bars the averages cross, each made by `ema(closes, span)`: none in the first `rule.slow` bars."""
    above = ema(bars["close"], rule.fast) > ema(bars["close"], rule.slow)
    crossed = above & ~np.concatenate(([False], above[:-1]))
    crossed[: rule.slow] = False
    return crossed


def pandas_ema(closes, span):
    """As pandas has it, begun at the first close."""
    import pandas as pd

    return pd.Series(closes).ewm(span=span, adjust=False).mean().to_numpy()


def protection(price, rule, tick=0.1):
    """Stop and target, each rounded up to a tick."""
    return tuple(
        float(np.ceil(round(price * part / tick, 6)) / round(1 / tick))
        for part in (1 - rule.stop, 1 + rule.target)
    )


def lots(quantity):
    """Rounded down to eight decimals."""
    return int(quantity * 1e8) / 1e8


def _cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _forget_peak():
    """Begin to count the highest memory anew, where the system can; what is in use now, in MiB."""
    if STATUS.exists():
        Path("/proc/self/clear_refs").write_text("5")
        return _status("VmRSS")
    return _peak_mib()


def _peak_mib():
    if STATUS.exists():
        return _status("VmHWM")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _status(name):
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


os.environ.setdefault("DO_NOT_TRACK", "1")
