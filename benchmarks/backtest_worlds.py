"""Hold the fast way of backtests equal to the engine, order by order and digit by digit, on many random worlds.

python benchmarks/backtest_worlds.py --worlds 10000 --jobs 2
"""

import argparse
import itertools
import logging
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from gal_friday_live.backtest_check import differences
from gal_friday_live.backtest_worlds import world

CHUNK = 50


def check(first, count):
    """What differs in these worlds."""
    logging.disable(logging.CRITICAL)  # halts are part of the play
    return [line for seed in range(first, first + count) for line in differences(world(seed))]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first world")
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    end = asked.first + asked.worlds
    firsts = range(asked.first, end, CHUNK)
    counts = [min(CHUNK, end - first) for first in firsts]
    begun, differing, done = time.monotonic(), 0, 0
    with ProcessPoolExecutor(asked.jobs) as pool:
        for count, found in zip(counts, pool.map(check, firsts, counts), strict=True):
            done, differing = done + count, differing + len(found)
            for line in itertools.islice(found, 5):
                print(line[:2_000], flush=True)
            if done % (20 * CHUNK) == 0 or done == asked.worlds:
                taken = time.monotonic() - begun
                print(f"{done} worlds, {differing} differences, {taken:.0f} s", flush=True)
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
