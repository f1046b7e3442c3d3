"""What a look for drift says: one finding a type and look, also where nothing was found or nothing could be judged.

A finding is the payload of the event DRIFT_DETECTION itself. `threshold_exceeded` is what policies act on;
`metrics["reason"]` says in words what was seen, and `metrics["judged"]` is false where the data could not say.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

from gal_friday_core.payloads import DriftDetection

Finding = DriftDetection
"""The one struct of a finding; made by `found` and `undecided` alone, so that the rules below hold for all."""

DriftType = Literal["DATA_DRIFT", "PREDICTION_DRIFT", "CONCEPT_DRIFT", "PERFORMANCE_DRIFT"]
Severity = Literal["LOW", "MEDIUM", "HIGH", "CRITICAL"]
Recommendation = Literal["RETRAIN_IMMEDIATELY", "SCHEDULE_RETRAINING", "MONITOR"]

DRIFT_TYPES: tuple[DriftType, ...] = get_args(DriftType)
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""From harmless to worst. LOW is never an alarm, everything above is."""

_BY_LABELS: tuple[Recommendation, ...] = (
    "MONITOR", "SCHEDULE_RETRAINING", "RETRAIN_IMMEDIATELY", "RETRAIN_IMMEDIATELY",
)  # fmt: skip
_WITHOUT_LABELS: tuple[Recommendation, ...] = (
    "MONITOR", "MONITOR", "SCHEDULE_RETRAINING", "RETRAIN_IMMEDIATELY",
)  # fmt: skip


def found(
    model_id: str,
    drift_type: DriftType,
    severity: Severity,
    *,
    confidence: float,
    reason: str,
    metrics: Mapping[str, Any],
    repair: bool = False,
) -> Finding:
    """A verdict. `confidence` in [0, 1] that there is drift at all; `repair`: the input is broken, not the model.

    >>> found("m@v1", "CONCEPT_DRIFT", "HIGH", confidence=0.999, reason="", metrics={}).recommendation
    'RETRAIN_IMMEDIATELY'
    """
    return Finding(
        model_id=model_id,
        drift_type=drift_type,
        severity=severity,
        confidence=min(1.0, max(0.0, confidence)),
        metrics={"judged": True, "reason": reason, **metrics},
        recommendation=recommendation(drift_type, severity, repair=repair),
        threshold_exceeded=severity != "LOW",
    )


def undecided(model_id: str, drift_type: DriftType, reason: str, metrics: Mapping[str, Any]) -> Finding:
    """The data could not say; `reason` tells what is missing. Never an alarm, and never an all-clear."""
    return Finding(
        model_id=model_id,
        drift_type=drift_type,
        severity="LOW",
        confidence=0.0,
        metrics={"judged": False, "reason": reason, **metrics},
        recommendation="MONITOR",
        threshold_exceeded=False,
    )


def recommendation(drift_type: DriftType, severity: Severity, *, repair: bool = False) -> Recommendation:
    """What to do about it.

    Drift that labels have shown costs money now: it is answered a step earlier than drift of inputs or scores,
    which a model may stand. A broken input is repaired; a model trained on it would only learn the fault.
    """
    if repair:
        return "MONITOR"
    by_labels = drift_type in {"CONCEPT_DRIFT", "PERFORMANCE_DRIFT"}
    return (_BY_LABELS if by_labels else _WITHOUT_LABELS)[SEVERITIES.index(severity)]


def worst(findings: Iterable[Finding]) -> Finding | None:
    """The most severe of those that exceed their threshold; None where none does. The first of equals."""
    alarms = [finding for finding in findings if finding.threshold_exceeded]
    return max(alarms, key=lambda one: SEVERITIES.index(one.severity)) if alarms else None
