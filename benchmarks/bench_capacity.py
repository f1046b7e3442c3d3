"""Capacity: measures what everything costs, works out sizes and queues, and prints the page `docs/capacity.md`.

    python benchmarks/bench_capacity.py [--write] [--only engine,store,strands,pipeline,account] [--page]

`--write` keeps measurements in `benchmarks/capacity.json` and writes page and drawing from them; with `--only` the
other measurements stay. `--page` measures nothing and writes the page again. Takes some minutes.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import capacity_page, capacity_queues  # noqa: E402 - the path comes first
from benchmarks.backtest_page import machine  # noqa: E402

STORED = ROOT / "benchmarks" / "capacity.json"
PAGE = ROOT / "docs" / "capacity.md"
DRAWING = ROOT / "docs" / "images" / "capacity-strands.svg"
PARTS = ("engine", "store", "strands", "pipeline", "account")


def measured(parts, found, keep):
    """What these parts say now, over what was found before; each is kept at once."""
    for part in parts:
        print(f"measuring {part}", file=sys.stderr, flush=True)
        said = measure(part)
        if part == "strands":
            said, found["samples"] = said
        # What a real process takes is truer than what was built for the measurement.
        known = {"engine_mb"} if part == "engine" and "engine_cores" in found["measured"] else set()
        found["measured"].update({name: one.as_dict() for name, one in said.items() if name not in known})
        found["machine"], found["date"] = machine(), time.strftime("%Y-%m-%d", time.gmtime())
        keep(found)


def stored(found):
    STORED.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def measure(part):
    from importlib import import_module

    return import_module(f"benchmarks.capacity_{part}").measure()


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--write", action="store_true")
    options.add_argument("--page", action="store_true")
    options.add_argument("--only", default=",".join(PARTS), help="parts to measure, by comma")
    chosen = options.parse_args()
    os.environ.pop("GAL_FRIDAY_DATABASE_URL", None)
    empty = {"measured": {}}
    found = json.loads(STORED.read_text(encoding="utf-8")) if STORED.exists() else empty
    if not chosen.page:
        measured(chosen.only.split(","), found, stored if chosen.write else lambda _: None)
    from benchmarks.capacity_strands import DRAINED

    found["drained"] = DRAINED
    found["queues"] = capacity_queues.worked_out(found["samples"])
    text = capacity_page.page(found)
    if chosen.write or chosen.page:
        stored(found)
        PAGE.write_text(text, encoding="utf-8")
        capacity_queues.drawn(found["queues"], DRAWING)
    else:
        print(text)


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    main()
