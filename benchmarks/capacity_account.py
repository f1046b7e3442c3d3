"""What a real engine's process takes that has one account and one quiet pair: memory and CPU, heartbeats included."""

import os
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks import bench_live
from benchmarks.capacity_measured import once
from tests.live import seeded

WARM_S, WATCHED_S = 8.0, 20.0


def measure():
    with tempfile.TemporaryDirectory(prefix="capacity-") as folder:
        data = Path(folder) / "data"
        env = {"GAL_FRIDAY_DATA_DIR": str(data)}
        seeded.main(data, promote=True)
        with Path(folder, "log").open("w") as log:
            exchange = bench_live.program(
                "exchange", "serve", "--port", 0, "--json", "--speed", 1, "--cash-only",
                env=env, stdout=bench_live.subprocess.PIPE, stderr=log,
            )  # fmt: skip
            try:
                return watched(bench_live.told(exchange)["url"], env, log)
            finally:
                exchange.terminate()
                exchange.wait(30)


def watched(url, env, log):
    began = time.monotonic()
    engine = bench_live.program(
        "live", "--venue", url, "--json", env=env, stdout=bench_live.subprocess.PIPE, stderr=log
    )
    try:
        bench_live.told(engine)
        ready = time.monotonic() - began
        time.sleep(WARM_S)
        process = psutil.Process(engine.pid)
        before, at = sum(process.cpu_times()[:2]), time.monotonic()
        time.sleep(WATCHED_S)
        share = (sum(process.cpu_times()[:2]) - before) / (time.monotonic() - at)
        memory = process.memory_info().rss / 1e6
    finally:
        engine.terminate()
        engine.communicate(timeout=60)
    return {
        "engine_mb": once(memory, "MB", "resident, the process of `gal-friday live` with one pair and its model"),
        "engine_cores": once(share, "cores", f"its CPU over {WATCHED_S:.0f} s of a quiet pair, heartbeats included"),
        "engine_ready_s": once(ready, "s", "from its start until it trades, with a seeded database"),
    }  # fmt: skip


if __name__ == "__main__":
    os.environ.pop("GAL_FRIDAY_DATABASE_URL", None)
    for name, found in measure().items():
        print(f"{name:20} {found.value:12,.3f} {found.unit:10} {found.how}")
