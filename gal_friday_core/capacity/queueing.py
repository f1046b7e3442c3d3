"""What waits in front of a busy worker. Entry points: `mean_wait_s` in closed form, `simulate` event by event.

A station is one worker that claims up to `batch` waiting pieces at once, urgent ones first, and works on them as one:
`setup` for the claim and its commit, `each` for every piece. An idle worker first has to hear of its work (`wake`). Times
are drawn from samples that were measured, so no distribution is assumed.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from math import fsum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.errors import ConfigError

Seconds = NDArray[np.float64]
NOTHING: Final = np.zeros(1)
_DRAWN = 4_096


def mean_wait_s(rate: float, service: Seconds) -> float:
    """Mean wait in front of one worker that takes one piece at a time: Poisson arrivals of `rate` a second, any
    service time (Pollaczek 1930, Khinchine 1932). Infinite where more comes than can be done.

    >>> round(mean_wait_s(50.0, np.array([0.01])), 6)
    0.005
    """
    load = rate * float(service.mean())
    return float("inf") if load >= 1 else rate * float(np.square(service).mean()) / (2 * (1 - load))


def poisson(rate: float, pieces: int, rng: np.random.Generator) -> Seconds:
    """Moments at which independent pieces come, (pieces,)."""
    return np.cumsum(rng.exponential(1 / rate, pieces))


@dataclass(frozen=True, eq=False, slots=True)
class Station:
    """`setup`, `each` and `wake`: samples in seconds. What is done is sent on `to` other stations, each with its share
    of pieces in [0, 1].
    """

    setup: Seconds
    each: Seconds = field(default_factory=NOTHING.copy)
    wake: Seconds = field(default_factory=NOTHING.copy)
    batch: int = 1
    to: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, slots=True)
class Passed:
    """Pieces of one station in the order done: which one, when it came, and when it was done."""

    piece: NDArray[np.int64]
    came: Seconds
    done: Seconds

    @property
    def spent(self) -> Seconds:
        """Seconds from coming to done."""
        return self.done - self.came

    def rate(self) -> float:
        """Pieces done a second, from the first that came to the last that was done."""
        return len(self.done) / float(self.done.max() - self.came.min())


class _Moment(NamedTuple):
    """Heap order: by time, then in the order noted."""

    at: float
    number: int
    station: str
    pieces: tuple[int, ...]
    done: bool


class _Waiting(NamedTuple):
    """Claimed in this order: urgent ones first, then first come, first served."""

    later: bool
    came: float
    piece: int


class _Draws:
    """Samples drawn again and again, many at once because one at a time is slow."""

    def __init__(self, samples: Seconds, rng: np.random.Generator) -> None:
        self._samples, self._rng = samples, rng
        self._drawn: list[float] = []

    def one(self) -> float:
        if not self._drawn:
            self._drawn = self._rng.choice(self._samples, _DRAWN).tolist()
        return self._drawn.pop()


class _Worker:
    """One station while it is simulated."""

    def __init__(self, station: Station, rng: np.random.Generator) -> None:
        self.station = station
        self.waiting: list[_Waiting] = []
        self.claimed: dict[int, float] = {}
        self.passed: list[tuple[int, float, float]] = []
        self._setup, self._each, self._wake = (
            _Draws(samples, rng) for samples in (station.setup, station.each, station.wake)
        )

    def claim(self, now: float, *, idle: bool) -> float | None:
        """When the next batch will be done; None where nothing waits."""
        taken = [heapq.heappop(self.waiting) for _ in range(min(self.station.batch, len(self.waiting)))]
        self.claimed = {one.piece: one.came for one in taken}
        if not taken:
            return None
        heard = now + self._wake.one() if idle else now
        return heard + self._setup.one() + fsum(self._each.one() for _ in taken)


def simulate(
    stations: Mapping[str, Station],
    arrivals: Seconds,
    *,
    seed: int,
    first: str | None = None,
    urgent: Sequence[int] = (),
) -> dict[str, Passed]:
    """Every piece on its way from the station `first` (the first named) until nothing waits anywhere.

    `arrivals` (pieces,) in seconds, ascending; pieces whose index is in `urgent` are claimed before others. Same
    arguments, same result. Raises ConfigError where a piece is sent to a station that does not exist.
    """
    unknown = {name for station in stations.values() for name in station.to} - set(stations)
    if unknown:
        raise ConfigError(
            f"stations send to {sorted(unknown)}, which do not exist: there are {sorted(stations)}"
        )
    rng = np.random.default_rng(seed)
    workers = {name: _Worker(station, rng) for name, station in stations.items()}
    run = _Run(workers, frozenset(urgent), rng)
    start = first or next(iter(stations))
    for piece, at in enumerate(arrivals.tolist()):
        run.note(at, start, (piece,), done=False)
    run.play()
    return {name: _columns(worker.passed) for name, worker in workers.items()}


class _Run:
    """The list of what happens next."""

    def __init__(self, workers: dict[str, _Worker], urgent: frozenset[int], rng: np.random.Generator) -> None:
        self._workers, self._urgent, self._rng = workers, urgent, rng
        self._moments: list[_Moment] = []
        self._numbers = count()

    def note(self, at: float, station: str, pieces: tuple[int, ...], *, done: bool) -> None:
        heapq.heappush(self._moments, _Moment(at, next(self._numbers), station, pieces, done))

    def play(self) -> None:
        while self._moments:
            moment = heapq.heappop(self._moments)
            if moment.done:
                self._finish(moment)
            else:
                self._arrive(moment)

    def _arrive(self, moment: _Moment) -> None:
        worker = self._workers[moment.station]
        for piece in moment.pieces:
            heapq.heappush(worker.waiting, _Waiting(piece not in self._urgent, moment.at, piece))
        if not worker.claimed:
            self._claim(moment.station, moment.at, idle=True)

    def _finish(self, moment: _Moment) -> None:
        worker = self._workers[moment.station]
        worker.passed += [(piece, worker.claimed[piece], moment.at) for piece in moment.pieces]
        for name, share in worker.station.to.items():
            sent = moment.pieces
            if share < 1:
                sent = tuple(piece for piece in moment.pieces if self._rng.random() < share)
            if sent:  # a batch commits, and is heard of, as one
                self.note(moment.at, name, sent, done=False)
        self._claim(moment.station, moment.at, idle=False)

    def _claim(self, name: str, now: float, *, idle: bool) -> None:
        worker = self._workers[name]
        done_at = worker.claim(now, idle=idle)
        if done_at is not None:
            self.note(done_at, name, tuple(worker.claimed), done=True)


def whole_way_s(passed: Mapping[str, Passed], first: str, last: str) -> Seconds:
    """Seconds from coming to the station `first` until done at `last`, of each piece that got there, in its order."""
    came = dict(zip(passed[first].piece.tolist(), passed[first].came.tolist(), strict=True))
    began = np.array([came[piece] for piece in passed[last].piece.tolist()], np.float64)
    return np.subtract(passed[last].done, began)


def _columns(passed: list[tuple[int, float, float]]) -> Passed:
    piece, came, done = zip(*passed, strict=True) if passed else ((), (), ())
    return Passed(np.array(piece, np.int64), np.array(came, np.float64), np.array(done, np.float64))
