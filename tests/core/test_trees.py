"""Packed trees give XGBoost's own bits, and refuse whatever they could not serve exactly."""

import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from gal_friday_core import trees as trees_module
from gal_friday_core.errors import ArtifactError
from gal_friday_core.learners.boosted_trees import check_bit_identity, on_thresholds, with_unknowns
from gal_friday_core.trees import read
from gal_friday_core.ubjson import decode
from tests.core.model_files import BOOSTER, rows, train_booster


def raw(booster):
    return bytes(booster.save_raw("ubj"))


def assert_same_bits(booster, matrix):
    packed = read(raw(booster))
    for mine, margin in ((packed.probabilities(matrix), False), (packed.margins(matrix), True)):
        theirs = booster.predict(xgboost.DMatrix(matrix), output_margin=margin)
        assert mine.tobytes() == theirs.tobytes()


@pytest.mark.parametrize("depth", [1, 3, 6, 10])
@pytest.mark.parametrize("count", [1, 7, 8, 61])
def test_predictions_equal_the_booster_bit_for_bit(depth, count):
    booster = train_booster(count, depth, min_child_weight=0.1)
    matrix, rng = rows(400, seed=11), np.random.default_rng(0)
    edges = on_thresholds(read(raw(booster)), matrix, rng)
    assert_same_bits(booster, np.concatenate((matrix, edges, with_unknowns(matrix, rng), matrix * 50)))


@pytest.mark.parametrize("base_score", [0.001, 0.31, 0.5, 0.97])
def test_the_base_margin_is_the_boosters_own(base_score):
    assert_same_bits(train_booster(9, 3, base_score=base_score), rows(300, seed=2))


@pytest.mark.parametrize(
    "parameters",
    [
        {"gamma": 5.0}, {"grow_policy": "lossguide", "max_leaves": 9}, {"num_parallel_tree": 3},
        {"tree_method": "exact"}, {"max_depth": 0, "max_leaves": 40, "grow_policy": "lossguide"},
        {"gamma": 1e9},
    ],
)  # fmt: skip
def test_trees_of_every_shape_are_served(parameters):
    assert_same_bits(train_booster(10, 5, **parameters), rows(300, seed=4))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.floats(width=64, allow_infinity=False, min_value=-1e30, max_value=1e30), min_size=6, max_size=6
    )
)
def test_any_finite_or_unknown_row_is_served(values):
    assert_same_bits(BOOSTER(), np.array([values]))


def test_the_check_at_creation_counts_its_rows_and_sees_one_wrong_bit_in_a_threshold():
    booster = BOOSTER()
    packed = read(raw(booster))
    assert check_bit_identity(booster, packed, rows(100, seed=1))["differing"] == 0
    packed.nodes["threshold"][0] = np.nextafter(packed.nodes["threshold"][0], np.float32(-np.inf))
    with pytest.raises(ArtifactError, match="differ from XGBoost"):
        check_bit_identity(booster, packed, rows(2_000, seed=1))


def test_other_kinds_of_model_are_refused_by_name():
    with pytest.raises(ArtifactError, match="objective 'reg:squarederror' is not served"):
        read(raw(train_booster(3, 2, objective="reg:squarederror")))


@pytest.mark.filterwarnings(
    "ignore:.*dart.*:UserWarning"
)  # newer XGBoost advises against what is refused here
def test_dropout_is_refused_whatever_name_the_version_gives_it(monkeypatch):
    with pytest.raises(ArtifactError, match=r"'dart' is not served|\(DART\)"):
        read(raw(train_booster(3, 2, booster="dart", rate_drop=0.5)))
    document = decode(raw(BOOSTER()))
    document["learner"]["gradient_booster"]["model"]["weight_drop"] = [0.5] * 20
    monkeypatch.setattr(trees_module, "decode", lambda _: document)
    with pytest.raises(ArtifactError, match="weight_drop is not served"):
        read(b"")


def test_several_outputs_are_refused():
    labels = np.random.default_rng(0).integers(0, 2, (300, 2))
    booster = xgboost.train(
        {"objective": "binary:logistic", "num_target": 2}, xgboost.DMatrix(rows(300, seed=1), labels), 2
    )
    with pytest.raises(ArtifactError, match="several outputs"):
        read(raw(booster))


