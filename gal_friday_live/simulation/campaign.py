"""Many worlds, one after another or on several processors, and what they came to."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from typing import Any

from gal_friday_live.simulation.world import Outcome, Plan, run

CHUNK = 4
"""Worlds that a process takes at once."""

Told = Callable[[Outcome], None]


@dataclass(kw_only=True)
class Campaign:
    """The sum of what was simulated. `failed` keeps the outcomes that broke a promise."""

    worlds: int = 0
    virtual_s: float = 0.0
    took_s: float = 0.0
    steps: int = 0
    orders: int = 0
    fills: int = 0
    lives: int = 0
    failed: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        self.worlds += 1
        self.virtual_s += outcome.seconds
        self.steps += outcome.steps
        self.orders += outcome.orders
        self.fills += outcome.fills
        self.lives += outcome.lives
        if not outcome.ok:
            self.failed.append(outcome)

    def figures(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "worlds": self.worlds,
            "violations": sum(len(outcome.violations) for outcome in self.failed),
            "failed_seeds": [outcome.seed for outcome in self.failed],
            "virtual_hours": round(self.virtual_s / 3600, 2),
            "worlds_per_second": round(self.worlds / self.took_s, 2) if self.took_s else 0.0,
            "seconds": round(self.took_s, 1),
            "engine_steps": self.steps,
            "engines_started": self.lives,
            "orders": self.orders,
            "fills": self.fills,
        }


def simulate(seeds: Sequence[int], *, jobs: int = 1, told: Told = lambda _: None) -> Campaign:
    """Run a world for each seed. `told` hears of each as it ends."""
    return run_all([Plan(seed=seed) for seed in seeds], jobs=jobs, told=told)


def crash_points(plan: Plan, every: int = 1) -> list[Plan]:
    """That world again and again, with its first engine killed after each of its steps, or every so many."""
    return [replace(plan, crash_at=step) for step in range(1, run(plan).first_life + 1, every)]


def run_all(plans: Sequence[Plan], *, jobs: int = 1, told: Told = lambda _: None) -> Campaign:
    """Run each of them. `told` hears of each as it ends."""
    campaign = Campaign()
    began = time.monotonic()
    for outcome in _outcomes(plans, jobs):
        campaign.add(outcome)
        campaign.took_s = time.monotonic() - began
        told(outcome)
    return campaign


def processors() -> int:
    """How many this process may use."""
    with suppress(AttributeError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _outcomes(plans: Sequence[Plan], jobs: int) -> Iterator[Outcome]:
    if jobs <= 1 or len(plans) <= CHUNK:
        yield from map(_one, plans)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_one, plans, chunksize=CHUNK)


def _one(plan: Plan) -> Outcome:
    """A world, without its trace where nothing broke: most worlds are only counted."""
    outcome = run(plan)
    return outcome if not outcome.ok else outcome.brief()


def seeds_from(first: int, count: int) -> Iterable[int]:
    """`count` seeds, one after the other."""
    return range(first, first + count)
