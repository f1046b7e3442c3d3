"""A sweep: 1,000 settings of a rule over a year of one-minute bars, by one process and by one on each core.

`efficiency` is what the same points cost one process, over the time that all cores were held for them, the start of the
processes included; other load on the machine lowers it. `by CPU` is the same in processor seconds, which it does not: over
all cores for as long as the busiest process was busy, or until all CPU seconds are spent where that is later. `spent on
backtests` is the share of all CPU seconds that went into them; the rest starts processes, tells them what to do and judges.
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
    """The sweep, seconds with the start and the end of its processes, and CPU seconds of all of them."""
    begun, cpu = time.perf_counter(), used()
    with workers(count) as hands:
        found = sweep(config, {SERIES: candles}, asked, hands)
    if found.cancelled:
        sys.exit("ended early: nothing was measured")
    return found, time.perf_counter() - begun, used() - cpu


def measured(found, took_s, cpu_s, one):
    """`one`: what a point costs one process, in seconds and CPU seconds."""
    cores_held, points = found.workers, len(found.runs)
    works = sum(found.work_s)
    longest = max(found.work_s) + (cpu_s - works) / cores_held
    critical_s = max(longest, cpu_s / cores_held)
    return {
        "points": points,
        "bars": found.runs[0].outcome.bars,
        "trades": statistics.mean(run.outcome.trades for run in found.runs),
        "workers": cores_held,
        "one_ms": one[0] * 1_000,
        "one_cpu_ms": one[1] * 1_000,
        "wall_s": found.wall_s,
        "with_start_s": took_s,
        "cpu_s": cpu_s,
        "efficiency": one[0] * points / (cores_held * took_s),
        "by_cpu": one[1] * points / (cores_held * critical_s),
        "work_share": works / cpu_s,
    }


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
        few, _, _ = timed(config, candles, sample, 1)
        one = few.wall_s / len(few.runs), sum(few.work_s) / len(few.runs)
        rows.append(measured(*timed(config, candles, asked, count), one))
        print(f"round {number + 1} of {options.rounds}: {rows[-1]}", file=sys.stderr)
    middle = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    if options.json:
        print(json.dumps({**middle, "rounds": options.rounds, "load": os.getloadavg()[0]}))
        return
    print(
        f"{middle['points']:,.0f} points × {middle['bars']:,.0f} bars, {middle['trades']:,.0f} trades each, {count} workers\n"
        f"one process         {middle['one_ms']:8.1f} ms a point, {middle['one_cpu_ms']:.1f} ms of CPU\n"
        f"all                 {middle['with_start_s']:8.1f} s, of it {middle['wall_s']:.1f} s once their processes are there\n"
        f"efficiency          {middle['efficiency']:8.1%}\n"
        f"by CPU              {middle['by_cpu']:8.1%} of {middle['cpu_s']:.1f} CPU s\n"
        f"spent on backtests  {middle['work_share']:8.1%}\n"
        f"load of the machine at the end: {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
