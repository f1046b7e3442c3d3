"""Where a model runs: inline, or in the pool where it is slower than the way there; measured when it is loaded."""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.predictor import Predictor
from gal_friday_live.bus_metrics import percentiles
from gal_friday_live.inference_pool import InferencePool
from gal_friday_live.tasks import TaskSupervisor

TRIALS = 25
CLEARLY_INLINE_NS = 50_000
"""No way to another process and back was ever seen to take less: a quicker model needs no comparison."""
SAMPLES = 512
MEASURE_EVERY = 8
"""One inline prediction in so many is measured."""

log = logging.getLogger(__name__)

Told = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Placement:
    """What was measured when the model was loaded; `hop_ns` is None where it did not need to be."""

    inline_ns: int
    hop_ns: int | None = None

    @property
    def is_inline(self) -> bool:
        return self.hop_ns is None or self.inline_ns <= self.hop_ns

    def __str__(self) -> str:
        where = "inline" if self.is_inline else "in the pool"
        hop = "" if self.hop_ns is None else f", the hop {self.hop_ns / 1_000:.1f} us"
        return f"{where} ({self.inline_ns / 1_000:.1f} us{hop})"


@dataclass(slots=True)
class _Served:
    """One loaded model; `waiting` is the newest request behind the one the pool works on."""

    predictor: Predictor
    placement: Placement
    inline: bool
    durations: deque[int] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    ages: deque[int] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    busy: bool = False
    waiting: tuple[NDArray[np.float64], Told, int] | None = None
    requests: int = 0
    superseded: int = 0


class Inference:
    """Serves loaded models. A request to the pool that is still waiting when the next comes is dropped.

    `skipped` counts requests without an answer by reason: SUPERSEDED, and POOL_BROKEN where two pools in a
    row broke on one.
    """

    def __init__(
        self,
        tasks: TaskSupervisor,
        pool: InferencePool,
        *,
        timer: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self._tasks = tasks
        self._pool = pool
        self._timer = timer
        self._served: dict[str, _Served] = {}
        self.skipped: Counter[str] = Counter()

    async def load(self, predictor: Predictor) -> Placement:
        """Measure, decide, and serve from now on."""
        values = np.zeros(len(predictor.schema))
        inline_ns = self._measure(predictor, values)
        hop_ns = None
        if inline_ns > CLEARLY_INLINE_NS:
            hop_ns = await self._pool.round_trip_ns(values, self._timer)
        placement = Placement(inline_ns, hop_ns)
        log.info("model %s runs %s", predictor.model_id, placement)
        self._served[predictor.model_id] = _Served(predictor, placement, placement.is_inline)
        return placement

    def unload(self, model_id: str) -> None:
        self._served.pop(model_id, None)

    def close(self) -> None:
        self._pool.close()

    def predict(self, predictor: Predictor, values: NDArray[np.float64]) -> float | None:
        """The probability, where the model runs inline; None where it must be asked for by `request`."""
        served = self._served[predictor.model_id]
        if not served.inline:
            return None
        served.requests += 1
        if served.requests % MEASURE_EVERY != 1:
            return predictor.predict_row(values)
        started = self._timer()
        value = predictor.predict_row(values)
        served.durations.append(self._timer() - started)
        return value

    def request(self, predictor: Predictor, values: NDArray[np.float64], told: Told) -> None:
        """Call `told` with the probability from the pool when it is there."""
        served = self._served[predictor.model_id]
        served.requests += 1
        if not served.busy:
            served.busy = True
            work = self._in_pool(served, (values, told, self._timer()))
            self._tasks.start(work, f"inference {predictor.model_id}")
            return
        if served.waiting is not None:
            served.superseded += 1
            self.skipped["SUPERSEDED"] += 1
        served.waiting = (values, told, self._timer())

    def placements(self) -> dict[str, str]:
        """By model, for people."""
        return {model_id: str(served.placement) for model_id, served in self._served.items()}

    def metrics(self) -> dict[str, Any]:
        """By model: where it runs and why, prediction times and waits in ns, dropped requests; JSON-able."""
        return {
            "pool_rebuilt": self._pool.rebuilt,
            "models": {model_id: _figures(served) for model_id, served in self._served.items()},
        }

    async def _in_pool(self, served: _Served, request: tuple[NDArray[np.float64], Told, int]) -> None:
        """This request, and then whichever is the newest that waits."""
        following: tuple[NDArray[np.float64], Told, int] | None = request
        try:
            while following is not None:
                values, told, asked = following
                served.ages.append(self._timer() - asked)
                await self._one(served, values, told)
                following, served.waiting = served.waiting, None
        finally:
            served.busy = False

    async def _one(self, served: _Served, values: NDArray[np.float64], told: Told) -> None:
        started = self._timer()
        try:
            value = await self._pool.predict(served.predictor, values)
        except BrokenExecutor:
            self.skipped["POOL_BROKEN"] += 1
            log.warning("model %s: no prediction, the inference pool broke twice", served.predictor.model_id)
            return
        served.durations.append(self._timer() - started)
        told(value)

    def _measure(self, predictor: Predictor, values: NDArray[np.float64]) -> int:
        """Median time of a prediction here, once everything is compiled."""
        predictor.predict_row(values)
        taken = []
        for _ in range(TRIALS):
            started = self._timer()
            predictor.predict_row(values)
            taken.append(self._timer() - started)
        return sorted(taken)[TRIALS // 2]


def _figures(served: _Served) -> dict[str, Any]:
    p50, p99 = percentiles(served.durations)
    return {
        "placement": "inline" if served.placement.is_inline else "pool",
        "inline_ns": served.placement.inline_ns,
        "hop_ns": served.placement.hop_ns,
        "requests": served.requests,
        "superseded": served.superseded,
        "p50_ns": p50,
        "p99_ns": p99,
        "queue_age_p99_ns": percentiles(served.ages)[1],
    }
