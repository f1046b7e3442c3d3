"""Socket to verified book: this feed against websockets + json + order_book, and 20,000 messages a second for long.

    python benchmarks/bench_socket.py [--messages 100000] [--seconds 10] [--rate 20000]

A server process sends book messages of one pair, made beforehand, every checksum right. Each reader runs in a
process of its own and counts its processor time from the first message to the last, which it verifies; the
readers take turns. Then the server keeps to a rate, and the feed's process says how late its event loop ran
and how its memory grew.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import multiprocessing
import os
import random
import statistics
import time
import zlib
from contextlib import suppress
from decimal import Decimal

DEPTH, PAIR = 10, "BTC/USD"
PRICE_DECIMALS, QTY_DECIMALS = 1, 8
DISTINCT = 20_000
"""Messages made; the walk returns to where it began, so they can be sent round and round."""
ROUNDS = 5
ACK = '{"method":"subscribe","result":{"channel":"%s","symbol":"%s"},"success":true,"req_id":1}'
LISTING = {
    "symbol": PAIR, "base": "BTC", "quote": "USD", "status": "online", "price_precision": PRICE_DECIMALS,
    "price_increment": 0.1, "qty_precision": QTY_DECIMALS, "qty_increment": 1e-8, "qty_min": 1e-4,
    "cost_precision": 5, "cost_min": 0.5,
}  # fmt: skip


def shown(units, decimals):
    text = f"{units:0{decimals + 1}d}"
    return f"{text[:-decimals]}.{text[-decimals:]}"


def message(kind, bids, asks, best, stamp):
    def listed(levels):
        return ",".join(
            f'{{"price":{shown(price, PRICE_DECIMALS)},"qty":{shown(quantity, QTY_DECIMALS)}}}'
            for price, quantity in levels
        )

    checksum = zlib.crc32("".join(f"{p}{q}" for p, q in best[1] + best[0]).encode())
    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{PAIR}","bids":[{listed(bids)}],'
        f'"asks":[{listed(asks)}],"checksum":{checksum},"timestamp":"{stamp}"}}]}}'
    ).encode()


def market(count):
    """A snapshot, and updates of one or two levels each that lead back to it."""
    rng = random.Random(7)
    sides = [
        {300_000 - 1 - n: rng.randrange(10**6, 10**9) for n in range(DEPTH)},
        {300_001 + n: 10**8 + n for n in range(DEPTH)},
    ]
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())

    def best():
        return [sorted(sides[0].items(), reverse=True), sorted(sides[1].items())]

    first = best()
    snapshot = message("snapshot", *first, first, stamp)
    updates = []
    for _ in range(count):
        told = [[], []]
        for _ in range(rng.choice((1, 1, 2))):
            side = rng.randrange(2)
            price = rng.choice(list(sides[side]))
            sides[side][price] = rng.randrange(10**6, 10**9)
            told[side].append((price, sides[side][price]))
        updates.append(message("update", *told, best(), stamp))
    sides = [dict(first[0]), dict(first[1])]
    return snapshot, [*updates, message("update", *first, first, stamp)]


def frame(payload):
    head = (
        bytes([0x81, len(payload)])
        if len(payload) < 126
        else bytes([0x81, 126]) + len(payload).to_bytes(2, "big")
    )
    return head + payload


async def serve(port_box, rate):
    """Whoever subscribes to the book gets the stream: `rate` a second, or as fast as it is read (None)."""
    snapshot, updates = market(DISTINCT)
    frames = [frame(update) for update in updates]

    async def talk(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        key = next(
            line for line in head.decode().split("\r\n") if line.lower().startswith("sec-websocket-key")
        ).split(": ")[1]
        accept = base64.b64encode(
            hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
        ).decode()
        writer.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        listing = {"channel": "instrument", "type": "snapshot", "data": {"assets": [], "pairs": [LISTING]}}
        writer.write(
            frame(b'{"method":"subscribe","result":{"channel":"instrument"},"success":true,"req_id":1}')
        )
        writer.write(frame(json.dumps(listing).encode()))
        await reader.read(1)  # the first request; then give the reader time to ask for the book
        await asyncio.sleep(0.5)
        writer.write(frame((ACK % ("book", PAIR)).encode()))
        writer.write(frame(snapshot))
        await writer.drain()
        with suppress(ConnectionError):
            await (stream_all(writer, frames) if rate is None else stream_at(writer, frames, rate))

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port_box.put(server.sockets[0].getsockname()[1])
    await asyncio.Event().wait()


async def stream_all(writer, frames):
    chunks = [b"".join(frames[start : start + 100]) for start in range(0, len(frames) - 1, 100)] + [
        frames[-1]
    ]
    while not writer.is_closing():
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()


async def stream_at(writer, frames, rate):
    """Every millisecond its share."""
    loop, sent = asyncio.get_running_loop(), 0
    began = loop.time()
    while not writer.is_closing():
        due = int((loop.time() - began) * rate)
        for number in range(sent, due):
            writer.write(frames[number % len(frames)])
        sent = max(sent, due)
        await writer.drain()
        await asyncio.sleep(0.001)


def run_server(port_box, rate):
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(port_box, rate))


class Count:
    """The quietest sink: it counts verified books, and stops the feed after so many."""

    def __init__(self, wanted, done):
        self.left, self.done, self.wanted = wanted + 1, done, wanted
        self.began = self.spent = 0.0

    def on_book(self, *_):
        self.left -= 1
        if self.left == self.wanted:
            self.began = time.process_time()
        elif self.left == 0:
            self.spent = time.process_time() - self.began
            self.done.set()

    def on_invalid(self, *_): ...

    def on_heartbeat(self, *_): ...
    def on_status(self, **_): ...
    def on_listing(self, *_): ...


def make_client(url):
    from gal_friday_adapters.kraken.books import load
    from gal_friday_adapters.kraken.client import KrakenClient
    from gal_friday_adapters.kraken.patience import Patience
    from gal_friday_core.candles import Series
    from gal_friday_live.clock import SystemClock

    load()
    patience = Patience(lag_s=10**6, answer_s=30)
    return KrakenClient(
        (Series("kraken", PAIR, "1m"),), SystemClock(), url=url, channels=("book",), patience=patience
    )


async def ours(url, count):
    client, done = make_client(url), asyncio.Event()
    sink = Count(count, done)
    running = asyncio.ensure_future(client.run(sink))
    await asyncio.wait({running, asyncio.ensure_future(done.wait())}, return_when=asyncio.FIRST_COMPLETED)
    await client.close()
    await running
    assert client.counts.checksum_failures == client.counts.malformed == client.counts.losses == 0
    return sink.spent


async def theirs(url, count):
    from order_book import OrderBook
    from websockets.asyncio.client import connect

    book, left, began = OrderBook(max_depth=DEPTH, checksum_format="KRAKEN"), count, 0.0
    async with connect(url, max_queue=None, compression=None, ping_interval=None) as socket:
        await socket.send('{"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD"]}}')
        async for raw in socket:
            found = json.loads(raw, parse_float=Decimal)
            if found.get("channel") != "book":
                continue
            data = found["data"][0]
            if found["type"] == "snapshot":
                began = time.process_time()
            for side, levels in ((book.bids, data["bids"]), (book.asks, data["asks"])):
                for level in levels:
                    if level["qty"]:
                        side[level["price"]] = level["qty"]
                    else:
                        del side[level["price"]]
            assert book.checksum() == data["checksum"]
            left -= 1
            if left < 0:
                return time.process_time() - began
    raise SystemExit("the server went away")


def measure(box, name, url, count):
    import uvloop

    reader = {"ours": ours, "theirs": theirs}[name]
    box.put(uvloop.run(reader(url, count)) / count * 1e6)


async def sustained(url, seconds):
    """Loop lag p50, p99 and longest in ms; memory at a quarter of the time and at the end in MB; messages a second."""
    import psutil

    client = make_client(url)
    sink = Count(10**12, asyncio.Event())
    running = asyncio.ensure_future(client.run(sink))
    await client.standing()
    await asyncio.sleep(1)
    loop, process, lags, memory = asyncio.get_running_loop(), psutil.Process(), [], []
    began, spent, seen = loop.time(), time.process_time(), client.counts.messages
    while loop.time() - began < seconds:
        due = time.perf_counter() + 0.002  # the loop's own clock has whole milliseconds only
        await asyncio.sleep(0.002)
        lags.append((time.perf_counter() - due) * 1e3)
        if len(lags) % 100 == 0:
            memory.append(process.memory_info().rss / 2**20)
    elapsed = loop.time() - began
    rate, used = (client.counts.messages - seen) / elapsed, (time.process_time() - spent) / elapsed
    await client.close()
    await running
    lags.sort()
    quarter = statistics.fmean(memory[len(memory) // 4 : len(memory) // 2])
    last = statistics.fmean(memory[-max(len(memory) // 8, 1) :])
    return (
        rate,
        used,
        lags[len(lags) // 2],
        lags[len(lags) * 99 // 100],
        lags[-1],
        quarter,
        last,
        client.counts.losses,
    )


def measure_sustained(box, url, seconds):
    import uvloop

    box.put(uvloop.run(sustained(url, seconds)))


def in_process(target, *arguments):
    box = multiprocessing.Queue()
    process = multiprocessing.Process(target=target, args=(box, *arguments))
    process.start()
    while process.is_alive() and box.empty():
        time.sleep(0.05)
    if box.empty():
        raise SystemExit(f"{target.__name__} failed")
    result = box.get()
    process.join()
    return result


def with_server(rate):
    box = multiprocessing.Queue()
    server = multiprocessing.Process(target=run_server, args=(box, rate), daemon=True)
    server.start()
    return server, f"ws://127.0.0.1:{box.get()}/v2"


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--messages", type=int, default=100_000)
    options.add_argument("--seconds", type=float, default=10)
    options.add_argument("--rate", type=int, default=20_000)
    chosen = options.parse_args()
    server, url = with_server(None)
    found = {"ours": [], "theirs": []}
    for _ in range(ROUNDS):
        for name, times in found.items():
            times.append(in_process(measure, name, url, chosen.messages))
    server.terminate()
    server.join()
    mine, other = (statistics.median(found[name]) for name in ("ours", "theirs"))
    print(f"socket to verified book, CPU a message, median of {ROUNDS} x {chosen.messages} (depth {DEPTH})")
    print(f"  gal-friday (picows, compiled book) {mine:8.2f} us")
    print(
        f"  websockets + json + order_book     {other:8.2f} us    ratio {mine / other:.3f} (1/{other / mine:.1f})"
    )
    server, url = with_server(chosen.rate)
    rate, used, p50, p99, worst, early, late, losses = in_process(measure_sustained, url, chosen.seconds)
    server.terminate()
    server.join()
    print(
        f"sustained for {chosen.seconds:.0f} s: {rate:,.0f} messages/s, {used:.0%} of a core, {losses} losses"
    )
    print(f"  machine's load average meanwhile {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"  loop lag p50 {p50:.2f} ms, p99 {p99:.2f} ms, longest {worst:.2f} ms")
    print(f"  resident memory {early:.1f} MB early, {late:.1f} MB at the end ({late - early:+.1f} MB)")


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    main()
