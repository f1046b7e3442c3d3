"""Boosted trees grown by the workers of a dask cluster together, for what one machine's memory or patience does not hold.

The library is XGBoost either way, the trees are not the same: bins and sums come together from all workers, so they depend
on how many there were. It is a learner with a name of its own, and a model says how many made it.
"""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import xgboost
from numpy.typing import NDArray

from gal_friday_adapters.worker_pool import PACKAGE, cluster
from gal_friday_core.config import TrainingConfig
from gal_friday_core.errors import ConfigError, StorageError
from gal_friday_core.learners.base import Lesson
from gal_friday_core.learners.boosted_trees import FittedTrees, parameters

if TYPE_CHECKING:
    from distributed import Client

NAME: Final = "xgboost-dask"
LOOK_S: Final = 1.0
"""Between two looks whether all workers are there."""
SILENCE_S = 120
"""Workers that wait so long for one that died give it up, and are free again for the next fit."""


@dataclass(frozen=True, slots=True)
class DaskTrees:
    """The port `Learner` over `training.scheduler`."""

    settings: TrainingConfig

    @property
    def name(self) -> str:
        return NAME

    @property
    def libraries(self) -> dict[str, str]:
        """Versions, how many workers there are, and the threads of each: the trees depend on it."""
        import distributed

        with self._cluster() as client:
            threads, own = client.nthreads(), _addresses(client)
        return {
            "xgboost": xgboost.__version__,
            "distributed": distributed.__version__,
            "workers": str(len(own)),
            "threads_of_workers": ", ".join(str(threads[address]) for address in own),
        }

    def fit(self, lesson: Lesson, *, later: Lesson | None = None, rounds: int | None = None) -> FittedTrees:
        """`Learner.fit`. Raises StorageError where the cluster does not answer, or a worker dies on the way."""
        patience = self.settings.early_stopping_rounds
        stops = later is not None and bool(patience)
        with self._cluster() as client, _watched(client, self.settings.scheduler):
            dask = Cluster(client, self.settings.bins)
            matrix = dask.matrix(lesson)
            evals = [(dask.matrix(later, matrix), "later")] if later is not None and stops else []
            found = dask.train(
                _words(self.settings, stops=stops), matrix, rounds or self.settings.trees,
                evals=evals, early_stopping_rounds=patience if stops else None,
            )  # fmt: skip
        booster: xgboost.Booster = found["booster"]
        return FittedTrees(booster[: booster.best_iteration + 1] if stops else booster)

    @contextmanager
    def _cluster(self) -> "Iterator[Client]":
        if self.settings.scheduler is None:
            raise ConfigError(f"training.learner {NAME} needs training.scheduler: tls://HOST:PORT of one")
        with cluster(self.settings.scheduler, self.settings.scheduler_tls or None) as client:
            yield client


class Cluster:
    """One client's workers, each given an equal share of every lesson: the first gets the oldest rows."""

    def __init__(self, client: "Client", bins: int) -> None:
        try:
            import dask.array
            from xgboost import dask as grown
        except ImportError as error:
            raise ConfigError(PACKAGE) from error
        self.client, self._bins = client, bins
        self._array: Any = dask.array
        self._grown: Any = grown
        self._addresses = _addresses(client)

    def matrix(self, lesson: Lesson, bins_of: Any = None) -> Any:
        """A lesson on the workers."""
        weight = None if (lesson.weight == 1).all() else self._spread(lesson.weight)
        return self._grown.DaskQuantileDMatrix(
            self.client, self._spread(lesson.features.astype(np.float32)), self._spread(lesson.label),
            weight=weight, max_bin=self._bins, ref=bins_of,
        )  # fmt: skip

    def train(self, words: dict[str, object], matrix: Any, rounds: int, **options: Any) -> dict[str, Any]:
        patient = xgboost.collective.Config(timeout=SILENCE_S, retry=1)
        found: dict[str, Any] = self._grown.train(
            self.client,
            words,
            matrix,
            num_boost_round=rounds,
            verbose_eval=False,
            coll_cfg=patient,
            **options,
        )
        return found

    def _spread(self, values: NDArray[Any]) -> Any:
        parts = [part for part in np.array_split(values, len(self._addresses)) if len(part)]
        held = [
            self.client.scatter(part, workers=[address], hash=False)
            for part, address in zip(parts, self._addresses, strict=False)
        ]
        arrays = [
            self._array.from_delayed(one, shape=part.shape, dtype=part.dtype)
            for one, part in zip(held, parts, strict=True)
        ]
        return self._array.concatenate(arrays)


def _words(settings: TrainingConfig, *, stops: bool) -> dict[str, object]:
    """Threads are each worker's own business."""
    words = {key: value for key, value in parameters(settings).items() if key != "nthread"}
    return words | {"eval_metric": "logloss"} if stops else words


def _addresses(client: "Client") -> Sequence[str]:
    """In the order in which XGBoost adds up what they found, which is that of the names under which it starts them.

    Shares that went by another order, such as that of ports, would give other trees after each start of a cluster.
    """
    found = client.scheduler_info(n_workers=-1)["workers"]
    return sorted(found, key=lambda address: f"[xgboost.dask-{found[address]['name']}]:{address}")


@contextmanager
def _watched(client: "Client", scheduler: str | None) -> Iterator[None]:
    """End every wait of the block where a worker that was there goes away: dask would wait for its data for ever.

    Raises StorageError then, in one line.
    """
    from distributed import KilledWorker

    own, done = set(_addresses(client)), threading.Event()

    def watch() -> None:
        while not done.wait(LOOK_S):
            if own - set(_addresses(client)):
                client.close(timeout=LOOK_S)
                return

    watching = threading.Thread(target=watch, name="watch of workers", daemon=True)
    watching.start()
    try:
        yield
    except (KilledWorker, CancelledError, xgboost.core.XGBoostError, OSError) as error:
        raise StorageError(
            f"the workers of {scheduler} did not finish the fit ({_said(error)}); look whether one of them died, and "
            "train again"
        ) from error
    finally:
        done.set()
        watching.join()


def _said(error: BaseException) -> str:
    """The last thing that it says before its stack."""
    lines = [line.strip(" -") for line in str(error).partition("Stack trace")[0].splitlines()]
    return next((line for line in reversed(lines) if line), "it went away")
