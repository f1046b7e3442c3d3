"""A bug as somebody shipped it once, put into an engine before it starts: the simulation must notice."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from gal_friday_live.simulation.faults import BAR_S, FIRST_CLOSE_S, Fault
from gal_friday_live.simulation.world import Outcome, Plan, run

BUDGET = 40
"""Seeds within which a bug must be seen, unless it says otherwise."""
CLOSES = tuple(FIRST_CLOSE_S + BAR_S * bar for bar in range(3))

Weather = Callable[[random.Random], Iterable[Fault]]


@dataclass(frozen=True, kw_only=True)
class PlantedBug:
    """`about` says in one line what it does and where such a bug was seen, `promise` what it breaks.

    `weather` draws the faults of a seed's world, in which that kind of bug shows; without one they are the seed's own.
    `settings` replace configuration of the world, bug or not. With `desk` the bug is put into each role of a split engine.
    """

    name: str
    about: str
    promise: str
    plant: Callable[[Any], None]
    weather: Weather | None = None
    settings: tuple[tuple[str, Any], ...] = ()
    seconds: float = 200.0
    budget: int = BUDGET
    desk: bool = False

    def plan(self, seed: int, *, planted: bool = True) -> Plan:
        """The world of a seed, with the bug or without."""
        faults: tuple[Fault, ...] | None = None
        if self.weather is not None:
            chance = random.Random(f"{self.name} {seed}")  # noqa: S311 - a world is drawn from its seed
            faults = tuple(sorted(self.weather(chance), key=lambda fault: fault.at_s))
        return Plan(
            seed=seed, faults=faults, seconds=self.seconds, settings=self.settings,
            tamper=self.plant if planted else None, desk=self.desk,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Caught:
    """What became of a bug: whether its promise was seen to break, after how many seeds, and in whose world.

    `clean` says whether the same world without the bug keeps every promise: else the world was to blame.
    """

    name: str
    about: str
    promise: str
    caught: bool
    seeds: int
    seed: int | None = None
    clean: bool = True
    violation: str = ""


def hunt(bug: PlantedBug, first: int = 0) -> Caught:
    """Try one seed after another until the bug is seen, or its budget is spent."""
    for number in range(bug.budget):
        seed = first + number
        seen = [one for one in run(bug.plan(seed)).violations if one.promise == bug.promise]
        if seen:
            return Caught(
                name=bug.name, about=bug.about, promise=bug.promise, caught=True, seeds=number + 1, seed=seed,
                clean=_without(bug, seed).ok, violation=str(seen[0]),
            )  # fmt: skip
    return Caught(name=bug.name, about=bug.about, promise=bug.promise, caught=False, seeds=bug.budget)


def _without(bug: PlantedBug, seed: int) -> Outcome:
    return run(bug.plan(seed, planted=False))


# Weather


def calm(_: random.Random) -> Iterable[Fault]:
    """Nothing goes wrong."""
    return ()


def at(*faults: Fault) -> Weather:
    """These, whatever the seed."""
    return lambda _: faults


def at_closes(
    kind: str, what: str, after: tuple[float, float], lasts_s: float = 0.0, strength: float = 1.0
) -> Weather:
    """The same at each bar's close, so many seconds after it, when orders are on their way."""

    def draw(chance: random.Random) -> Iterable[Fault]:
        return [Fault(close + chance.uniform(*after), kind, what, lasts_s, strength) for close in CLOSES]

    return draw


def together(*weathers: Weather) -> Weather:
    """All of them."""
    return lambda chance: [fault for weather in weathers for fault in weather(chance)]
