"""A retraining is asked for once, and not too often; a successor is judged on the same bars as the model before it."""

import numpy as np
import pytest

from gal_friday_core.drift.delay import NOT_YET, Scored
from gal_friday_core.drift.finding import found, undecided
from gal_friday_core.retraining.policy import NEXT, Request, Retraining, asked_by, due, held_back, window_of
from gal_friday_core.retraining.settings import RetrainingConfig
from gal_friday_core.retraining.shadow import compare
from gal_friday_core.times import DAY_NS, HOUR_NS, MINUTE_NS

NOW = 100 * DAY_NS
CONFIG = RetrainingConfig()
REQUEST = Request(model_type="a", model_id="a@v1", cause="drift", window="w", reason="it drifts")


def past(state="PROMOTED", ago_ns=3 * DAY_NS, model_type="a", cpu_s=60.0):
    return Retraining(
        run_id="1", model_type=model_type, model_id="a@v1", cause="drift", window="v", reason="r", requested_ns=0,
        state=state, started_ns=NOW - ago_ns, cpu_s=cpu_s,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "why"),
    [
        ([], ""),
        ([past()], ""),
        ([past("SHADOW")], "another is under way: 1 is SHADOW"),
        ([past("SHADOW", model_type="b")], ""),
        ([past("FAILED", 23 * HOUR_NS)], "the last one began 23.0 h ago (retraining.cool_down_h: 24)"),
        ([past("FAILED", 25 * HOUR_NS)], ""),
        ([past()] * 3, "3 began within seven days (retraining.runs_a_week: 3)"),
        ([past(ago_ns=8 * DAY_NS)] * 3, ""),
        ([past(model_type="b", cpu_s=36_000)], "600 processor minutes were spent within seven days (retraining.cpu_minutes_a_week)"),
    ],
)  # fmt: skip
def test_what_holds_a_retraining_back(before, why):
    assert held_back(REQUEST, before, CONFIG, NOW) == why


def test_a_storm_within_a_day_is_one_request():
    assert len({window_of("drift", "a@v1", NOW + hour * HOUR_NS) for hour in range(24)}) == 1
    assert window_of("drift", "a@v1", NOW) != window_of("drift", "a@v1", NOW + DAY_NS)
    assert window_of("drift", "a@v1", NOW) != window_of("drift", "a@v2", NOW)


def test_only_what_recommends_training_asks_for_it():
    def of(drift_type, severity, **more):
        return found("a@v1", drift_type, severity, confidence=1, reason="so", metrics={}, **more)

    assert asked_by([of("DATA_DRIFT", "MEDIUM"), undecided("a@v1", "CONCEPT_DRIFT", "few", {})]) is None
    assert asked_by([of("DATA_DRIFT", "CRITICAL", repair=True)]) is None  # a broken source is repaired
    assert asked_by([of("DATA_DRIFT", "HIGH")]) == ("drift", "DATA_DRIFT HIGH: so")
    assert asked_by([of("PERFORMANCE_DRIFT", "MEDIUM")]) == ("decay", "PERFORMANCE_DRIFT MEDIUM: so")


@pytest.mark.parametrize(
    ("newest_days", "now_days", "cause"),
    [(100, 140, None), (101, 110, None), (126, 126, "data"), (101, 131, "age"), (90, 131, None)],
)
def test_age_and_new_data_ask_where_there_is_something_new_to_learn(newest_days, now_days, cause):
    said = due(
        first_ns=0,
        last_ns=100 * DAY_NS,
        newest_ns=newest_days * DAY_NS,
        now_ns=now_days * DAY_NS,
        config=CONFIG,
    )
    assert (said and said[0]) == cause


def test_nothing_that_ended_goes_on():
    ended = [state for state, following in NEXT.items() if not following]
    assert set(ended) == {"HELD_BACK", "REFUSED", "PROMOTED", "FAILED"}


SMALL = RetrainingConfig(shadow_days=1, shadow_predictions=300, min_shadow_labels=30)


def scored(skill, bars=400, seed=1, first=0, unknown=0):
    """Labels that share no time; `skill`: how far what is said lies on the side of what happens."""
    rng = np.random.default_rng(seed)
    won = rng.random(bars) < 0.5
    said = np.clip(0.5 + np.where(won, skill, -skill), 0.01, 0.99)
    t0_ns = (first + np.arange(bars)) * 10 * MINUTE_NS
    t1_ns = t0_ns + 10 * MINUTE_NS
    net = np.where(won, 0.01, -0.01)
    if unknown:
        t1_ns[-unknown:], net[-unknown:] = NOT_YET, np.nan
    return Scored(t0_ns, said, t1_ns, net)


@pytest.mark.parametrize(
    ("successor", "incumbent", "over", "passed"),
    [
        (scored(0.2), scored(0.1), True, True),
        (scored(0.1), scored(0.2), True, False),
        (scored(0.1), scored(0.1), True, True),
        (scored(0.2), None, True, True),
        (scored(0.2, bars=100), scored(0.1), False, False),  # less than a day
        (scored(0.2, unknown=300), scored(0.1), False, False),  # labels that nobody knows yet
        (scored(0.2, first=380), scored(0.1), False, False),  # hardly a bar in common
        (Scored.empty(), scored(0.1), False, False),
        (scored(0.2), Scored.empty(), False, False),
    ],
)
def test_a_shadow_passes_when_it_is_over_and_no_worse_on_the_same_bars(successor, incumbent, over, passed):
    said = compare(successor, incumbent, 10 * DAY_NS, SMALL)
    assert (said.over, said.passed) == (over, passed)
    assert said.reason


def test_the_gain_is_the_mean_log_loss_saved_on_common_bars():
    said = compare(scored(0.2), scored(0.1), 10 * DAY_NS, SMALL)
    assert said.gain == pytest.approx(np.log(0.7) - np.log(0.6))
    assert said.labels == 400
