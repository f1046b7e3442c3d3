"""A finding obeys its rules whoever makes it; the ladder takes the strictest step and never loosens by itself."""

from decimal import Decimal

import msgspec
import pytest

from gal_friday_core.drift import ladder
from gal_friday_core.drift.finding import DRIFT_TYPES, SEVERITIES, found, recommendation, undecided, worst
from gal_friday_core.drift.settings import DriftConfig
from gal_friday_core.payloads import PAYLOADS

CONFIG = DriftConfig()


def finding(drift_type="CONCEPT_DRIFT", severity="HIGH"):
    return found("m@v1", drift_type, severity, confidence=0.99, reason="errors rose", metrics={"labels": 40})


def test_a_finding_is_the_payload_of_its_event():
    assert isinstance(finding(), PAYLOADS["DRIFT_DETECTION"])


def test_everything_above_low_exceeds_the_threshold():
    assert [finding(severity=severity).threshold_exceeded for severity in SEVERITIES] == [
        False,
        True,
        True,
        True,
    ]


def test_undecided_is_neither_an_alarm_nor_an_all_clear():
    one = undecided("m@v1", "CONCEPT_DRIFT", "no labels yet", {"labels": 0})
    assert (one.threshold_exceeded, one.confidence, one.metrics["judged"]) == (False, 0.0, False)
    assert ladder.step_of(one, DriftConfig(ladder_concept=("halt",) * 4)) == "note"


def test_drift_that_labels_show_is_answered_a_step_earlier():
    order = ("MONITOR", "SCHEDULE_RETRAINING", "RETRAIN_IMMEDIATELY")
    for severity in SEVERITIES:
        seen, foreseen = recommendation("CONCEPT_DRIFT", severity), recommendation("DATA_DRIFT", severity)
        assert order.index(seen) >= order.index(foreseen)
    assert recommendation("PERFORMANCE_DRIFT", "HIGH") == "RETRAIN_IMMEDIATELY"
    assert recommendation("PREDICTION_DRIFT", "HIGH") == "SCHEDULE_RETRAINING"


def test_a_broken_feature_is_repaired_and_not_trained_on():
    assert recommendation("DATA_DRIFT", "CRITICAL", repair=True) == "MONITOR"


@pytest.mark.parametrize("confidence", [-1.0, 2.0])
def test_confidence_stays_between_zero_and_one(confidence):
    assert 0 <= found("m", "DATA_DRIFT", "LOW", confidence=confidence, reason="", metrics={}).confidence <= 1


def test_the_worst_is_the_most_severe_that_exceeds_its_threshold():
    one, two = finding(severity="MEDIUM"), finding("DATA_DRIFT", "CRITICAL")
    assert worst([finding(severity="LOW"), one, two]) is two
    assert worst([finding(severity="LOW")]) is None


def test_by_default_no_drift_halts_and_only_measured_losses_roll_back():
    steps = {
        (drift_type, severity): ladder.step_of(finding(drift_type, severity), CONFIG)
        for drift_type in DRIFT_TYPES
        for severity in SEVERITIES
    }
    assert "halt" not in steps.values()
    assert [case for case, step in steps.items() if step == "roll_back"] == [
        ("PERFORMANCE_DRIFT", "CRITICAL")
    ]
    assert all(steps[drift_type, "LOW"] == "note" for drift_type in DRIFT_TYPES)


def test_steps_grow_stricter_with_severity():
    for drift_type in DRIFT_TYPES:
        ranks = [ladder.STEPS.index(step) for step in ladder.steps_of(drift_type, CONFIG)]
        assert ranks == sorted(ranks)


def test_a_ladder_that_grows_milder_with_severity_is_refused():
    with pytest.raises(ValueError, match="ladder_data"):
        DriftConfig(ladder_data=("note", "halt", "shrink", "halt"))


def test_the_strictest_of_several_findings_decides_and_says_why():
    decision = ladder.decide([finding(severity="MEDIUM"), finding("PERFORMANCE_DRIFT", "CRITICAL")], CONFIG)
    assert decision.step == "roll_back"
    assert decision.reason == "PERFORMANCE_DRIFT CRITICAL: errors rose"
    assert ladder.decide([], CONFIG) == ladder.Decision("note", None, "no drift beyond its threshold")


def row(step, model_id="m@v1", reason="", at_ns=0):
    return ladder.Restriction(
        model_type="m", model_id=model_id, step=step, size_factor=ladder.size_factor(step, CONFIG), reason=reason,
        actor="test", evidence={}, at_ns=at_ns,
    )  # fmt: skip


def test_what_is_in_force_never_loosens_by_itself():
    held = ladder.in_force(
        [row("shrink"), row("shadow_only", reason="worse"), row("shrink"), row("note")], "m@v1"
    )
    assert held is not None
    assert (held.step, held.reason, held.size_factor, held.trades) == (
        "shadow_only",
        "worse",
        Decimal(0),
        False,
    )


def test_a_release_lifts_it_and_a_later_finding_restricts_again():
    rows = [row("shadow_only"), row("release")]
    assert ladder.in_force(rows, "m@v1") is None
    held = ladder.in_force([*rows, row("shrink")], "m@v1")
    assert held is not None
    assert (held.step, held.size_factor, held.trades) == ("shrink", Decimal("0.5"), True)


def test_a_newly_promoted_version_starts_without_restrictions():
    assert ladder.in_force([row("halt")], "m@v2") is None


def test_the_row_of_a_decision_carries_the_finding_as_evidence():
    decision = ladder.decide([finding(severity="MEDIUM")], CONFIG)
    made = ladder.restriction(decision, CONFIG, model_type="m", model_id="m@v1", actor="drift", at_ns=7)
    assert (made.step, made.size_factor, made.evidence["metrics"]["labels"]) == ("shrink", Decimal("0.5"), 40)
    assert msgspec.json.decode(msgspec.json.encode(made), type=ladder.Restriction) == made
