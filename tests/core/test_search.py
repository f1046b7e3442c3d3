"""Trials are what they were, once each; settings are drawn within their ranges; luck is counted without double."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_core import artifact
from gal_friday_core.config import TrainingConfig
from gal_friday_core.search import Trial, attempt, parameters_of, shown, suggest, together, trial_id
from gal_friday_core.training import walk_folds
from gal_friday_core.training_set import assemble
from tests.core.informed_market import CONFIG, market


class Drawn:
    """Draws at one height of every range."""

    def __init__(self, height):
        self.height = height
        self.names = []

    def suggest_float(self, name, low, high, *, log=False):
        self.names.append(name)
        return low * (high / low) ** self.height if log else low + (high - low) * self.height

    def suggest_int(self, name, low, high, *, log=False):
        return round(self.suggest_float(name, low, high, log=log))


def trial(depth=3, first_day=100, returns=(0.0, 0.1, 0.2), ratio=0.5):
    return Trial(
        parameters={"depth": depth}, log_loss_gain=0.01, ratio=ratio, first_day=first_day, returns=returns
    )


@pytest.fixture(scope="module")
def data():
    return assemble(*market(), CONFIG)


@given(st.floats(0, 1), st.sampled_from(["xgboost", "logistic"]))
def test_whatever_is_drawn_is_a_valid_configuration(height, learner):
    drawn = suggest(Drawn(height), TrainingConfig(learner=learner))
    assert TrainingConfig.model_validate(drawn.model_dump()) == drawn


def test_only_what_the_learner_uses_is_drawn():
    names = {}
    for case in (
        TrainingConfig(), TrainingConfig(learner="logistic"), TrainingConfig(early_stopping_rounds=10),
    ):  # fmt: skip
        draw = Drawn(0.5)
        suggest(draw, case)
        names[case.learner, case.early_stopping_rounds] = set(draw.names)
    assert names["logistic", 0] == {"penalty"}
    assert "trees" in names["xgboost", 0]
    assert "trees" not in names["xgboost", 10]


def test_settings_that_change_no_model_make_no_other_trial():
    one = TrainingConfig(workers=1, search_trials=0)
    assert trial_id(parameters_of(one)) == trial_id(
        parameters_of(TrainingConfig(workers=8, search_trials=50, search_objective="ratio"))
    )
    assert trial_id(parameters_of(one)) != trial_id(parameters_of(TrainingConfig(depth=4)))


def test_a_trial_tells_what_its_folds_earned_by_day_and_said(data):
    folds = walk_folds(data, CONFIG.training)
    found = attempt(data, CONFIG.training)
    assert found == shown(data, CONFIG.training, folds)
    earned = sum(fold.result.sample.trade_return.sum() for fold in folds)
    assert sum(found.returns) == pytest.approx(earned)
    assert found.log_loss_gain > 0.01
    assert found.objective("ratio") == found.ratio > 0
    assert found.objective("log_loss_gain") == found.log_loss_gain


def test_a_trial_survives_json_bit_for_bit(data):
    found = attempt(data, CONFIG.training)
    again = msgspec.convert(artifact.from_json("trial", artifact.to_json(msgspec.to_builtins(found))), Trial)
    assert again == found
    assert again.id == found.id


def test_without_a_trade_the_ratio_is_unknown_and_worth_nothing():
    quiet = trial(ratio=None)
    assert quiet.objective("ratio") == 0.0


def test_the_chosen_one_is_counted_once_and_a_failed_one_too():
    own = trial()
    found = together(own, [trial(), trial(4), trial(5)], failed=2)
    assert found.count == 5
    assert found.returns.shape == (3, 3)


def test_what_trials_say_together_does_not_depend_on_their_order():
    others = [trial(depth, ratio=depth / 10) for depth in range(2, 7)]
    one, other = together(trial(), others), together(trial(), others[::-1])
    assert one.ratios.tobytes() == other.ratios.tobytes()
    assert one.returns.tobytes() == other.returns.tobytes()


def test_returns_of_other_days_are_counted_but_not_compared():
    found = together(trial(), [trial(4, first_day=102), trial(5, returns=(0.1,)), trial(6, ratio=None)])
    assert (found.count, found.apart) == (4, 2)
    assert found.returns.shape == (3, 2)
    assert len(found.ratios) == 3
    assert np.isfinite(found.variance)


def test_trials_of_other_folds_or_later_candles_are_compared_over_the_days_they_share():
    own = trial(returns=tuple(range(10)))
    fewer_folds = trial(4, first_day=97, returns=tuple(range(100, 113)))
    earlier = trial(5, first_day=90, returns=tuple(range(200, 218)))
    long_ago = trial(6, first_day=50, returns=tuple(range(30)))
    nothing_kept = trial(7, returns=())
    found = together(own, [fewer_folds, earlier, long_ago, nothing_kept])
    assert (found.count, found.apart) == (5, 1)
    columns = {tuple(column) for column in found.returns.T.astype(int).tolist()}
    assert columns == {tuple(range(8)), tuple(range(103, 111)), tuple(range(210, 218))}
