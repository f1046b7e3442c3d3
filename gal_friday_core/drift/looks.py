"""One look at one model: everything that is needed, and the four findings that come of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.drift.concept import concept_drift, concept_finding
from gal_friday_core.drift.data import Reference, data_drift, data_finding
from gal_friday_core.drift.delay import Scored
from gal_friday_core.drift.finding import DriftType, Finding, undecided
from gal_friday_core.drift.performance import Promise, performance_drift, performance_finding
from gal_friday_core.drift.prediction import ScoreReference, estimate, prediction_drift, prediction_finding
from gal_friday_core.drift.settings import DriftConfig
from gal_friday_core.errors import DataError
from gal_friday_core.predictor import Predictor

GAINS = 5
"""Mean wins: a larger gain counts as that, lest one stroke of luck hides a hundred losses."""


@dataclass(frozen=True, eq=False, slots=True)
class Watched:
    """What is known of a model at one moment. Rows in time order.

    `features` (rows, len(reference.names)) of the current window; `probability` (rows,) what the model said in it;
    `history` labelled predictions out of sample before its promotion, `scored` all since then. `importance` is the
    weight of each feature by name, None to weigh all alike.
    """

    model_id: str
    reference: Reference
    features: NDArray[np.float64]
    scores: ScoreReference
    probability: NDArray[np.float64]
    history: Scored
    scored: Scored
    promise: Promise
    importance: Mapping[str, float] | None = None


class DriftRecords(Protocol):
    """Where a look finds what it needs: tables of features, recorded predictions, labels joined to them."""

    async def watched(self, model_id: str, now_ns: int) -> Watched:
        """As of `now_ns`. Raises DataError where there is nothing to compare with yet."""
        ...


def promise_of(predictor: Predictor) -> Promise:
    """What a model's own metadata promises."""
    metadata = predictor.metadata
    return Promise(
        threshold=metadata.entry_threshold, mean_win=metadata.mean_win, mean_loss=metadata.mean_loss,
        widest=GAINS * metadata.mean_win,
    )  # fmt: skip


def look(watched: Watched, now_ns: int, config: DriftConfig) -> tuple[Finding, ...]:
    """The four findings, in the order of `DRIFT_TYPES`. What the data cannot say is undecided, with the reason."""
    model_id = watched.model_id
    features = data_drift(watched.reference, watched.features, config)
    said = watched.probability[np.isfinite(watched.probability)]
    promise = watched.promise
    estimated = estimate(said, promise.threshold, promise.mean_win, promise.mean_loss)
    scores = prediction_drift(watched.scores, watched.probability, config)
    return (
        data_finding(model_id, features, config, watched.importance),
        prediction_finding(model_id, scores, estimated, config),
        _concept(watched, now_ns, config),
        _performance(watched, now_ns, config),
    )


def nothing_to_compare(model_id: str, drift_types: tuple[DriftType, ...], reason: str) -> tuple[Finding, ...]:
    """Undecided for each of the types."""
    return tuple(undecided(model_id, drift_type, reason, {}) for drift_type in drift_types)


def _concept(watched: Watched, now_ns: int, config: DriftConfig) -> Finding:
    try:
        drift = concept_drift(watched.scored, watched.promise.threshold, now_ns, watched.history)
    except DataError as error:
        return undecided(watched.model_id, "CONCEPT_DRIFT", str(error), {})
    return concept_finding(watched.model_id, drift, config)


def _performance(watched: Watched, now_ns: int, config: DriftConfig) -> Finding:
    try:
        drift = performance_drift(watched.scored, watched.promise, now_ns, config)
    except DataError as error:
        return undecided(watched.model_id, "PERFORMANCE_DRIFT", str(error), {})
    return performance_finding(watched.model_id, drift, config)
