"""Sessions: what recording costs the feed, and how quickly a session is read and replayed.

    python benchmarks/bench_sessions.py [MESSAGES]

Prints medians of one run: nanoseconds on the feed's thread for each recorded message, the longest that a
20,000 messages/s feed was held up while its messages were written and compressed beside it, and messages
a second for reading, replaying through the live client, and rebuilding columns.
"""

import asyncio
import gzip
import json
import statistics
import sys
import tempfile
import time
import zlib
from pathlib import Path

from gal_friday_adapters.sessions.reader import Session
from gal_friday_adapters.sessions.rebuild import events_of
from gal_friday_adapters.sessions.records import CLOSE, CONNECT, SERVER
from gal_friday_adapters.sessions.writer import SessionWriter

PAIR = "BTC/USD"
START_NS = 1_700_000_000_000_000_000
STEP_NS = 20_000_000
LEVELS = 10
RATE = 20_000
SECONDS = 5


def instrument() -> bytes:
    return (
        b'{"channel":"instrument","type":"snapshot","data":{"assets":[],"pairs":[{"symbol":"BTC/USD","base":"BTC",'
        b'"quote":"USD","status":"online","price_precision":1,"price_increment":0.1,"qty_precision":8,'
        b'"qty_increment":0.00000001,"qty_min":0.0001,"cost_precision":5,"cost_min":0.5,"marginable":true,'
        b'"has_index":true}]}}'
    )


def book_messages(count: int) -> list[bytes]:
    """A snapshot and updates of one level each, checksums by zlib over the whole book."""
    asks = {300_001 + level: 100_000_000 + level for level in range(LEVELS)}
    bids = {300_000 - level: 200_000_000 + level for level in range(LEVELS)}
    found = [message("snapshot", (bids, asks), bids, asks, 0)]
    for number in range(1, count):
        side, first = ((asks, 300_001), (bids, 300_000 - LEVELS + 1))[number % 2]
        price = first + number // 2 % LEVELS
        side[price] = 100_000_000 + number * 7_919 % 900_000_000
        change = {price: side[price]}
        told = (change, {}) if side is bids else ({}, change)
        found.append(message("update", told, bids, asks, number))
    return found


def message(kind, told, bids, asks, number) -> bytes:
    best_asks, best_bids = sorted(asks.items()), sorted(bids.items(), reverse=True)
    text = "".join(f"{price}{quantity}" for price, quantity in best_asks + best_bids)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime((START_NS + number * STEP_NS) // 10**9))
    listed = [
        ",".join(
            f'{{"price":{p // 10}.{p % 10},"qty":{q // 10**8}.{q % 10**8:08d}}}' for p, q in side.items()
        )
        for side in told
    ]
    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{PAIR}","bids":[{listed[0]}],"asks":[{listed[1]}],'
        f'"checksum":{zlib.crc32(text.encode())},"timestamp":"{stamp}.000000Z"}}]}}'
    ).encode()


def record(folder: Path, messages: list[bytes]) -> float:
    """Nanoseconds a message on the recording thread, median over slices of a thousand."""
    writer = SessionWriter(folder)
    writer.start()
    writer.record(CONNECT, START_NS, url="wss://bench")
    writer.record(SERVER, START_NS, instrument())
    slices = []
    for first in range(0, len(messages), 1_000):
        part = messages[first : first + 1_000]
        began = time.perf_counter_ns()
        for number, raw in enumerate(part, first):
            writer.record(SERVER, START_NS + number * STEP_NS, raw)
        slices.append((time.perf_counter_ns() - began) / len(part))
        writer.flush()
    writer.record(CLOSE, START_NS + len(messages) * STEP_NS)
    writer.close()
    assert writer.counts.dropped == 0
    return statistics.median(slices)


def naive(path: Path, messages: list[bytes]) -> float:
    """The peer: the feed itself decodes, encodes and compresses, in nanoseconds a message."""
    with gzip.open(path, "wt", compresslevel=6) as file:
        began = time.perf_counter_ns()
        for number, raw in enumerate(messages):
            record = {"kind": "server", "ts": (START_NS + number * STEP_NS) / 1e9, "msg": json.loads(raw)}
            file.write(json.dumps(record) + "\n")
        return (time.perf_counter_ns() - began) / len(messages)


async def lag(folder: Path | None, messages: list[bytes]) -> tuple[float, float]:
    """p99 and maximum, in ms, of how late a feed of RATE messages/s gets its turn."""
    writer = SessionWriter(folder) if folder else None
    if writer:
        writer.start()
    late: list[float] = []
    began = time.perf_counter()
    for turn in range(SECONDS * 1_000):
        due = began + turn / 1_000
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        late.append(time.perf_counter() - due)
        for number in range(RATE // 1_000):
            if writer:
                writer.record(SERVER, START_NS + turn, messages[(turn * 20 + number) % len(messages)])
    if writer:
        dropped = writer.dropped
        await asyncio.to_thread(writer.close)
        assert dropped == 0
    late.sort()
    return late[len(late) * 99 // 100] * 1e3, late[-1] * 1e3


def rate(work, count: int) -> float:
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 60_000
    messages = book_messages(count)
    size = sum(map(len, messages))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        print(f"{count:,} book messages of {size / count:.0f} bytes")
        ours, theirs = record(root / "session", messages), naive(root / "naive.gz", messages)
        print(f"recording, on the feed's thread    {ours:10,.0f} ns/message")
        print(
            f"json and gzip in the feed itself   {theirs:10,.0f} ns/message, ours is {ours / theirs:.3f} of it"
        )
        packed = sum(path.stat().st_size for path in (root / "session").iterdir())
        print(f"on disk                            {packed / size:10.1%} of the messages' bytes")
        for name, target in (("without", None), ("with", root / "lag")):
            p99, worst = asyncio.run(lag(target, messages))
            print(f"loop lag at {RATE:,}/s, {name:7} recording{p99:8.2f} ms p99, {worst:.2f} ms worst")
        session = Session(root / "session")
        print(f"reading                            {rate(lambda: list(session), count):10,.0f} messages/s")
        events = {}
        events_of(Session(root / "session"))  # compiles the book
        speed = rate(lambda: events.update(events_of(session)), count)
        print(f"replay through the live client     {speed:10,.0f} messages/s, into columns")
        assert len(events[PAIR]) >= count


if __name__ == "__main__":
    main()
