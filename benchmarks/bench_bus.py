"""The bus against NautilusTrader's MessageBus: publishing a typed event that is already built.

CPU time, medians of interleaved runs, at one and at five subscribers. NautilusTrader runs in an environment
of its own, made on first use in the user's cache folder. Its topic is ready-made, the cheapest way it has;
ours includes what its bus does not have: lanes, halt before everything, isolated handlers, counts and sampled
handler times. Handlers are once a builtin that does nothing worth mentioning, so that the bus is what is
measured, and once an empty Python function, whose calls are then most of our time: the last column takes
them off on both sides.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import peers
from gal_friday_core.events import Event
from gal_friday_core.payloads import MarketDataL2
from gal_friday_live.bus import PubSubManager
from gal_friday_live.clock import SystemClock
from gal_friday_live.ids import SequentialIds

EVENTS, ROUNDS = 100_000, 3
TYPE = "MARKET_DATA_L2"
PAYLOAD = MarketDataL2(trading_pair="BTC/USD", exchange="kraken", bids=(), asks=(), is_snapshot=False)


def theirs(python):
    script = Path(__file__).with_name("peer_nautilus_bus.py")
    done = subprocess.run([python, script, str(EVENTS)], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def in_c():
    return callable


def in_python():
    def hear(_):
        pass

    return hear


def cpu(call, argument, events=EVENTS):
    """Median nanoseconds a call, the loop included, as in the peer's script."""
    runs = []
    for _ in range(5):
        started = time.process_time_ns()
        for _ in range(events):
            call(argument)
        runs.append((time.process_time_ns() - started) / events)
    return statistics.median(runs)


def a_bus(make, subscribers):
    bus = PubSubManager(SystemClock(), SequentialIds())
    for _ in range(subscribers):
        bus.subscribe(TYPE, make())
    event = Event(event_id="0", event_type=TYPE, timestamp=0, source_module="bench", payload=PAYLOAD)
    return bus, event


def ours():
    results = {}
    for name, make in (("C", in_c), ("Python", in_python)):
        for subscribers in (1, 5):
            bus, event = a_bus(make, subscribers)
            key = f"{name} {subscribers}"
            results[key] = cpu(bus.publisher(TYPE), event)
            results[f"emit_event, {key}"] = cpu(bus.emit_event, event)
            assert bus.delivered == 10 * EVENTS
    results["one call"] = one_call()
    return results


def one_call():
    """What calling an empty Python handler costs by itself."""
    a, b, c, d, e = (in_python() for _ in range(5))

    def all_five(event):
        a(event)
        b(event)
        c(event)
        d(event)
        e(event)

    return (cpu(all_five, None) - cpu(a, None)) / 5


async def whole(subscribers):
    """`await publish(type, payload)`: id, time, correlation and envelope made for each event."""

    async def hear(_):
        pass

    bus, _ = a_bus(lambda: hear, subscribers)
    started = time.process_time_ns()
    for _ in range(EVENTS):
        await bus.publish(TYPE, PAYLOAD, source="bench")
    return (time.process_time_ns() - started) / EVENTS


def median_of(runs, key):
    return statistics.median(run[key] for run in runs)


def main():
    python = peers.nautilus()
    mine, peer = [], []
    for _ in range(ROUNDS):
        mine.append(ours())
        peer.append(theirs(python))
    print(
        f"nanoseconds of CPU an event, median of {ROUNDS} interleaved runs, {peers.NAUTILUS}, Python {sys.version.split()[0]}"
    )
    one = median_of(mine, "one call")
    for name in ("C", "Python"):
        for subscribers in (1, 5):
            key, calls = f"{name} {subscribers}", subscribers * one if name == "Python" else 0.0
            we, they, long = median_of(mine, key), median_of(peer, key), median_of(mine, f"emit_event, {key}")
            alone = f"; without the calls {(they - calls) / (we - calls):.1f}" if calls else ""
            print(f"{subscribers} x {name:6}: publisher {we:4,.0f}, emit_event {long:4,.0f}, MessageBus {they:6,.0f}: "
                  f"ratio {they / we:.1f}{alone}")  # fmt: skip
    for subscribers in (1, 5):
        spent = statistics.median(asyncio.run(whole(subscribers)) for _ in range(ROUNDS))
        print(f"await publish(type, payload), envelope made, {subscribers} coroutine handlers: {spent:,.0f}")


if __name__ == "__main__":
    sys.exit(main())
