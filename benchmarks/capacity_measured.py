"""What was measured, with its unit and how: what every part of `bench_capacity.py` hands back."""

import dataclasses
import statistics
import time


@dataclasses.dataclass(frozen=True)
class Measured:
    """The best of several runs, or the only one, and all of them."""

    value: float
    unit: str
    how: str
    runs: tuple[float, ...] = ()

    def as_dict(self):
        return dataclasses.asdict(self)

    def short(self):
        """Without the runs, where they are hundreds."""
        return dataclasses.replace(self, runs=())


def best(runs, unit, how):
    """CPU time that other work on the machine adds only lengthens it, so the shortest is nearest to the truth."""
    found = tuple(round(one, 4) for one in runs)
    return Measured(min(found), unit, how, found)


def middle(runs, unit, how):
    found = tuple(round(one, 4) for one in runs)
    return Measured(statistics.median(found), unit, how, found)


def once(value, unit, how):
    return Measured(round(float(value), 4), unit, how)


def cpu_s(work):
    """Seconds of this process's CPU that a call takes."""
    began = time.process_time()
    work()
    return time.process_time() - began
