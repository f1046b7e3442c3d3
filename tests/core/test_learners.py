"""One checklist for every learner: the same bytes again, served as learnt, weights that count, both classes asked for."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from gal_friday_core import artifact
from gal_friday_core.config import TrainingConfig
from gal_friday_core.errors import ArtifactError
from gal_friday_core.learners.base import Lesson
from gal_friday_core.learners.choice import learner
from gal_friday_core.linear import read_linear

LEARNERS = ("xgboost", "logistic")


def settings(**changes):
    return TrainingConfig(**{"trees": 40, "min_child_weight": 1, "subsample": 0.8, **changes})


def lesson(rows=2_000, seed=0, edge=1.0, weight=None):
    """The outcome depends on the first of five features of very different scales."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(rows, 5)) * [1, 100, 0.01, 1, 1] + [0, 5_000, 0, 0, 0]
    label = rng.random(rows) < 1 / (1 + np.exp(-edge * features[:, 0]))
    return Lesson(features, label, np.ones(rows) if weight is None else weight)


def log_loss(margins, label):
    return np.logaddexp(0, np.where(label, -margins, margins)).mean()


@pytest.fixture(params=LEARNERS)
def name(request):
    return request.param


def test_the_same_lesson_gives_the_same_bytes(name):
    first, second = (learner(settings(learner=name)).fit(lesson()).files() for _ in range(2))
    assert first == second


def test_what_is_served_from_the_files_is_what_was_learnt_bit_for_bit(name):
    fitted = learner(settings(learner=name)).fit(lesson())
    rows = lesson(seed=1).features
    served = fitted.served()
    assert served.margins(rows).tobytes() == fitted.margins(rows).tobytes()
    assert [served.margin(row) for row in rows[:50]] == fitted.margins(rows)[:50].tolist()
    assert fitted.check(rows) == {"rows": fitted.check(rows)["rows"], "differing": 0}


def test_the_file_is_one_of_the_forms_that_an_artifact_may_hold(name):
    (file,) = learner(settings(learner=name)).fit(lesson()).files()
    assert file in artifact.MODELS


def test_something_is_learnt(name):
    later = lesson(seed=9)
    margins = learner(settings(learner=name)).fit(lesson()).margins(later.features)
    assert log_loss(margins, later.label) < 0.65 < log_loss(np.zeros(len(later)), later.label)


def test_an_event_of_no_weight_teaches_nothing(name):
    base = lesson()
    weight = np.concatenate((np.ones(2_000), np.zeros(500)))
    liars = lesson(500, seed=4, edge=-5.0)
    both = Lesson(
        np.concatenate((base.features, liars.features)), np.concatenate((base.label, liars.label)), weight
    )
    rows = lesson(seed=2).features
    taught = learner(settings(learner=name, subsample=1.0)).fit(both).margins(rows)
    believed = learner(settings(learner=name, subsample=1.0)).fit(
        Lesson(both.features, both.label, np.ones(2_500))
    )
    alone = learner(settings(learner=name, subsample=1.0)).fit(base).margins(rows)
    # Bins of the features still see the rows; the trees hardly differ.
    assert np.corrcoef(taught, alone)[0, 1] > 0.97
    assert np.abs(taught - alone).mean() < np.abs(believed.margins(rows) - alone).mean() / 3


def test_logistic_regression_is_that_of_scikit_learn_on_standardised_features():
    taught = lesson()
    fitted = learner(settings(learner="logistic")).fit(taught)
    scaler = StandardScaler().fit(taught.features)
    oracle = LogisticRegression(tol=1e-10).fit(scaler.transform(taught.features), taught.label)
    rows = lesson(seed=3).features
    assert fitted.margins(rows) == pytest.approx(
        oracle.decision_function(scaler.transform(rows)), rel=1e-4, abs=1e-4
    )


def test_a_stronger_penalty_makes_smaller_weights():
    weak, strong = (
        learner(settings(learner="logistic", penalty=penalty)).fit(lesson()).served()
        for penalty in (1.0, 1e4)
    )
    assert abs(strong.weight[0]) < abs(weak.weight[0]) / 2


def test_trees_stop_where_the_later_slice_no_longer_gains():
    later = lesson(seed=7)
    stopped = learner(settings(trees=400, early_stopping_rounds=10)).fit(lesson(300), later=later)
    full = learner(settings(trees=400)).fit(lesson(300), later=later)
    assert 1 <= stopped.rounds < full.rounds == 400
    assert log_loss(stopped.margins(later.features), later.label) < log_loss(
        full.margins(later.features), later.label
    )


def test_a_stopped_model_holds_only_the_trees_that_were_judged():
    stopped = learner(settings(trees=400, early_stopping_rounds=10)).fit(lesson(300), later=lesson(seed=7))
    assert stopped.served().trees == stopped.rounds
    assert stopped.check(lesson(seed=8).features)["differing"] == 0


def test_as_many_rounds_as_said_are_learnt_whatever_the_later_slice_says():
    fitted = learner(settings(early_stopping_rounds=5)).fit(lesson(), rounds=7)
    assert fitted.rounds == fitted.served().trees == 7


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text.replace('"logistic"', '"probit"'), "not a logistic model"),
        (lambda text: text[: len(text) // 2], "truncated"),
        (lambda text: text.replace('"intercept"', '"more": 1, "intercept"'), "unknown field"),
        (lambda text: text.replace('"mean": [', '"mean": [0.0,'), "one weight, mean and scale"),
        (lambda text: text.replace('"scale": [', '"scale": [-'), "not above zero"),
    ],
)
def test_a_damaged_linear_model_is_refused(damage, said):
    content = learner(settings(learner="logistic")).fit(lesson()).files()[artifact.LINEAR_MODEL].decode()
    compact = content.replace("\n", "").replace("[  ", "[").replace("[ ", "[")
    with pytest.raises(ArtifactError, match=said):
        read_linear(damage(compact).encode())
