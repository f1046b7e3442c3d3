"""The verdict follows the numbers, and says them."""

import json

import numpy as np
import pytest

from gal_friday_core.config import GatesConfig
from gal_friday_core.resampling import UNKNOWN, Estimate
from gal_friday_core.scores import OutOfSample, Scores
from gal_friday_core.validation import FoldResult, ValidationReport, judge, validate


def scores(**changes):
    values = {
        "events": 1_000, "positive_rate": 0.3, "base_rate": 0.312, "log_loss": Estimate(0.6, 0.59, 0.61),
        "base_log_loss": 0.62, "log_loss_gain": Estimate(0.02, 0.01, 0.03), "auc": Estimate(0.6, 0.55, 0.65),
        "brier": Estimate(0.2, 0.19, 0.21), "base_brier": 0.21, "calibration_error": 0.01, "trades": 50,
        "winning_trades": 30, "mean_net_return": Estimate(0.002, 0.001, 0.003),
        "total_net_return": Estimate(0.1, 0.05, 0.15),
    }  # fmt: skip
    return Scores(**{**values, **changes})


def test_a_model_that_shows_everything_passes_and_says_what_it_showed():
    verdict = judge(scores(), GatesConfig())
    assert verdict.passed
    assert len(verdict.reasons) == 3
    assert "better than always saying 31.2%" in verdict.reasons[0]
    assert "+0.200% after fees over 50 trades" in verdict.reasons[2]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"log_loss": Estimate(0.6712, 0.66, 0.68), "base_log_loss": 0.6708, "log_loss_gain": Estimate(-0.0004, -0.001, 0.0002)},
            "log loss 0.6712 against 0.6708 of the base rate: no better than always saying 31.2%",
        ),
        ({"log_loss_gain": Estimate(0.01, -0.001, 0.02)}, "the gain may be chance (95% interval -0.00100 to +0.02000"),
        ({"log_loss_gain": UNKNOWN}, "no confidence interval could be drawn"),
        ({"trades": 29}, "29 out-of-sample trades above the break-even probability: at least 30 are needed"),
        ({"mean_net_return": Estimate(-0.001, -0.002, 0.001)}, "mean net return a trade -0.100% after fees"),
        ({"mean_net_return": Estimate(0.001, -0.002, 0.004)}, "the profit may be chance (95% interval -0.200%"),
        ({"trades": 0, "mean_net_return": UNKNOWN}, "no out-of-sample trade: net profit is unknown"),
    ],
)  # fmt: skip
def test_each_failed_gate_is_told_with_its_numbers(changes, reason):
    verdict = judge(scores(**changes), GatesConfig())
    assert not verdict.passed
    assert any(reason in said for said in verdict.reasons), verdict.reasons


def test_only_failed_gates_are_named():
    assert len(judge(scores(trades=3), GatesConfig()).reasons) == 1


def fold(*, rate=0.3, said=None, window_rate=0.3, recent_rate=0.5, start=0, seed=0):
    rng = np.random.default_rng(seed)
    label = rng.random(600) < rate
    probability = np.full(600, rate) if said is None else np.where(label, said, 1 - said)
    sample = OutOfSample(
        np.arange(start, start + 600) * 60_000_000_000, probability, label, np.full(600, np.nan),
        np.arange(0, 600, 20), rng.normal(0.01, 0.001, 30),
    )  # fmt: skip
    rows = np.arange(start, start + 600)
    return FoldResult(sample, rows, rows[::20], 2_000, 500, window_rate, recent_rate, 0.4, 0.02, 0.01)


def report(*folds):
    return validate(list(folds), GatesConfig(), block_events=20, seed=1, outcomes={"TIME": 1_200})


def test_a_model_that_knows_more_passes_and_one_that_says_the_base_rate_does_not():
    assert report(fold(said=0.8), fold(said=0.8, start=600, seed=1)).verdict.passed
    refused = report(fold(), fold(start=600, seed=1))
    assert not refused.verdict.passed
    assert "no better than always saying 30.0%" in refused.verdict.reasons[0]


def test_the_harder_base_rate_is_the_one_to_beat():
    long_run = report(fold(window_rate=0.3, recent_rate=0.6))
    recent = report(fold(window_rate=0.6, recent_rate=0.3))
    assert long_run.base_rate_from == "the whole training window"
    assert recent.base_rate_from == "the latest part of training"
    assert long_run.pooled.base_log_loss == recent.pooled.base_log_loss


def test_pooling_keeps_every_event_and_trade():
    both = report(fold(), fold(start=600, seed=1))
    assert both.pooled.events == sum(one.scores.events for one in both.folds) == 1_200
    assert both.pooled.trades == sum(one.scores.trades for one in both.folds) == 60
    assert both.folds[1].test_start == "1970-01-01T10:00:00.000000000Z"


def test_the_report_survives_json_and_holds_no_nan():
    made = report(fold(), fold(start=600, rate=0.0, seed=2))
    text = json.dumps(made.to_dict(), allow_nan=False)
    assert ValidationReport.from_dict(json.loads(text)) == made
    assert made.folds[1].scores.auc.value is None
