"""Trees grown here are those of XGBoost, byte by byte, and where that is not certain XGBoost grows them."""

import numpy as np
import pytest
import xgboost

from gal_friday_core.config import TrainingConfig
from gal_friday_core.learners import grown_trees
from gal_friday_core.learners.base import Lesson
from gal_friday_core.learners.boosted_trees import BoostedTrees, parameters
from gal_friday_core.learners.grown_trees import agrees, grown, pays


def lesson(rows=900, features=7, *, weighted=False, seed=0):
    """Noise with a pattern in it, ties and a constant feature."""
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(rows, features))
    found[:, 1] = np.round(found[:, 1])
    found[:, 2] = 3.0
    label = found[:, 0] * found[:, 1] + rng.normal(size=rows) > 0.8
    return Lesson(found, label, rng.uniform(0.2, 3.0, rows) if weighted else np.ones(rows))


def library(taught, settings):
    matrix = xgboost.QuantileDMatrix(
        taught.features.astype(np.float32),
        taught.label,
        weight=taught.weight,
        max_bin=settings.bins,
        nthread=1,
    )
    return matrix, xgboost.train(parameters(settings), matrix, settings.trees)


def both(taught, settings):
    matrix, expected = library(taught, settings)
    found = grown(taught, matrix, settings, parameters(settings), settings.trees)
    assert found is not None
    return bytes(found.save_raw("ubj")), bytes(expected.save_raw("ubj"))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "changed",
    [
        {"depth": 6, "bins": 256},
        {"depth": 6, "bins": 256, "subsample": 1, "column_sample": 1},
        {"depth": 1, "bins": 256, "subsample": 1},
        {"depth": 2, "bins": 256, "column_sample": 1},
        {"depth": 8, "bins": 17, "column_sample": 0.3, "seed": 1},
        {"depth": 5, "bins": 100, "subsample": 0.2, "learning_rate": 0.7, "seed": 2**31},
        {"depth": 6, "bins": 256, "min_child_weight": 30},
        {"depth": 6, "bins": 256, "min_child_weight": 0},
    ],
)
def test_grown_models_are_the_librarys_to_the_byte(changed, weighted):
    settings = TrainingConfig(**{"trees": 25, "min_child_weight": 1, **changed})
    rows = 500 if settings.depth < 3 else 900
    found, expected = both(lesson(rows, weighted=weighted), settings)
    assert found == expected


@pytest.mark.parametrize("features", [1, 2, 4, 9])
def test_any_number_of_features_is_shuffled_as_the_library_does(features):
    settings = TrainingConfig(trees=20, depth=5, bins=64, min_child_weight=1, column_sample=0.5)
    rng = np.random.default_rng(features)
    values = rng.normal(size=(700, features))
    found, expected = both(Lesson(values, values[:, 0] + rng.normal(size=700) > 0, np.ones(700)), settings)
    assert found == expected


def test_a_loaded_model_predicts_as_the_librarys_and_is_what_a_fit_gives():
    settings = TrainingConfig(trees=30, depth=6, bins=256, min_child_weight=1)
    taught = lesson()
    fitted = BoostedTrees(settings).fit(taught)
    _, expected = library(taught, settings)
    assert fitted.rounds == settings.trees
    np.testing.assert_array_equal(
        fitted.margins(taught.features),
        expected.inplace_predict(taught.features.astype(np.float32), predict_type="margin"),
    )
    assert fitted.check(taught.features)["differing"] == 0


def test_gradients_whose_sums_could_round_are_left_to_the_library():
    settings = TrainingConfig(trees=5, depth=6, bins=256, min_child_weight=0)
    plain = lesson()
    weight = np.where(np.arange(len(plain)) % 2, 1e-9, 2.0)
    taught = Lesson(plain.features, plain.label, weight)
    matrix, expected = library(taught, settings)
    assert grown(taught, matrix, settings, parameters(settings), settings.trees) is None
    assert BoostedTrees(settings).fit(taught).files()["model.ubj"] == bytes(expected.save_raw("ubj"))


def test_unknown_values_are_left_to_the_library():
    settings = TrainingConfig(trees=5, depth=6, bins=256)
    taught = lesson()
    taught.features[3, 0] = np.nan
    matrix, _ = library(taught, settings)
    assert grown(taught, matrix, settings, parameters(settings), settings.trees) is None


def test_a_library_that_says_something_else_grows_its_own_trees(monkeypatch):
    monkeypatch.setattr(grown_trees, "log_odds", np.float32)
    agrees.cache_clear()
    try:
        settings = TrainingConfig(trees=5, depth=6, bins=256)
        matrix, _ = library(lesson(), settings)
        assert not agrees()
        assert grown(lesson(), matrix, settings, parameters(settings), settings.trees) is None
    finally:
        agrees.cache_clear()


def test_it_pays_for_short_windows_with_many_bins_only():
    assert pays(7_680, TrainingConfig(depth=6, bins=256))
    assert not pays(7_680, TrainingConfig())
    assert not pays(90_000, TrainingConfig(depth=6, bins=256))
