"""CONCEPT drift: has the relation that the model learnt changed? Seen in its errors, once labels are known.

Two detectors read the error bits in the order in which their labels became known: HDDM_A (Frías-Blanco et al.,
IEEE Transactions on Knowledge and Data Engineering 27, 2015) and ADWIN (Bifet and Gavaldà, SIAM Data Mining
2007), both river's. river takes seconds to import and is loaded by the first detector, never with this module:
the engine has no use for it.
"""

from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from gal_friday_core.drift.delay import Scored, known, without_overlap
from gal_friday_core.drift.finding import SEVERITIES, Finding, Severity, found, undecided
from gal_friday_core.drift.settings import DriftConfig

HDDM_CONFIDENCE, ADWIN_CONFIDENCE = 0.001, 0.002
"""Of a false alarm at any one cut, as the detectors' authors set them."""
MUCH = 0.15
"""Errors more in a hundred, as a fraction, from which concept drift that both detectors see is CRITICAL."""


class BinaryDetector(Protocol):
    """A detector of river."""

    drift_detected: bool

    def update(self, x: int) -> Any: ...


class AdaptiveWindow(BinaryDetector, Protocol):
    """The one that keeps a window; `estimation` is its mean."""

    estimation: float


class Errors:
    """Both detectors, fed one error bit after the other."""

    def __init__(self) -> None:
        from river import drift

        known_as: Any = drift  # river's constructors are not typed
        self._hddm: BinaryDetector = known_as.binary.HDDMA(drift_confidence=HDDM_CONFIDENCE)
        self._adwin: AdaptiveWindow = known_as.ADWIN(delta=ADWIN_CONFIDENCE)

    def update(self, *, wrong: bool) -> list[str]:
        """One more prediction whose label is known; the detectors that alarm now. Fewer errors are no alarm."""
        before = self._adwin.estimation
        self._hddm.update(int(wrong))
        self._adwin.update(int(wrong))
        rose = self._adwin.drift_detected and self._adwin.estimation > before
        return ["HDDM_A"] * self._hddm.drift_detected + ["ADWIN"] * rose


class Alarms(msgspec.Struct, frozen=True, kw_only=True):
    """One stream of bits. `hddm_at`, `adwin_at`: labels since the promotion at each detector's first alarm.

    `history` labels came before; rates are of ones before and since the first alarm of either.
    """

    labels: int
    history: int
    hddm_at: int | None
    adwin_at: int | None
    rate_before: float | None
    rate_since: float | None

    @property
    def count(self) -> int:
        return (self.hddm_at is not None) + (self.adwin_at is not None)

    @property
    def severity(self) -> Severity:
        """One detector MEDIUM, both HIGH, both and far more ones CRITICAL."""
        if self.count < 2:
            return "MEDIUM" if self.count else "LOW"
        return "CRITICAL" if (self.rate_since or 0.0) - (self.rate_before or 0.0) >= MUCH else "HIGH"


class ConceptDrift(msgspec.Struct, frozen=True, kw_only=True):
    """Of labels that share no time: whether the likelier outcome did not happen, and whether trades lost.

    Two streams, since one is blind where the other sees: when wins grow rare, a model that seldom says more than one
    half errs less, while its trades lose.
    """

    errors: Alarms
    losses: Alarms


def error_bits(scored: Scored) -> NDArray[np.bool_]:
    """Whether the likelier outcome did not happen; of predictions whose label is known."""
    found_wrong: NDArray[np.bool_] = (scored.probability >= 0.5) != scored.won
    return found_wrong


def concept_drift(
    scored: Scored, threshold: float, now_ns: int, history: Scored | None = None
) -> ConceptDrift:
    """What the model said since it was promoted. `history`, out of sample before that, teaches the detectors what is usual.

    From the probability `threshold` on trades are entered. Raises DataError as `delay.check` does.
    """
    since = known(scored, now_ns)
    before = known(history, now_ns) if history is not None else since[:0]
    return ConceptDrift(
        errors=alarms(error_bits(without_overlap(since)), error_bits(without_overlap(before))),
        losses=alarms(~without_overlap(since, threshold).won, ~without_overlap(before, threshold).won),
    )


def alarms(bits: NDArray[np.bool_], history: NDArray[np.bool_]) -> Alarms:
    """The detectors over `bits` (n,) in order, those of `history` first; alarms in the history are past."""
    both = np.concatenate((history, bits))
    detectors = Errors() if len(both) else None
    first: dict[str, int] = {}
    for place, bit in enumerate(both.tolist()):
        assert detectors is not None
        for name in detectors.update(wrong=bit):
            if place >= len(history):
                first.setdefault(name, place + 1)
    cut = min(first.values(), default=len(both))
    at = {name: place - len(history) for name, place in first.items()}
    return Alarms(
        labels=len(bits), history=len(history), hddm_at=at.get("HDDM_A"), adwin_at=at.get("ADWIN"),
        rate_before=_mean(both[:cut]), rate_since=_mean(both[cut:]),
    )  # fmt: skip


def concept_finding(model_id: str, drift: ConceptDrift, config: DriftConfig) -> Finding:
    """What it amounts to: the worse of both streams."""
    metrics = msgspec.to_builtins(drift)
    streams = (drift.errors, drift.losses)
    if drift.errors.labels < config.min_labels and not any(stream.count for stream in streams):
        return undecided(
            model_id,
            "CONCEPT_DRIFT",
            f"{drift.errors.labels} labels that share no time are known, {config.min_labels} are needed "
            "(drift.min_labels): wait",
            metrics,
        )
    confidence = max(
        (1 - HDDM_CONFIDENCE) * any(stream.hddm_at is not None for stream in streams),
        (1 - ADWIN_CONFIDENCE) * any(stream.adwin_at is not None for stream in streams),
    )
    severity = max((stream.severity for stream in streams), key=SEVERITIES.index)
    return found(
        model_id, "CONCEPT_DRIFT", severity, confidence=confidence, reason=_reason(drift), metrics=metrics
    )


def _reason(drift: ConceptDrift) -> str:
    said = [
        f"{what}: {name} after {at} labels"
        for what, stream in (
            ("errors became more frequent", drift.errors),
            ("losing trades became more frequent", drift.losses),
        )
        for name, at in (("HDDM_A", stream.hddm_at), ("ADWIN", stream.adwin_at))
        if at is not None
    ]
    return "; ".join(said) or f"errors are as frequent as they were over {drift.errors.labels} labels"


def _mean(bits: NDArray[np.bool_]) -> float | None:
    return float(bits.mean()) if len(bits) else None
