"""An hour of real market through the whole live engine, compressed, with faults on: is its memory flat?

A simulated Kraken trades around recorded one-minute candles in a process of its own; the engine trades on it over
the wire: market data, private line, journal, protection, reconciliation. Its resident memory is read every two
seconds. Usage: bench_live.py [--speed 30] [--minutes 60] [--candles FILE] [--faults LIST]
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from gal_friday_live.control_socket import ask, control_path  # noqa: E402 - the path comes first
from tests.live import seeded  # noqa: E402

FAULTS = "disconnect=0.0005,half_open=0.00005,checksum=0.0005,lost_response=0.03,reject=0.02,rate_limit=0.005,delay=0.001"
EVERY_S = 2.0
MEGABYTE = 1_000_000


def settings():
    parser = argparse.ArgumentParser(description=__doc__)
    data = Path(os.environ.get("GAL_FRIDAY_TEST_DATA") or ROOT.parent / "shared" / "data")
    parser.add_argument("--speed", type=float, default=30.0)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--candles", type=Path, default=data / "ohlcv" / "bitfinex_BTCUSD_1m_2017.parquet")
    parser.add_argument("--faults", default=FAULTS)
    return parser.parse_args()


def program(*arguments, env, **streams):
    command = [sys.executable, "-m", "gal_friday_live.cli", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, **env}, text=True, **streams)


def told(process):
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"{process.args[3:5]} ended without a word; see its log")
    return json.loads(line)


def watch(engine, path, seconds):
    """Resident megabytes and open orders over time."""
    samples, process, until = [], psutil.Process(engine.pid), time.monotonic() + seconds
    while time.monotonic() < until and engine.poll() is None:
        samples.append(process.memory_info().rss / MEGABYTE)
        time.sleep(EVERY_S)
    return samples, asyncio.run(ask(path, "status")), asyncio.run(ask(path, "positions"))


def trend(samples):
    """Megabytes an hour of our time, by least squares over the second half."""
    late = samples[len(samples) // 2 :]
    times = [index * EVERY_S / 3600 for index in range(len(late))]
    return statistics.linear_regression(times, late).slope if len(late) > 2 else 0.0  # noqa: TID251 - a measurement, never the same twice


def main():
    given = settings()
    with tempfile.TemporaryDirectory(prefix="bench-live-") as folder:
        data = Path(folder) / "data"
        env = {"GAL_FRIDAY_DATA_DIR": str(data)}
        seeded.main(data, promote=True)
        with Path(folder, "exchange.log").open("w") as log:
            exchange = program(
                "exchange", "serve", "--port", 0, "--json", "--candles", given.candles, "--speed", given.speed,
                "--faults", given.faults, "--cash-only", env=env, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        url = told(exchange)["url"]
        with Path(folder, "engine.log").open("w") as log:
            engine = program("live", "--venue", url, "--json", env=env, stdout=subprocess.PIPE, stderr=log)
        began = time.monotonic()
        try:
            ready = told(engine)
            up_s = time.monotonic() - began
            samples, status, positions = watch(engine, control_path(data), given.minutes * 60 / given.speed)
        finally:
            engine.terminate()
            ended = engine.stdout.read()
            engine.wait(60)
            exchange.terminate()
            exchange.wait(30)
        report(
            given, ready=ready, up_s=up_s, samples=samples, status=status, positions=positions, ended=json.loads(ended)
        )  # fmt: skip


def report(given, *, ready, up_s, samples, status, positions, ended):
    quarter = max(len(samples) // 4, 1)
    first, last = statistics.median(samples[quarter : 2 * quarter]), statistics.median(samples[-quarter:])
    print(
        f"{given.minutes:g} minutes of {given.candles.name} at {given.speed:g} times its pace, {given.faults}"
    )
    print(f"ready after {up_s:.1f} s; from {ready['time']} to {status['time']}")
    for name in ("bars", "predictions", "signals", "orders", "fills", "final_equity", "fees", "halted"):
        print(f"  {name}: {ended[name]}")
    print(f"  position: {positions['positions'] or 'none'}")
    print(
        f"  blocks at the end: {status['blocks'] or 'none'}; account line lost {status['line_losses']} times"
    )
    print(
        f"memory: {samples[0]:.0f} MB at first, {first:.0f} MB in the second quarter, {last:.0f} MB in the last "
        f"({(last - first) / first:+.1%}); {trend(samples):+.1f} MB an hour over the second half"
    )


if __name__ == "__main__":
    main()
