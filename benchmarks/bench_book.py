"""From bytes to a verified order book, beside orjson and order_book: `python benchmarks/bench_book.py [--capture FILE]`.

All contenders take the same messages in turns, in one process, and every one of them checks Kraken's checksum
after every message; figures are medians of CPU time. The messages are a seeded walk of a market with one to
three changed levels each, written as Kraken writes them; or those of a capture (`feed verify` reads the same),
whose first pair with a book is taken.

order_book (C) sorts by its keys and builds the checksum from their text, so what orjson decodes to floats has
to become Decimals, at the pair's decimals. With text instead of Decimals it is quicker, and wrong as soon as
two prices differ in their number of digits; it is timed all the same.
"""

import argparse
import statistics
import sys
import time
from decimal import Decimal
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import orjson
from order_book import OrderBook as PeerBook

from gal_friday_core.book import BookResult, OrderBook
from gal_friday_core.kraken.wire import BookMessage, decode
from tests.core.kraken_books import PAIR, PlainBook, text

MESSAGES = {10: 4_000, 100: 2_000, 1000: 600}
PROMISE = 5.0


def walk(depth, count):
    """A snapshot and `count` updates around a wandering price, most of them near the best."""
    chance = np.random.default_rng(depth)
    plain, middle = PlainBook(depth), 294_302
    bids = [(middle - 1 - place, quantity(chance)) for place in range(depth)]
    asks = [(middle + 1 + place, quantity(chance)) for place in range(depth)]
    raws = [text("snapshot", bids, asks, plain.apply(bids, asks, snapshot=True))]
    for _ in range(count):
        middle += int(chance.integers(-1, 2))
        bids = [(price, 0) for price in plain.bids if price >= middle]
        asks = [(price, 0) for price in plain.asks if price <= middle]
        for _ in range(int(chance.integers(1, 4))):
            away = 1 + int(chance.exponential(min(depth, 50) / 2))
            gone = chance.random() < 0.3
            side, price = (bids, middle - away) if chance.random() < 0.5 else (asks, middle + away)
            side.append((price, 0 if gone else quantity(chance)))
        raws.append(text("update", bids, asks, plain.apply(bids, asks, snapshot=False)))
    return raws


def quantity(chance):
    return int(chance.integers(1, 10**9))


def captured(path):
    """Book messages of the first pair in a capture, its decimals and depth."""
    from gal_friday_adapters.kraken.captures import messages, verify

    report = next(pair for pair in verify(path).report()["pairs"] if pair["updates"])
    told = ((raw, decode(raw)) for raw in messages(path))
    raws = [
        raw for raw, message in told if isinstance(message, BookMessage) and message.symbol == report["pair"]
    ]
    return report, raws


def ours(raws, pair, depth, decimals):
    book = OrderBook(pair, depth, *decimals)
    good = (BookResult.APPLIED, BookResult.SNAPSHOT)

    def run():
        apply = book.apply_raw
        return sum(apply(raw) not in good for raw in raws)

    return run


def decoded(raws, pair, depth, decimals):
    book = OrderBook(pair, depth, *decimals)

    def run():
        return sum(not book.apply(decode(raw)) <= BookResult.SNAPSHOT for raw in raws)

    return run


def peer(raws, depth, key, value):
    def run():
        failures = 0
        for raw in raws:
            message = orjson.loads(raw)
            told = message["data"][0]
            if message["type"] == "snapshot":
                book = PeerBook(depth, checksum_format="KRAKEN")
                bids, asks = book.bids, book.asks
            for side, levels in ((bids, told["bids"]), (asks, told["asks"])):
                for level in levels:
                    price, qty = key(level["price"]), level["qty"]
                    if qty:
                        side[price] = value(qty)
                    elif price in side:
                        del side[price]
                side.truncate()
            failures += book.checksum() != told["checksum"]
        return failures

    return run


def peers(raws, depth, decimals):
    price_form, qty_form = f".{decimals[0]}f", f".{decimals[1]}f"
    return {
        "orjson + order_book, Decimal": peer(
            raws, depth, lambda p: Decimal(format(p, price_form)), lambda q: Decimal(format(q, qty_form))
        ),
        "orjson + order_book, text": peer(
            raws, depth, lambda p: format(p, price_form), lambda q: format(q, qty_form)
        ),
    }


def in_turns(contenders, rounds):
    """CPU seconds of each contender in each round, after one that warms up, and how many checksums were wrong."""
    seconds, wrong = {name: [] for name in contenders}, {}
    for turn in range(rounds + 1):
        for name, contender in contenders.items():
            begin = time.process_time()
            wrong[name] = contender()
            if turn:
                seconds[name].append(time.process_time() - begin)
    return seconds, wrong


def compare(title, raws, pair, depth, *, decimals, rounds):
    """Print one table; whether the promise holds against every peer that gets the checksums right."""
    contenders = {
        "OrderBook.apply_raw": ours(raws, pair, depth, decimals),
        "decode + OrderBook.apply": decoded(raws, pair, depth, decimals),
        **peers(raws, depth, decimals),
    }
    seconds, wrong = in_turns(contenders, rounds)
    mine = statistics.median(seconds["OrderBook.apply_raw"])
    size = sum(map(len, raws)) / len(raws)
    print(f"\n{title}: {len(raws):,} messages of {size:,.0f} bytes on average, depth {depth}")
    kept = wrong["OrderBook.apply_raw"] == 0
    for name, times in seconds.items():
        median, ratio = statistics.median(times), statistics.median(times) / mine
        verdict = ""
        if "order_book" in name and depth == 10:
            kept &= ratio >= PROMISE
            verdict = f"  promised ≥ {PROMISE:g}: {'holds' if ratio >= PROMISE else 'BROKEN'}"
        print(
            f"  {name:30} {median / len(raws) * 1e9:9,.0f} ns/message  ratio {ratio:6.1f}"
            f"  wrong checksums {wrong[name]:,}{verdict}"
        )
    return kept


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--capture", type=Path, help="take the messages of this capture instead")
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    if options.capture:
        report, raws = captured(options.capture)
        decimals = report["price_decimals"], report["qty_decimals"]
        return (
            0
            if compare(
                "capture", raws, report["pair"], report["depth"], decimals=decimals, rounds=options.rounds
            )
            else 1
        )
    kept = [
        compare("walk", walk(depth, count), PAIR, depth, decimals=(1, 8), rounds=options.rounds)
        for depth, count in MESSAGES.items()
    ]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
