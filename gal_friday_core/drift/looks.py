"""One look at one model: everything that is needed, and the four findings that come of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.drift.concept import ConceptDrift, concept_drift, concept_finding
from gal_friday_core.drift.data import FeatureDrift, Reference, Shape, data_drift, data_finding, shape
from gal_friday_core.drift.delay import Scored, known, without_overlap
from gal_friday_core.drift.finding import DRIFT_TYPES, Finding, undecided
from gal_friday_core.drift.performance import (
    ControlCharts,
    PerformanceDrift,
    Promise,
    control_charts,
    performance_drift,
    performance_finding,
)
from gal_friday_core.drift.prediction import (
    PredictionDrift,
    ScoreReference,
    estimate,
    prediction_drift,
    prediction_finding,
)
from gal_friday_core.drift.settings import DriftConfig
from gal_friday_core.errors import DataError
from gal_friday_core.predictor import Predictor

MOST_SHAPES = 12
"""Features whose distributions are kept to be drawn."""
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


@dataclass(frozen=True, eq=False, slots=True)
class Look:
    """All that was seen. `findings` in the order of `DRIFT_TYPES`; `shapes` of the features that drifted or moved most.

    `concept`, `performance` and `charts` are None where the labels could not be read, and charts where no trade ended.
    """

    model_id: str
    at_ns: int
    findings: tuple[Finding, ...]
    features: tuple[FeatureDrift, ...] = ()
    shapes: tuple[Shape, ...] = ()
    scores: PredictionDrift | None = None
    concept: ConceptDrift | None = None
    performance: PerformanceDrift | None = None
    charts: ControlCharts | None = None

    @classmethod
    def nothing(cls, model_id: str, at_ns: int, reason: str) -> "Look":
        """There is nothing to compare with: undecided in every way."""
        findings = tuple(undecided(model_id, drift_type, reason, {}) for drift_type in DRIFT_TYPES)
        return cls(model_id, at_ns, findings)


def look(watched: Watched, now_ns: int, config: DriftConfig) -> Look:
    """One look. What the data cannot say is undecided, with the reason, and keeps nothing else from being judged."""
    model_id, promise = watched.model_id, watched.promise
    features = data_drift(watched.reference, watched.features, config)
    said = watched.probability[np.isfinite(watched.probability)]
    estimated = estimate(said, promise.threshold, promise.mean_win, promise.mean_loss)
    scores = prediction_drift(watched.scores, watched.probability, config)
    concept, concept_found = _concept(watched, now_ns, config)
    performance, performance_found = _performance(watched, now_ns, config)
    findings = (
        data_finding(model_id, features, config, watched.importance),
        prediction_finding(model_id, scores, estimated, config),
        concept_found,
        performance_found,
    )
    charts = None
    if performance is not None and performance.returns.count:
        traded = without_overlap(known(watched.scored, now_ns), promise.threshold)
        charts = control_charts(traded, promise, config)
    return Look(
        model_id, now_ns, findings, features, _shapes(watched, features), scores, concept, performance, charts
    )


def _shapes(watched: Watched, features: Sequence[FeatureDrift]) -> tuple[Shape, ...]:
    order = sorted(features, key=lambda one: (not one.told, -(one.shift or 0.0)))
    drawn = (shape(watched.reference, watched.features, one.name) for one in order[:MOST_SHAPES])
    return tuple(one for one in drawn if one is not None)


def _concept(watched: Watched, now_ns: int, config: DriftConfig) -> tuple[ConceptDrift | None, Finding]:
    try:
        drift = concept_drift(watched.scored, watched.promise.threshold, now_ns, watched.history)
    except DataError as error:
        return None, undecided(watched.model_id, "CONCEPT_DRIFT", str(error), {})
    return drift, concept_finding(watched.model_id, drift, config)


def _performance(
    watched: Watched, now_ns: int, config: DriftConfig
) -> tuple[PerformanceDrift | None, Finding]:
    try:
        drift = performance_drift(watched.scored, watched.promise, now_ns, config)
    except DataError as error:
        return None, undecided(watched.model_id, "PERFORMANCE_DRIFT", str(error), {})
    return drift, performance_finding(watched.model_id, drift, config)
