"""Hold the fast way of backtests equal to the engine, order by order and digit by digit, on many random worlds.

python benchmarks/backtest_worlds.py --worlds 10000 --jobs 2

`gal-friday backtest --self-check 1000` plays the same worlds.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from gal_friday_live.backtest_self_check import CHUNK, checked


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first world")
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    begun, differing, done = time.monotonic(), 0, 0
    for count, found in checked(asked.worlds, asked.first, asked.jobs):
        done, differing = done + count, differing + len(found)
        for line in found[:5]:
            print(line[:2_000], flush=True)
        if done % (40 * CHUNK) == 0 or done == asked.worlds:
            taken = time.monotonic() - begun
            print(f"{done} worlds, {differing} differences, {taken:.0f} s", flush=True)
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
