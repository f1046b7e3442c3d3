"""A process beside the engine for models that are slower than the way there (001 §2.3).

The worker is spawned, never forked; it keeps each model that it was once sent, and ends with its parent. A
pool that broke is replaced by a new one at the next request.
"""

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor
from multiprocessing.connection import wait
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.predictor import Predictor

ROUND_TRIPS = 25
"""Measured to know what the way there and back costs."""

T = TypeVar("T")
_models: dict[str, Predictor] = {}


class InferencePool:
    """Predicts elsewhere. `make` gives an executor; `executor`, where given, is used until it breaks.

    `rebuilt` counts the pools that had to be replaced.
    """

    def __init__(
        self, executor: Executor | None = None, *, make: Callable[[], Executor] | None = None
    ) -> None:
        self._executor = executor
        self._make = make or spawned
        self.rebuilt = 0

    async def predict(self, predictor: Predictor, values: NDArray[np.float64]) -> float:
        """The model's probability of one row. Raises BrokenExecutor where two pools in a row broke on it."""
        found = await self._ask(_predict, predictor.model_id, values)
        return await self._ask(_learn_and_predict, predictor, values) if found is None else found

    async def round_trip_ns(self, values: NDArray[np.float64], timer: Callable[[], int]) -> int:
        """Median time there and back for a row on which nothing is computed."""
        await self._ask(_echo, values)  # starts the process
        taken = []
        for _ in range(ROUND_TRIPS):
            started = timer()
            await self._ask(_echo, values)
            taken.append(timer() - started)
        return sorted(taken)[ROUND_TRIPS // 2]

    def close(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = None

    async def _ask(self, work: Callable[..., T], *arguments: Any) -> T:
        try:
            return await self._submit(work, *arguments)
        except BrokenExecutor:
            self.rebuilt += 1
            self.close()
            return await self._submit(work, *arguments)

    async def _submit(self, work: Callable[..., T], *arguments: Any) -> T:
        if self._executor is None:
            self._executor = self._make()
        return await asyncio.wrap_future(self._executor.submit(work, *arguments))


def spawned() -> ProcessPoolExecutor:
    """One worker in a fresh interpreter: rows of one model are predicted one after another anyway."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(max_workers=1, mp_context=context, initializer=_prepare)


def _prepare() -> None:
    """In the worker: leave Ctrl-C to the engine, and do not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _echo(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values


def _predict(model_id: str, values: NDArray[np.float64]) -> float | None:
    """None where this worker does not know the model yet."""
    predictor = _models.get(model_id)
    return None if predictor is None else predictor.predict_row(values)


def _learn_and_predict(predictor: Predictor, values: NDArray[np.float64]) -> float:
    _models[predictor.model_id] = predictor
    return predictor.predict_row(values)
