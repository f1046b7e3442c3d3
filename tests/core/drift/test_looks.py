"""One look gives four findings; what cannot be judged is said, and never keeps the others from being judged."""

import dataclasses

import numpy as np
import pytest

from gal_friday_core.drift.data import Reference
from gal_friday_core.drift.delay import Scored
from gal_friday_core.drift.finding import DRIFT_TYPES
from gal_friday_core.drift.looks import Watched, look
from gal_friday_core.drift.prediction import (
    ScoreReference,
    estimate,
    prediction_drift,
    prediction_finding,
)
from gal_friday_core.drift.settings import DriftConfig
from tests.core.drift.scored import PROMISE, end_ns, scored

CONFIG = DriftConfig()


def probabilities(count, seed, middle=0.5):
    return np.clip(np.random.default_rng(seed).normal(middle, 0.1, count), 0.01, 0.99)


def predicted(current, reference=None):
    held = ScoreReference.of(probabilities(5_000, 1) if reference is None else reference, 0.65)
    drift = prediction_drift(held, current, CONFIG)
    return drift, prediction_finding(
        "m@v1", drift, estimate(current[np.isfinite(current)], 0.65, 0.02, 0.01), CONFIG
    )


def test_estimated_accuracy_is_near_the_true_one_and_blind_to_what_changed():
    """Confidence-based performance estimation: .80 said, .80 true; the labels may turn round and it does not see it."""
    rng = np.random.default_rng(3)
    said = rng.beta(0.6, 0.6, 20_000)
    won = rng.random(20_000) < said
    estimated = estimate(said, 0.5, 0.02, 0.01).accuracy
    assert estimated == pytest.approx(np.mean((said >= 0.5) == won), abs=0.01)
    assert np.mean((said >= 0.5) == ~won) < 0.3


def test_estimates_of_trades():
    found = estimate(np.array([0.9, 0.7, 0.1]), 0.6, 0.02, 0.01)
    assert (found.signal_rate, found.precision) == (pytest.approx(2 / 3), pytest.approx(0.8))
    assert found.net_return == pytest.approx(0.8 * 0.02 - 0.2 * 0.01)
    assert estimate(np.array([0.1]), 0.6, 0.02, 0.01).net_return is None
    assert estimate(np.empty(0), 0.6, 0.02, 0.01) is None


def test_the_same_scores_are_no_drift():
    drift, finding = predicted(probabilities(1_000, 2))
    assert (drift.told, finding.severity, finding.metrics["judged"]) == (False, "LOW", True)
    assert finding.metrics["estimated"]["rows"] == 1_000


def test_scores_that_shift_are_found_with_their_signals():
    drift, finding = predicted(probabilities(1_000, 2, middle=0.53))
    assert drift.told
    assert (finding.severity, finding.recommendation) == ("MEDIUM", "MONITOR")
    drift, finding = predicted(probabilities(1_000, 2, middle=0.6))
    assert (drift.signals_drifted, finding.severity) == (True, "HIGH")
    assert "of the bars are signals" in finding.metrics["reason"]


def test_a_model_that_always_says_the_same_is_critical_and_not_retrained():
    _, finding = predicted(np.full(500, 0.42))
    assert (finding.severity, finding.recommendation) == ("CRITICAL", "MONITOR")
    assert "same number" in finding.metrics["reason"]


def test_a_model_that_cannot_score_is_critical():
    current = probabilities(500, 2)
    current[100:] = np.nan
    _, finding = predicted(current)
    assert finding.severity == "CRITICAL"
    assert "80%" in finding.metrics["reason"]


def test_a_short_holdout_is_named_and_not_the_predictions():
    drift, finding = predicted(probabilities(1_000, 2), probabilities(10, 1))
    assert (drift.score.state, finding.metrics["judged"]) == ("short", False)
    reason = finding.metrics["reason"]
    assert reason.startswith(
        "what it said of its holdout is worth 10.0 independent rows, fewer than 20: train on"
    )


def test_few_predictions_are_undecided():
    _, finding = predicted(probabilities(5, 2))
    assert (finding.metrics["judged"], finding.threshold_exceeded) == (False, False)
    assert "wait for more" in finding.metrics["reason"]


def watched(**changes):
    rng = np.random.default_rng(1)
    names = ("a", "b", "c")
    one = scored(400, 3)
    whole = Watched(
        model_id="m@v1", reference=Reference.of(rng.normal(size=(3_000, 3)), names), features=rng.normal(size=(500, 3)),
        scores=ScoreReference.of(rng.uniform(0.3, 0.8, 3_000), PROMISE.threshold), probability=rng.uniform(0.3, 0.8, 500),
        history=scored(400, 4), scored=one, promise=PROMISE,
    )  # fmt: skip
    whole = dataclasses.replace(whole, **changes)
    return whole, end_ns(whole.scored if len(whole.scored) else one)


def test_a_sound_model_gives_four_quiet_findings():
    findings = look(*watched(), CONFIG).findings
    assert tuple(one.drift_type for one in findings) == DRIFT_TYPES
    assert {one.severity for one in findings} == {"LOW"}
    assert all(one.metrics["judged"] for one in findings)


def test_without_labels_what_needs_none_is_judged():
    findings = look(*watched(scored=Scored.empty(), history=Scored.empty()), CONFIG).findings
    assert [one.metrics["judged"] for one in findings] == [True, True, False, False]


def test_labels_that_cannot_be_are_said_and_features_are_judged_all_the_same():
    one = scored(400, 3)
    wrong = Scored(one.t0_ns, one.probability, one.t0_ns - 5, one.net_return)
    findings = look(*watched(scored=wrong), CONFIG).findings
    assert [finding.metrics["judged"] for finding in findings] == [True, True, False, False]
    assert all("check the clocks" in finding.metrics["reason"] for finding in findings[2:])
