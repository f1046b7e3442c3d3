"""Labels count once they are known; errors, losses and error bits tell what changed, at any time and seldom by chance."""

import numpy as np
import pytest

from gal_friday_core.drift import charts
from gal_friday_core.drift.betting import against
from gal_friday_core.drift.concept import alarms, concept_drift, concept_finding
from gal_friday_core.drift.delay import AHEAD_NS, NOT_YET, Scored, known, waiting, without_overlap
from gal_friday_core.drift.performance import (
    control_charts,
    performance_drift,
    performance_finding,
    residuals,
)
from gal_friday_core.drift.settings import DriftConfig
from gal_friday_core.errors import DataError
from gal_friday_core.times import MINUTE_NS
from tests.core.drift.scored import HOLD_NS, PROMISE, end_ns, scored

CONFIG = DriftConfig()


def test_a_label_counts_from_the_moment_it_is_known():
    one = scored(100)[:60]
    now_ns = int(one.t1_ns[40])
    seen = one[one.t0_ns <= now_ns]
    assert (len(known(seen, now_ns)), len(waiting(seen, now_ns))) == (41, 1)
    assert len(known(seen, now_ns - 1)) == 40


def test_labels_that_share_no_time_are_those_of_a_trader_with_one_position():
    one = scored(100, every_ns=MINUTE_NS)
    apart = without_overlap(known(one, end_ns(one)))
    assert len(apart) == 10
    assert (apart.t0_ns[1:] >= apart.t1_ns[:-1]).all()
    assert (without_overlap(one, 0.7).probability >= 0.7).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda one: Scored(one.t0_ns, one.probability, one.t0_ns - 1, one.net_return),
            "known before it was made",
        ),
        (
            lambda one: Scored(one.t0_ns[::-1], one.probability, one.t1_ns + 10**15, one.net_return),
            "earlier than",
        ),
        (
            lambda one: Scored(one.t0_ns + 10**15, one.probability, one.t1_ns + 10**15, one.net_return),
            "of the future",
        ),
        (
            lambda one: Scored(one.t0_ns, one.probability * np.nan, one.t1_ns, one.net_return),
            "no probability",
        ),
    ],
)
def test_clocks_that_disagree_are_told(change, message):
    one = scored(50)
    with pytest.raises(DataError, match=message):
        known(change(one), end_ns(one))


def test_clocks_that_nearly_agree_are_good_enough():
    one = scored(50)
    assert len(known(one, int(one.t0_ns[-1]) - AHEAD_NS)) == 48


# Control charts.


def test_run_lengths_of_cusum_are_those_of_the_literature():
    """Montgomery, Introduction to Statistical Quality Control, table 9.3: k = ½, two-sided, shifts 0, ½, 1, 2, 3."""
    shifts = (0, 0.5, 1, 2, 3)
    four = [charts.two_sided_cusum_run_length(0.5, 4.0, shift) for shift in shifts]
    five = [charts.two_sided_cusum_run_length(0.5, 5.0, shift) for shift in shifts]
    assert four == pytest.approx([168, 26.6, 8.38, 3.34, 2.19], rel=3e-3)
    assert five == pytest.approx([465, 38.0, 10.4, 4.01, 2.57], rel=3e-3)


def test_run_lengths_of_ewma_are_those_of_the_literature():
    """Lucas and Saccucci (1990), table 3: λ = .1, L = 2.814, shifts 0, ½, 1, 2."""
    found = [charts.ewma_run_length(0.1, 2.814, shift) for shift in (0, 0.5, 1, 2)]
    assert found == pytest.approx([500, 31.3, 10.3, 4.36], rel=5e-3)


def test_the_limit_of_a_cusum_gives_the_run_length_that_was_asked_for():
    for run_length in (300.0, 20_000.0):
        limit = charts.cusum_limit(0.5, run_length)
        assert charts.cusum_run_length(0.5, limit, 0.0) == pytest.approx(run_length, rel=0.02)


# Betting.


def bits(rate, count, seed):
    return (np.random.default_rng(seed).random(count) < rate).astype(np.float64)


def test_a_sound_model_is_seldom_accused_in_5000_looks_and_a_worse_one_soon():
    """Stated error .30: at most one sound model in twenty is accused; .40 is seen after a median of about 110."""
    sound = [against(bits(0.3, 5_000, seed), 0.3).wealth.max() >= 20 for seed in range(400)]
    assert np.mean(sound) <= 0.06
    seen = [against(bits(0.4, 5_000, seed), 0.3).crossed(20, np.inf)[0] for seed in range(400)]
    assert None not in seen
    assert 95 <= np.median(seen) <= 130


def test_bettors_who_begin_anew_find_what_began_late():
    found = []
    for seed in range(20):
        outcomes = np.concatenate((bits(0.3, 3_000, seed), bits(0.5, 600, 100 + seed)))
        evidence = against(outcomes, 0.3)
        found.append(evidence.crossed(np.inf, 200_000)[1])
    assert all(at is not None and at > 3_000 for at in found)
    assert np.median(found) < 3_120


def test_evidence_needs_no_more_than_means_that_are_not_exceeded():
    """Ville: whatever the outcomes, a mean of the wealth above one would refute the claim."""
    final = [against(bits(0.25, 200, seed), 0.3).wealth[-1] for seed in range(500)]
    assert np.mean(final) <= 1


# Performance.


def judged(one, now_ns=None, config=CONFIG):
    drift = performance_drift(one, PROMISE, end_ns(one) if now_ns is None else now_ns, config)
    return drift, performance_finding("m@v1", drift, config)


