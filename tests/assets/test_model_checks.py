"""Stored models of either kind are served as they were learnt; one that lost a bit on its way is found."""

import numpy as np
import pytest

from gal_friday_assets.model_checks import served_as_trained
from gal_friday_core import artifact
from gal_friday_core.config import TrainingConfig
from gal_friday_core.errors import ArtifactError
from gal_friday_core.learners.choice import learner
from gal_friday_core.trees import PackedTrees
from tests.core.test_learners import lesson


@pytest.mark.parametrize("name", ["xgboost", "logistic"])
def test_a_model_of_either_kind_is_served_as_it_was_learnt(name):
    files = learner(TrainingConfig(learner=name, min_child_weight=1)).fit(lesson()).files()
    assert served_as_trained(files, lesson(seed=1).features) == (2_000, 0)


def test_rows_that_differ_in_one_bit_are_counted(monkeypatch):
    files = learner(TrainingConfig(min_child_weight=1)).fit(lesson()).files()
    exact = PackedTrees.probabilities

    def wrong(trees, rows):
        found = exact(trees, rows)
        found[:3] = np.nextafter(found[:3], np.float32(1))
        return found

    monkeypatch.setattr(PackedTrees, "probabilities", wrong)
    assert served_as_trained(files, lesson(seed=1).features) == (2_000, 3)


def test_an_artifact_of_two_models_is_refused():
    trees = learner(TrainingConfig(min_child_weight=1)).fit(lesson()).files()
    linear = learner(TrainingConfig(learner="logistic")).fit(lesson()).files()
    with pytest.raises(ArtifactError, match="holds one model"):
        artifact.model_file(trees | linear)
