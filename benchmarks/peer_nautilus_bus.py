"""NautilusTrader's MessageBus, run by an interpreter that has it: prints nanoseconds of CPU an event as JSON.

Imports nothing of the product. `bench_bus.py` makes the environment and calls this.
"""

import json
import statistics
import sys
import time

from nautilus_trader.common.component import MessageBus, TestClock
from nautilus_trader.model.identifiers import TraderId

TOPIC = "data.book.deltas.KRAKEN.BTCUSD"


def in_c():
    """The cheapest sink there is: what is left to measure is the bus."""
    return callable


def in_python():
    def hear(_):
        pass

    return hear


def published(make, subscribers, events):
    bus = MessageBus(trader_id=TraderId("BENCH-001"), clock=TestClock())
    for _ in range(subscribers):
        bus.subscribe(TOPIC, make())
    message = object()  # built before, as ours is
    publish = bus.publish
    runs = []
    for _ in range(5):
        started = time.process_time_ns()
        for _ in range(events):
            publish(TOPIC, message)
        runs.append((time.process_time_ns() - started) / events)
    return statistics.median(runs)


def main(events):
    results = {
        f"{name} {subscribers}": published(make, subscribers, events)
        for name, make in (("C", in_c), ("Python", in_python))
        for subscribers in (1, 5)
    }
    print(json.dumps(results))


if __name__ == "__main__":
    main(int(sys.argv[1]))