def test_a_calibrated_model_does_as_well_as_it_says():
    alarms = [judged(scored(600, seed))[1].threshold_exceeded for seed in range(60)]
    assert np.mean(alarms) <= 0.05
    drift, finding = judged(scored(600, 1))
    assert drift.errors.seen == pytest.approx(drift.errors.said, abs=0.06)
    assert (finding.severity, finding.metrics["judged"]) == ("LOW", True)


def test_a_model_that_became_worse_is_found_and_its_losses_roll_it_back():
    drift, finding = judged(scored(1_500, 3, worse_from=300, by=0.45))
    assert drift.wins.count / 5 < drift.wins.at < drift.returns.at
    assert drift.wins.gap == pytest.approx(0.45, abs=0.1)
    assert (finding.severity, finding.recommendation) == ("CRITICAL", "RETRAIN_IMMEDIATELY")
    assert "lose money" in finding.metrics["reason"]
    assert finding.confidence > 0.95


def test_a_relation_that_breaks_shows_in_the_errors():
    drift, finding = judged(scored(1_500, 3, worse_from=300, by=0.3, relation=True))
    assert drift.errors.at > 300
    assert drift.errors.recent_seen > drift.errors.seen > drift.errors.said
    assert finding.threshold_exceeded


def test_trades_that_lose_less_than_half_are_no_loss():
    """A model that wins more than it loses is not accused of losing money by its losing trades."""
    alarms = [judged(scored(600, seed))[0].returns.at is not None for seed in range(40)]
    assert not any(alarms)


def test_overlapping_labels_are_not_counted_as_many():
    one = scored(3_000, 5, every_ns=MINUTE_NS)
    assert judged(one)[0].errors.count == 300


def test_without_labels_it_is_undecided_and_the_estimate_stands():
    drift, finding = judged(scored(200, 1, known=5))
    assert (drift.errors.count, drift.waiting, finding.metrics["judged"]) == (5, 195, False)
    assert "195 predictions wait" in finding.metrics["reason"]
    assert 0.5 < drift.estimated.accuracy < 0.8


def test_no_prediction_at_all_is_undecided():
    drift, finding = judged(Scored.empty(), 0)
    assert (drift.errors.count, drift.errors.seen, finding.metrics["judged"]) == (0, None, False)


def test_charts_rise_when_trades_fall_short_of_their_promise():
    one = scored(1_000, 7, worse_from=500, by=0.3)
    traded = without_overlap(one, PROMISE.threshold)
    late = traded.t0_ns >= 500 * HOLD_NS
    assert residuals(traded, PROMISE)[~late].mean() == pytest.approx(0.0, abs=0.15)
    shown = control_charts(traded, PROMISE, CONFIG)
    assert shown.cusum[~late].max() < shown.cusum_limit < shown.cusum.max()
    assert shown.ewma[-1] > 0.2


# Concept.


def test_detectors_find_errors_from_30_to_50_in_a_hundred_as_late_as_is_known():
    """River's HDDM_A and ADWIN at their defaults: median delays 156 and 183 after 5,000 bits, none missed."""
    found = [
        alarms(bits(0.5, 800, seed).astype(bool), bits(0.3, 5_000, 500 + seed).astype(bool))
        for seed in range(12)
    ]
    assert np.median([one.hddm_at for one in found]) == pytest.approx(156, abs=40)
    assert np.median([one.adwin_at for one in found]) == pytest.approx(183, abs=40)


def test_detectors_seldom_alarm_by_chance_and_never_on_fewer_errors():
    sound = [alarms(bits(0.3, 5_000, seed).astype(bool), np.zeros(0, bool)) for seed in range(6)]
    assert sum(one.count for one in sound) <= 2
    better = alarms(bits(0.2, 1_000, 1).astype(bool), bits(0.5, 1_000, 2).astype(bool))
    assert better.count == 0


def test_concept_drift_is_severe_when_both_detectors_see_it():
    one, history = scored(1_200, 3, worse_from=200, by=0.4, relation=True), scored(1_000, 4)
    drift = concept_drift(one, PROMISE.threshold, end_ns(one), history)
    finding = concept_finding("m@v1", drift, CONFIG)
    assert (drift.errors.count, drift.errors.labels, drift.errors.history) == (2, 1_200, 1_000)
    assert min(drift.errors.hddm_at, drift.errors.adwin_at) > 200
    assert (finding.severity, finding.recommendation) == ("CRITICAL", "RETRAIN_IMMEDIATELY")
    assert "HDDM_A after" in finding.metrics["reason"]


def test_wins_that_grow_rare_are_seen_in_trades_where_errors_do_not_show_them():
    """A model that never says more than .5 errs less the fewer trades win."""
    one, history = scored(1_500, 3, worse_from=200, by=0.25), scored(1_500, 4)
    modest = [
        Scored(each.t0_ns, each.probability * 0.6, each.t1_ns, each.net_return) for each in (one, history)
    ]
    drift = concept_drift(modest[0], 0.55 * 0.6, end_ns(one), modest[1])
    assert (drift.errors.count, drift.losses.count > 0) == (0, True)


def test_concept_drift_waits_for_labels():
    drift = concept_drift(scored(100, known=3), PROMISE.threshold, 10**15)
    finding = concept_finding("m@v1", drift, CONFIG)
    assert (drift.errors.labels, finding.metrics["judged"]) == (3, False)
    assert "30 are needed" in finding.metrics["reason"]
    assert concept_drift(Scored.empty(), 0.5, 0).errors.labels == 0


def test_a_label_that_nobody_knows_is_never_known():
    assert len(known(scored(10, known=0), NOT_YET - AHEAD_NS - 1)) == 0
