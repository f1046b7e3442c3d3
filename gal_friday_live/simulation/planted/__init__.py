"""The test of the tests: bugs that others have shipped, and our own, each of which the simulation must see."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from gal_friday_live.simulation.planted import booking, limiting, protecting, sending, telling, trusting
from gal_friday_live.simulation.planted.bug import Caught, PlantedBug, hunt

BUGS: tuple[PlantedBug, ...] = (
    *sending.BUGS, *booking.BUGS, *protecting.BUGS, *limiting.BUGS, *trusting.BUGS, *telling.BUGS,
)  # fmt: skip
"""All of them, by what they get wrong."""


def hunt_all(bugs: Sequence[PlantedBug], first: int = 0, *, jobs: int = 1) -> Iterator[Caught]:
    """Each of `BUGS` that is asked for in turn, on as many processors."""
    if jobs <= 1 or len(bugs) == 1:
        yield from (hunt(bug, first) for bug in bugs)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_hunt, [BUGS.index(bug) for bug in bugs], [first] * len(bugs))


def _hunt(number: int, first: int) -> Caught:
    """By its number: what a bug does cannot be sent to another process."""
    return hunt(BUGS[number], first)


__all__ = ["BUGS", "Caught", "PlantedBug", "hunt", "hunt_all"]
