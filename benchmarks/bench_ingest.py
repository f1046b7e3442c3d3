"""One year of one-minute CSV into the lake: read, check, measure, write; against pandas doing the reading and checks.

Prints medians of interleaved runs, and ratios. The lake is on disk, every month flushed with fsync.
"""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from gal_friday_adapters.ingest import ingest_paths
from gal_friday_adapters.lake import CandleLake
from gal_friday_core.candles import Series
from gal_friday_core.market_simulator import simulate
from gal_friday_core.times import MINUTE_NS, from_iso

RUNS = 7
START_NS = from_iso("2023-01-01")
YEAR_MINUTES = 365 * 24 * 60
NAMES = ["time", "open", "high", "low", "close", "volume", "trades"]


def write_year(path: Path) -> int:
    """525,600 minutes without a gap, as Kraken writes them; returns the rows."""
    bars = simulate(Series("synthetic", "BTC/USD", "1m"), START_NS, YEAR_MINUTES + 60_000, seed=1)[
        :YEAR_MINUTES
    ]
    frame = pd.DataFrame(dict(zip(NAMES, bars.columns(), strict=True)))
    frame["time"] = START_NS // 10**9 + np.arange(len(frame)) * 60
    frame.to_csv(path, header=False, index=False)
    return len(frame)


def with_pandas(path: Path) -> int:
    """Read and check only: pandas stores nothing here."""
    frame = pd.read_csv(path, header=None, names=NAMES)
    prices = frame[["open", "high", "low", "close"]]
    bad = (
        frame.isna().any(axis=1)
        | (prices <= 0).any(axis=1)
        | (frame["volume"] < 0)
        | (frame["high"] < prices.max(axis=1))
        | (frame["low"] > prices.min(axis=1))
        | (frame["time"] % 60 != 0)
        | frame["time"].duplicated()
        | (frame["time"].diff() < 0)
    )
    returns = np.log(frame["close"]).diff()
    spread = (returns - returns.median()).abs().median()
    assert int((returns.abs() > 20 * 1.4826 * spread).sum()) >= 0
    return int((~bad).sum())


def seconds(work, *arguments) -> float:
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "XBTUSD_1.csv"
        rows = write_year(path)
        fresh, again, peer = [], [], []
        for run in range(RUNS):
            lake = CandleLake(Path(folder) / f"run{run}" / "lake")
            fresh.append(seconds(ingest_paths, [path], lake))
            again.append(seconds(ingest_paths, [path], lake))
            peer.append(seconds(with_pandas, path))
        stored = lake.read(Series("kraken", "BTC/USD", "1m"))
        assert len(stored) == rows
        assert stored.ts[-1] - stored.ts[0] == (rows - 1) * MINUTE_NS
    ours, second, theirs = (statistics.median(times) for times in (fresh, again, peer))
    print(f"rows                                   {rows:>12,}   ({path.name}, medians of {RUNS})")
    print(f"ingest into an empty lake              {ours:>12.3f} s   target < 2 s")
    print(f"the same again (nothing changes)       {second:>12.3f} s")
    print(f"pandas: read and check, store nothing  {theirs:>12.3f} s")
    print(f"ratio pandas / ingest                  {theirs / ours:>12.2f}")


if __name__ == "__main__":
    main()
