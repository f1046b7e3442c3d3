"""What one pair, one message, one bar, one order and one model cost the engine's process."""

import asyncio
import gc
import json
import multiprocessing
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import bench_book, bench_engine, bench_orders, bench_path, bench_sessions, bench_socket
from benchmarks.bench_features import minute_candles
from benchmarks.capacity_measured import best, cpu_s, once
from gal_friday_adapters.kraken.client import KrakenClient
from gal_friday_adapters.kraken.patience import Patience
from gal_friday_core.features import drivers
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.market_simulator import simulate
from gal_friday_core.times import MINUTE_NS, SECOND_NS, from_iso
from gal_friday_live.replay_data import Stretch, instrument_of

ROUNDS = 3
MESSAGES, RATE = 3_000, 1_000
BARS, HISTORY = 15_000, 2_000
PAIRS = 40


def measure():
    drivers.warm()
    return {**messages(), **bars_and_orders(), **kernels(), **memory()}


def messages():
    """A book message: the wire and the book, what the services add, what recording adds."""
    raws = bench_book.walk(10, MESSAGES)
    model = bench_orders.trained()
    bare = [asyncio.run(_said(_null_feed, raws)) for _ in range(ROUNDS)]
    whole = [asyncio.run(_said(_desk(model), raws)) for _ in range(ROUNDS)]
    server, url = bench_socket.with_server(RATE)
    try:
        wire = [
            bench_socket.in_process(bench_socket.measure, "ours", url, MESSAGES) for _ in range(ROUNDS - 1)
        ]
    finally:
        server.terminate()
        server.join(30)
    services = min(whole) - min(bare)
    recorded, bytes_each = _recording()
    return {
        "wire_us": best(wire, "µs", f"socket to verified book of depth 10, at {RATE:,} messages a second"),
        "services_us": once(services, "µs", "verified book through ingestor and features of the book"),
        "message_us": once(min(wire) + services, "µs", "a book message in all: both of these"),
        "record_us": recorded,
        "message_bytes": bytes_each,
    }


async def _said(start, raws):
    """CPU microseconds of each message after the first few hundred."""
    say, drained, tick, stop = await start(raws[0])
    warm = len(raws) // 5
    for raw in raws[1:warm]:
        tick()
        say(raw)
        await drained()
    gc.collect()
    spent = 0.0
    for first in range(warm, len(raws), 200):
        part = raws[first : first + 200]

        def told(part=part):
            for raw in part:
                tick()
                say(raw)

        spent += cpu_s(told)
        await drained()
    await stop()
    return spent / (len(raws) - warm) * 1e6


async def _null_feed(snapshot):
    """The client alone: bytes to verified book, and nobody who listens."""
    public = bench_orders.PublicKraken(snapshot)
    clock = bench_orders.SimulatedClock(bench_orders.START)
    feed = KrakenClient(
        (bench_orders.SERIES,), clock, transport=public, channels=("book",), patience=Patience(lag_s=10**9)
    )
    done = asyncio.Event()
    running = asyncio.ensure_future(feed.run(bench_socket.Count(10**9, done)))
    await feed.standing()

    async def drained():
        await asyncio.sleep(0)

    async def stop():
        await feed.close()
        await running

    return public.say, drained, lambda: clock.advance_to(clock.now_ns() + SECOND_NS // 100), stop


def _desk(model):
    """The whole engine, with features of book and candles, which makes a row at a bar's close only."""

    async def start(snapshot):
        desk = bench_orders.Desk(model, snapshot, book_every_ms=0)
        await desk.start()
        clock = desk.clock
        return (
            desk.public.say,
            desk.engine.ingestor.drained,
            lambda: clock.advance_to(clock.now_ns() + SECOND_NS // 100),
            desk.stop,
        )

    return start


def _recording():
    told = bench_book.walk(10, 10_000)
    with tempfile.TemporaryDirectory() as folder:
        spent = [bench_sessions.record(Path(folder) / str(turn), told) / 1e3 for turn in range(ROUNDS)]
        stored = sum(path.stat().st_size for path in (Path(folder) / "0").rglob("*") if path.is_file())
    return (
        best(spent, "µs", "recording a message, on the feed's thread"),
        once(stored / len(told), "bytes", "a recorded book message on disk, compressed"),
    )


def bars_and_orders():
    """Backtests through every service, journal in memory: one whose model never trades, one that always does."""
    series = bench_engine.SERIES
    candles = simulate(series, from_iso("2024-01-01"), BARS + HISTORY, seed=3)
    past, bars = candles[:HISTORY], candles[HISTORY:]
    played = Stretch(series, bars, past, instrument_of(past))
    quiet, busy = bench_engine.model(candles, 0.99), bench_engine.model(candles, 0.4)
    each = [bench_engine.backtest(played, quiet)[0] for _ in range(ROUNDS)]
    traded = [bench_engine.backtest(played, busy) for _ in range(ROUNDS)]
    orders = traded[0][1]["orders"]
    more = [(spent - min(each)) * len(bars) / orders for spent, _ in traded]
    return {
        "bar_us": best(each, "µs", "a bar through every service, prediction included, no trade"),
        "order_us": best(more, "µs", f"an order from signal to booked fill, what {orders:,} of them added"),
    }


def kernels():
    """Of a bar: its features, and its prediction."""
    candles = minute_candles(2_000)
    rows = list(zip(*(column.tolist() for column in candles.columns()[:6]), strict=True))
    predictor = bench_path.predictor_of(bench_path.trained(minute_candles(20_000)))
    stream = drivers.FeatureStream(CANDLES_V1, MINUTE_NS)
    values = [stream.update(*row) for row in rows]

    def features():
        update = drivers.FeatureStream(CANDLES_V1, MINUTE_NS).update
        for row in rows:
            update(*row)

    def predictions():
        predict = predictor.predict_row
        for row in values:
            predict(row)

    predictions()
    size = f"{bench_path.TREES} trees of depth {bench_path.DEPTH}"
    return {
        "features_us": best(
            [cpu_s(features) / len(rows) * 1e6 for _ in range(5)],
            "µs",
            f"{len(CANDLES_V1)} features of a bar",
        ),
        "predict_us": best(
            [cpu_s(predictions) / len(rows) * 1e6 for _ in range(5)], "µs", f"a prediction, {size}"
        ),
    }


def memory():
    """In processes of their own, which never trained: an engine with one pair, what each more takes, and each model."""
    with tempfile.TemporaryDirectory() as folder:
        files = bench_path.artifact_of(bench_path.trained(minute_candles(20_000)))
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        one, many = _resident("pairs", 1, folder), _resident("pairs", 1 + PAIRS, folder)
        few, more = _resident("models", 1, folder), _resident("models", 101, folder)
    return {
        "engine_mb": once(
            one - (many - one) / PAIRS, "MB", "resident, a live engine's modules and services, without pairs"
        ),
        "pair_mb": once(
            (many - one) / PAIRS, "MB", f"each pair with {HISTORY:,} bars of history, over {PAIRS}"
        ),
        "model_mb": once((more - few) / 100, "MB", "each model, over 100, of 300 trees of depth 6"),
    }


def _resident(what, number, folder):
    command = [sys.executable, "-m", "benchmarks.capacity_footprint", what, str(number), folder]
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True, timeout=300)
    return json.loads(done.stdout)["resident_mb"]


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    for name, found in measure().items():
        print(f"{name:20} {found.value:12,.3f} {found.unit:8} {found.how}   {found.runs}")
