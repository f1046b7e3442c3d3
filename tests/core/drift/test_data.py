"""Shifted features are found, noise and memory are not; what is broken or too short is said plainly."""

import dataclasses

import msgspec
import numpy as np
import pytest

from gal_friday_core.drift.data import Reference, data_drift, data_finding
from gal_friday_core.drift.settings import DriftConfig
from gal_friday_core.errors import DataError

CONFIG = DriftConfig()
NAMES = tuple(f"f{number}" for number in range(8))


def rows(count, seed, rho=0.0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(count, len(NAMES)))
    for row in range(1, count):
        values[row] = rho * values[row - 1] + np.sqrt(1 - rho**2) * values[row]
    return values


def judged(current, reference=None, config=CONFIG):
    held = Reference.of(rows(5_000, 1) if reference is None else reference, NAMES)
    features = data_drift(held, current, config)
    return {one.name: one for one in features}, data_finding("m@v1", features, config)


def test_the_same_distribution_is_no_drift():
    features, finding = judged(rows(1_000, 2))
    assert {one.state for one in features.values()} == {"same"}
    assert (finding.severity, finding.threshold_exceeded, finding.metrics["drifted"]) == ("LOW", False, 0)


def test_one_shifted_feature_is_named_and_measured():
    current = rows(1_000, 2)
    current[:, 3] += 0.5
    features, finding = judged(current)
    assert [name for name, one in features.items() if one.told] == ["f3"]
    assert features["f3"].shift == pytest.approx(0.5, abs=0.1)
    assert features["f3"].stability > features["f3"].stability_noise
    assert (finding.severity, finding.recommendation) == ("MEDIUM", "MONITOR")
    assert "f3" in finding.metrics["reason"]


def test_a_change_of_spread_is_found_too():
    current = rows(2_000, 2)
    current[:, 0] *= 1.6
    assert judged(current)[0]["f0"].state == "drifted"


def test_a_difference_beyond_chance_that_does_not_matter_is_not_told():
    current = rows(20_000, 2)
    current[:, 0] += 0.06
    one = judged(current, rows(20_000, 1))[0]["f0"]
    assert (one.q_value < 1e-4, one.state) == (True, "same")


def test_severity_follows_the_weight_of_what_drifted():
    current = rows(1_000, 2)
    current[:, :5] += 0.4
    features = judged(current)[0].values()
    assert data_finding("m", features, CONFIG).severity == "HIGH"
    unused = {name: float(name in {"f6", "f7"}) for name in NAMES}
    assert data_finding("m", features, CONFIG, unused).severity == "MEDIUM"
    current[:, :5] += 0.6
    assert judged(current)[1].severity == "CRITICAL"


def test_few_false_discoveries_over_many_windows():
    held = Reference.of(rows(5_000, 1), NAMES)
    config = DriftConfig(min_shift=1e-9)
    windows = [any(one.told for one in data_drift(held, rows(500, seed), config)) for seed in range(10, 110)]
    assert np.mean(windows) <= 0.12


def test_memory_alarms_plain_ks_and_not_ours():
    """ρ = .95: every row counted as independent, chance looks like drift nearly always."""
    config = DriftConfig(min_shift=1e-9)
    plain, ours = [], []
    for seed in range(40):
        held = Reference.of(rows(4_000, 1_000 + seed, 0.95), NAMES)
        current = rows(2_000, 2_000 + seed, 0.95)
        as_if = dataclasses.replace(held, rows_each=np.ones(len(NAMES)))
        plain.append(any(one.told for one in data_drift(as_if, current, config)))
        ours.append(any(one.told for one in data_drift(held, current, config)))
    assert np.mean(plain) > 0.9
    assert np.mean(ours) <= 0.125


def test_a_feature_gone_constant_is_dead_and_to_be_repaired():
    current = rows(400, 2)
    current[-60:, 2] = current[-61, 2]
    features, finding = judged(current)
    assert features["f2"].state == "dead"
    assert (finding.severity, finding.recommendation, finding.confidence) == ("HIGH", "MONITOR", 1.0)
    assert "f2 (dead)" in finding.metrics["reason"]


def test_a_feature_that_often_stands_still_is_not_dead_for_standing_still():
    reference, current = rows(4_000, 1), rows(400, 2)
    reference[:, 2] = np.repeat(np.random.default_rng(3).normal(size=40), 100)
    current[-150:, 2] = 0.1
    assert judged(current, reference)[0]["f2"].state == "short"


def test_a_feature_gone_unknown_is_missing():
    current = rows(400, 2)
    current[100:, 5] = np.nan
    features, finding = judged(current)
    assert (features["f5"].state, features["f5"].missing_share) == ("missing", 0.75)
    assert finding.threshold_exceeded


def test_a_few_unknown_rows_of_a_short_window_break_nothing():
    current = rows(5, 2)
    current[:3, 5] = np.nan
    assert judged(current)[0]["f5"].state == "short"


def test_a_feature_that_was_always_half_unknown_is_judged_by_what_is_known():
    reference, current = rows(4_000, 1), rows(1_000, 2)
    reference[::2, 5] = np.nan
    current[::2, 5] = np.nan
    assert judged(current, reference)[0]["f5"].state == "same"


def test_many_dead_features_are_critical():
    current = rows(400, 2)
    current[-60:, :2] = 1.0
    assert judged(current)[1].severity == "CRITICAL"


def test_a_feature_that_never_moved_is_not_judged():
    reference, current = rows(4_000, 1), rows(400, 2)
    reference[:, 1] = 0.1
    features, finding = judged(current, reference)
    assert features["f1"].state == "constant"
    assert finding.metrics["not_judged"] == ["f1"]


@pytest.mark.parametrize(("held", "now"), [(5_000, 10), (10, 5_000), (5_000, 0), (0, 100)])
def test_windows_that_are_too_short_are_undecided(held, now):
    features, finding = judged(rows(now, 2), rows(held, 1))
    assert not any(one.told for one in features.values() if held)
    assert (finding.metrics["judged"], finding.confidence) == (False, 0.0)
    assert "longer windows" in finding.metrics["reason"]


def test_a_window_of_other_features_is_refused():
    with pytest.raises(DataError, match=r"\(10, 3\), expected \(rows, 8\)"):
        data_drift(Reference.of(rows(100, 1), NAMES), np.zeros((10, 3)), CONFIG)


def test_findings_can_be_told_as_json():
    current = rows(400, 2)
    current[:, 0] = np.nan
    assert b"NaN" not in msgspec.json.encode(judged(current)[1])