def test_categorical_splits_are_refused():
    matrix = np.random.default_rng(0).integers(0, 5, (2_000, 2)).astype(float)
    data = xgboost.DMatrix(matrix, matrix[:, 0] == 2, feature_types=["c", "c"], enable_categorical=True)
    booster = xgboost.train({"objective": "binary:logistic", "tree_method": "hist", "max_depth": 2}, data, 2)
    with pytest.raises(ArtifactError, match="categorical"):
        read(raw(booster))


def test_an_ensemble_beyond_the_limits_is_refused(monkeypatch):
    monkeypatch.setattr(trees_module, "MAX_TREES", 19)
    with pytest.raises(ArtifactError, match="1 to 19 trees"):
        read(raw(BOOSTER()))
    monkeypatch.setattr(trees_module, "MAX_TREES", 20)
    monkeypatch.setattr(trees_module, "MAX_NODES", 50)
    with pytest.raises(ArtifactError, match="more than the 50 served"):
        read(raw(BOOSTER()))


def edited(change):
    """The model with one array of its second tree changed."""
    document = decode(raw(BOOSTER()))
    change(document["learner"]["gradient_booster"]["model"]["trees"][1])
    return document


@pytest.mark.parametrize(
    ("column", "row", "value", "message"),
    [
        ("left_children", 0, 0, "outside itself"),
        ("left_children", 0, 10_000, "outside itself"),
        ("right_children", 0, 1, "share a node"),
        ("split_indices", 0, 6, "does not exist"),
        ("split_indices", 0, -1, "does not exist"),
        ("split_conditions", 0, np.nan, "does not exist"),
        ("split_conditions", 0, np.inf, "does not exist"),
    ],
)
def test_a_tree_that_is_none_is_refused(monkeypatch, column, row, value, message):
    def change(tree):
        tree[column] = tree[column].astype(np.float64 if column == "split_conditions" else np.int64)
        tree[column][row] = value

    document = edited(change)
    monkeypatch.setattr(trees_module, "decode", lambda _: document)
    with pytest.raises(ArtifactError, match=message):
        read(b"")


def test_columns_of_different_length_are_refused(monkeypatch):
    document = edited(lambda tree: tree.update(default_left=tree["default_left"][:-1]))
    monkeypatch.setattr(trees_module, "decode", lambda _: document)
    with pytest.raises(ArtifactError, match="default_left of tree 1"):
        read(b"")


@pytest.mark.parametrize("text", ["", "[]", "[0.1,0.2]", "1E0", "0", "nan", "x"])
def test_a_base_score_that_is_no_probability_is_refused(monkeypatch, text):
    document = decode(raw(BOOSTER()))
    document["learner"]["learner_model_param"]["base_score"] = text
    monkeypatch.setattr(trees_module, "decode", lambda _: document)
    with pytest.raises(ArtifactError, match="is not one probability"):
        read(b"")


def test_a_plain_base_score_of_older_versions_is_read(monkeypatch):
    document = decode(raw(train_booster(3, 2, base_score=0.25)))
    document["learner"]["learner_model_param"]["base_score"] = "2.5E-1"
    monkeypatch.setattr(trees_module, "decode", lambda _: document)
    assert read(b"").base_margin == np.float32(-np.log(3.0))


MODEL = raw(train_booster(3, 3))


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_mutated_bytes_are_served_or_refused_and_nothing_else(data):
    """Bytes may turn into another valid model; they never turn into another error, nor into a wild read."""
    mutated = bytearray(MODEL)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(mutated) - 1))
        if data.draw(st.booleans()):
            mutated[place] = data.draw(st.integers(0, 255))
        else:
            del mutated[place : place + data.draw(st.integers(1, 40))]
            if not mutated:
                break
    try:
        packed = read(bytes(mutated))
    except ArtifactError:
        return
    assert packed.probabilities(rows(5, seed=1, features=packed.features)).shape == (5,)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_refused(noise):
    with pytest.raises(ArtifactError):
        read(noise)
