"""A sweep: 1,000 settings of a rule over a year of one-minute bars, by one process and by one on each core.

Efficiency is what the same points cost one process, over the time that all cores were held for them; `of it work` is
the part of all processes' CPU time that one process would have needed too, which other load on the machine does not change.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time
from decimal import Decimal

from gal_friday_adapters.worker_pool import cores, workers
from gal_friday_core.candles import Series
from gal_friday_core.config import Config
from gal_friday_core.market_simulator import VENUE, simulate
from gal_friday_core.strategies.presets import trading, with_preset
from gal_friday_core.sweeps.grid import axis
from gal_friday_core.times import from_iso
from gal_friday_live.sweeping import Request, sweep

YEAR = 525_600
SERIES = Series(VENUE, "BTC/USD", "1m")
START = from_iso("2023-01-01")


def used():
    """CPU seconds of this process and of those that it has ended."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)


def request(candles, fast, slow):
    end = int(candles.ts[-1]) + SERIES.interval_ns
    return Request(
        axes=(axis(fast), axis(slow)), start_ns=int(candles.ts[0]), end_ns=end, capital=Decimal(10_000)
    )


def timed(config, candles, asked, count):
    """Seconds of the sweep, seconds with the start of its processes, CPU seconds of all of them, and its runs."""
    begun, cpu = time.perf_counter(), used()
    with workers(count) as hands:
        found = sweep(config, {SERIES: candles}, asked, hands)
    if found.cancelled:
        sys.exit("ended early: nothing was measured")
    return found.wall_s, time.perf_counter() - begun, used() - cpu, found.runs


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bars", type=int, default=YEAR)
    parser.add_argument("--points", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    config, _ = with_preset(trading(Config(), "ema_cross"))
    candles = simulate(SERIES, START, options.bars, seed=1)
    slow = max(options.points // 20, 1)
    asked = request(candles, "ema_cross.fast=2..40:2", f"ema_cross.slow=41..{40 + slow}:1")
    sample = request(
        candles, "ema_cross.fast=2..40:8", f"ema_cross.slow=41..{40 + slow}:{max(slow // 10, 1)}"
    )
    timed(config, candles, request(candles, "ema_cross.fast=8,12", "ema_cross.slow=41"), 1)  # compiles
    count, rows = cores(), []
    for number in range(options.rounds):
        one_s, _, one_cpu, few = timed(config, candles, sample, 1)
        all_s, with_start, all_cpu, runs = timed(config, candles, asked, count)
        scale = len(runs) / len(few)
        trades = statistics.mean(run.outcome.trades for run in runs)
        rows.append({
            "points": len(runs), "bars": len(candles), "trades": trades, "workers": count,
            "one_ms": one_s / len(few) * 1_000, "wall_s": all_s, "with_start_s": with_start,
            "efficiency": one_s * scale / (count * all_s), "work_share": one_cpu * scale / all_cpu,
        })  # fmt: skip
        print(f"round {number + 1} of {options.rounds}: {rows[-1]}", file=sys.stderr)
    middle = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    if options.json:
        print(json.dumps({**middle, "rounds": options.rounds, "load": os.getloadavg()[0]}))
        return
    print(
        f"{middle['points']:,.0f} points × {middle['bars']:,.0f} bars, {middle['trades']:,.0f} trades each, {count} workers\n"
        f"one process      {middle['one_ms']:8.1f} ms a point\n"
        f"all              {middle['wall_s']:8.1f} s, with their start {middle['with_start_s']:.1f} s\n"
        f"efficiency       {middle['efficiency']:8.1%}\n"
        f"of it work       {middle['work_share']:8.1%}\n"
        f"load of the machine before: {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
