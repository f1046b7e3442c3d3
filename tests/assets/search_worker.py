"""A process that searches: `python search_worker.py URL NAME TRIALS [HANG_AT]`; it says each trial that it begins."""

import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))


def quadratic(draw):
    """Largest at depth 4 and a rate of 0.1; as good a judge as any, and quick."""
    depth, rate = draw.suggest_int("depth", 2, 6), draw.suggest_float("rate", 0.01, 1.0, log=True)
    return -((depth - 4) ** 2) - (rate - 0.1) ** 2


def main(url, name, trials, hang_at):
    from gal_friday_assets.parameter_search import search

    def evaluate(draw):
        found = quadratic(draw)
        print(draw.number, flush=True)
        if draw.number == hang_at:
            threading.Event().wait()
        return found

    print(search(url, name, evaluate, trials=trials, seed=7), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else -1)
