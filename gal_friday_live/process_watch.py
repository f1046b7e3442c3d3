"""What a process does to itself: pauses of the garbage collector, an event loop that is late, memory, open files."""

import asyncio
import gc
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

import psutil

from gal_friday_core.times import SECOND_NS
from gal_friday_core.tuning import growth_per_hour
from gal_friday_live.bus_metrics import percentiles
from gal_friday_live.probes import MEGABYTE

GENERATIONS: Final = 3
LAG_EVERY_S: Final = 0.05
MEMORY_EVERY_S: Final = 60.0
MEMORY_KEPT: Final = 360
MEMORY_LEAST_S: Final = 600.0
MEMORY_POINTS: Final = 60
"""Of these the trend is taken: all pairs are looked at."""
LAGS_KEPT: Final = 1_200
"""A minute of them."""


class GcWatch:
    """Counts and times the garbage collector while it is entered. Its cost is two clock reads a collection."""

    def __init__(self, timer: Callable[[], int] = time.perf_counter_ns) -> None:
        self._timer = timer
        self._began: int | None = None
        self.collections = [0] * GENERATIONS
        self.paused_ns = [0] * GENERATIONS
        self.longest_ns = [0] * GENERATIONS
        self.frozen = 0
        """Objects that the collector left alone when they were counted last."""
        self._since: int | None = None
        self._before_ns = 0

    @property
    def watched_s(self) -> float:
        """For how long it was entered, all times together."""
        now_ns = 0 if self._since is None else self._timer() - self._since
        return (self._before_ns + now_ns) / SECOND_NS

    def __enter__(self) -> Self:
        self.count_frozen()
        self._since = self._timer()
        gc.callbacks.append(self._heard)
        return self

    def count_frozen(self) -> int:
        """Goes through all of them, which takes an engine tens of milliseconds: for when it starts, or froze anew."""
        self.frozen = gc.get_freeze_count()
        return self.frozen

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        gc.callbacks.remove(self._heard)
        if self._since is not None:
            self._before_ns += self._timer() - self._since
            self._since = None

    def _heard(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began = self._timer()
        elif self._began is not None:
            took, generation = self._timer() - self._began, info["generation"]
            self._began = None
            self.collections[generation] += 1
            self.paused_ns[generation] += took
            self.longest_ns[generation] = max(self.longest_ns[generation], took)


class LoopWatch:
    """How late the running event loop calls what is due, over the last minute. `run` measures until cancelled."""

    def __init__(
        self,
        timer: Callable[[], int] = time.monotonic_ns,
        *,
        every_s: float = LAG_EVERY_S,
        keep: int = LAGS_KEPT,
    ) -> None:
        self._timer = timer
        self._every_s = every_s
        self._lags: deque[int] = deque(maxlen=keep)

    async def run(self) -> None:
        every_ns = int(self._every_s * SECOND_NS)
        while True:
            due = self._timer() + every_ns
            await asyncio.sleep(self._every_s)
            self._lags.append(max(self._timer() - due, 0))

    def readings(self) -> dict[str, float]:
        """Empty where nothing was measured yet."""
        lags = self._lags
        if not lags:
            return {}
        p50, p99 = percentiles(lags)
        return {
            "lag_p50_seconds": p50 / SECOND_NS,
            "lag_p99_seconds": p99 / SECOND_NS,
            "lag_max_seconds": max(lags) / SECOND_NS,
        }


class MemoryTrend:
    """Memory of this process, a sample a minute for up to six hours. `run` takes them until it is cancelled."""

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self._process = psutil.Process()
        self._samples: deque[tuple[float, float]] = deque(maxlen=MEMORY_KEPT)

    async def run(self) -> None:
        while True:
            self.sample()
            await asyncio.sleep(MEMORY_EVERY_S)

    def sample(self) -> None:
        self._samples.append((self._timer(), self.now_mb()))

    def now_mb(self) -> float:
        return float(self._process.memory_info().rss) / MEGABYTE

    def told(self) -> dict[str, Any]:
        """In MB; the growth is None until there are samples of ten minutes."""
        samples = [*self._samples, (self._timer(), self.now_mb())]
        every = max(len(samples) // MEMORY_POINTS, 1)
        over_s = samples[-1][0] - samples[0][0]
        growth = growth_per_hour(samples[::every]) if over_s >= MEMORY_LEAST_S else None
        return {"resident_mb": samples[-1][1], "growth_mb_per_hour": growth, "over_s": over_s}


class ProcessWatch:
    """The process as a whole: its collector, its memory, processor time, threads and files."""

    def __init__(self, collector: GcWatch) -> None:
        self._collector = collector
        self._process = psutil.Process()

    def gc_readings(self) -> dict[str, Any]:
        watch = self._collector
        return {
            "collections_total": _by_generation(watch.collections, 1),
            "pause_seconds_total": _by_generation(watch.paused_ns, SECOND_NS),
            "pause_max_seconds": _by_generation(watch.longest_ns, SECOND_NS),
            "frozen_objects": float(watch.frozen),
        }

    def readings(self) -> dict[str, float]:
        with self._process.oneshot():
            spent = self._process.cpu_times()
            return {
                "resident_bytes": float(self._process.memory_info().rss),
                "cpu_seconds_total": spent.user + spent.system,
                "threads": float(self._process.num_threads()),
                "open_files": float(self._process.num_fds()),
            }


def _by_generation(values: list[int], unit: int) -> dict[str, float]:
    return {str(generation): value / unit for generation, value in enumerate(values)}
