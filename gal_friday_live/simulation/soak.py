"""One engine for many virtual hours at a market's rates: what stays in memory, hour by hour."""

import gc
import os
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gal_friday_adapters.simulated_kraken.demo import KEY
from gal_friday_live.simulation.past import SpilledLines, forget
from gal_friday_live.simulation.world import Outcome, Plan, World, run

HOUR_S = 3_600.0
COLLECT_S = 300.0
"""Garbage is collected at set times: a world's own collector is off."""
RATE = 10.0
"""Orders that come and go a second in each pair."""
OBJECTS_A_RECORD = 8
"""Which the collector knows: a fill is several of the exchange's own."""
STRAY_OBJECTS, GROWN_MB = 5_000, 10.0
"""What may be more in the last hour than halfway: by then what the engine keeps of ended orders is full."""
LINES = 2_000
"""Of the trace that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """The memory of the process after a collection. `objects` are those that the collector knows, `kept` the records
    that the exchange, not the engine, has at this moment: the last hours' orders, fills and ledger entries. `lines`
    are the journal's, on disk, `orders` all that the exchange took.
    """

    hour: int
    rss_mb: float
    objects: int
    kept: int
    lines: int
    steps: int
    orders: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """What became of it; `grown` names the types of which there are more at the end than after the first hour."""

    outcome: Outcome
    hours: tuple[Hour, ...]
    grown: dict[str, int]

    @property
    def flat(self) -> bool:
        """Whether the last hour holds hardly more than the one halfway, beside what the exchange keeps."""
        if len(self.hours) < 3:
            return True
        before, last = self.hours[len(self.hours) // 2], self.hours[-1]
        objects = last.objects - before.objects - OBJECTS_A_RECORD * (last.kept - before.kept)
        return objects <= STRAY_OBJECTS and last.rss_mb - before.rss_mb <= GROWN_MB


def soak(
    hours: int, *, seed: int = 1, rate: float = RATE, told: Callable[[Hour], None] = lambda _: None
) -> Soak:
    """Simulate so many hours without a fault, with `rate` outside orders a second. `told` hears of each as it ends."""
    seen: list[Hour] = []
    types: list[Counter[str]] = []

    def watch(world: World) -> None:
        world.trace.lines = deque(maxlen=LINES)
        world.store.lines = SpilledLines()

        def look() -> None:
            forget(world)
            gc.collect()
            if world.loop.time() >= HOUR_S * (len(seen) + 1):
                seen.append(_hour(world, len(seen) + 1))
                if len(seen) in (1, hours):
                    types.append(_types())
                told(seen[-1])
            world.loop.call_later(COLLECT_S, look)

        world.loop.call_later(COLLECT_S, look)

    outcome = run(Plan(seed=seed, faults=(), seconds=hours * HOUR_S + 1, rate=rate), watch)
    grown = dict((types[-1] - types[0]).most_common(12)) if types else {}
    return Soak(outcome=outcome, hours=tuple(seen), grown=grown)


def _hour(world: World, number: int) -> Hour:
    account = world.exchange.account(KEY)
    kept = len(account.orders) + len(account.executions) + len(account.ledger)
    return Hour(
        hour=number, rss_mb=round(_rss_mb(), 1), objects=len(gc.get_objects()), kept=kept,
        lines=len(world.store.lines), steps=world.loop.steps[1], orders=world.invariants.accepted_orders,
    )  # fmt: skip


def _types() -> Counter[str]:
    return Counter(type(one).__name__ for one in gc.get_objects())


def _rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
