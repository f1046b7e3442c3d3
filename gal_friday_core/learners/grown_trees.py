"""A whole XGBoost model without XGBoost's own slow half: it bins and names the start, `histogram_trees` grows.

`grown` gives the model that `xgboost.train` would give, to the byte, or None where it cannot promise that. It
promises nothing until it has made one model both ways in this process and found the same bytes.
"""

import json
import struct
from functools import cache
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from gal_friday_core.config import TrainingConfig
from gal_friday_core.learners.base import Lesson
from gal_friday_core.learners.histogram_trees import (
    Binned,
    Forest,
    Growth,
    Space,
    Taught,
    binned,
    boost,
    log_odds,
)
from gal_friday_core.ubjson import decode

MOST_BINS = 256
"""A bin is a byte here."""
MOST_ROOM = 64 * 2**20
"""Bytes of histograms that are kept near; deeper trees are left to the library."""

_MARKERS = {">f4": b"d", ">i4": b"l", ">i8": b"L", "|u1": b"U"}


def grown(
    lesson: Lesson,
    matrix: xgboost.QuantileDMatrix,
    settings: TrainingConfig,
    words: dict[str, Any],
    trees: int,
) -> xgboost.Booster | None:
    """The booster of `xgboost.train(words, matrix, trees)`, where `matrix` is the lesson's; None where that is not
    certain, or where the library is as quick.
    """
    worth = pays(len(lesson), settings) and _fits(lesson, settings)
    return _grown(lesson, matrix, settings, words, trees) if worth and agrees() else None


def pays(rows: int, settings: TrainingConfig) -> bool:
    """Whether looking for splits costs more than counting rows: it is the looking that is quicker here."""
    return bool(2**settings.depth * settings.bins > rows)


def _fits(lesson: Lesson, settings: TrainingConfig) -> bool:
    room = 2 ** max(settings.depth - 2, 0) * lesson.features.shape[1] * settings.bins * 16
    return settings.bins <= MOST_BINS and room <= MOST_ROOM and bool(np.isfinite(lesson.features).all())


@cache
def agrees() -> bool:
    """Whether this XGBoost on this machine gives the bytes that we give: asked once, of a small model."""
    rng = np.random.default_rng(5)
    features = rng.normal(size=(600, 9))
    label = features[:, 0] + features[:, 1] * features[:, 2] + rng.normal(size=600) > 0.5
    lesson = Lesson(features, label, rng.uniform(0.5, 1.5, 600))
    settings = TrainingConfig(depth=4, bins=32, min_child_weight=1, learning_rate=0.3)
    words = {
        "objective": "binary:logistic", "tree_method": "hist", "max_depth": 4, "max_bin": 32, "eta": 0.3,
        "min_child_weight": 1, "subsample": 0.5, "colsample_bytree": 0.5, "nthread": 1, "seed": settings.seed,
        "verbosity": 0,
    }  # fmt: skip
    matrix = xgboost.QuantileDMatrix(
        features.astype(np.float32), label, weight=lesson.weight, max_bin=32, nthread=1
    )
    ours = _grown(lesson, matrix, settings, words, 8)
    return ours is not None and ours.save_raw("ubj") == xgboost.train(words, matrix, 8).save_raw("ubj")


def _grown(
    lesson: Lesson,
    matrix: xgboost.QuantileDMatrix,
    settings: TrainingConfig,
    words: dict[str, Any],
    trees: int,
) -> xgboost.Booster | None:
    rows, features = lesson.features.shape
    # Its start and its form are the library's: a model of one tree with one split.
    model = decode(bytes(xgboost.train(words | {"max_depth": 1}, matrix, 1).save_raw("ubj")))
    start = np.float32(json.loads(model["learner"]["learner_model_param"]["base_score"])[0])
    margin = np.full(rows, log_odds(start), np.float32)
    draws = _generator(settings.seed).random_raw(1 + trees)
    chosen = _columns(int(draws[0]), features, trees, settings.column_sample)
    data = _bins(lesson, matrix)
    nodes = 2 ** (settings.depth + 1) - 1
    forest = Forest(
        np.zeros((trees, nodes, 4), np.int32),
        np.zeros((trees, nodes, 4), np.float32),
        np.zeros(trees, np.int64),
    )
    growth = Growth(
        settings.depth, float(settings.min_child_weight), np.float32(settings.learning_rate),
        float(np.float32(settings.subsample)),
    )  # fmt: skip
    taught = Taught(lesson.label.astype(np.float32), lesson.weight.astype(np.float32), margin)
    space = _space(rows, nodes, chosen.shape[1], int(data.bins.max()), settings.depth)
    return (
        _booster(model, forest, words)
        if boost(data, taught, chosen, draws[1:], growth, forest, space)
        else None
    )


def _space(rows: int, nodes: int, features: int, bins: int, depth: int) -> Space:
    pairs = np.zeros((rows, 2), np.float32)
    return Space(
        bits=pairs.view(np.int32), keep=np.ones(rows, np.bool_), rows=np.zeros(rows, np.uint32), pairs=pairs,
        spare_rows=np.zeros(rows, np.uint32), spare_pairs=np.zeros((rows, 2), np.float32),
        near=np.zeros((1 + 2 ** max(depth - 2, 0), features, bins, 2)), slots=np.zeros(nodes, np.int64),
        ends=np.zeros((nodes, 2), np.int64), sums=np.zeros((nodes, 3)), best=np.zeros((nodes, 6)),
    )  # fmt: skip


def _bins(lesson: Lesson, matrix: xgboost.QuantileDMatrix) -> Binned:
    """The lesson in the library's bins. Its first cut of a feature is the least value, and bounds no bin."""
    starts, cuts = matrix.get_quantile_cut()
    starts = starts.astype(np.int64)
    bins = np.diff(starts) - 1
    upper = np.full((len(bins), bins.max()), np.inf, np.float32)
    for feature, size in enumerate(bins):
        upper[feature, :size] = cuts[starts[feature] + 1 : starts[feature + 1]]
    found = Binned(np.zeros((len(bins), len(lesson)), np.uint8), bins, upper)
    binned(lesson.features.astype(np.float32), found)
    return found


def _generator(seed: int) -> np.random.MT19937:
    """The Mersenne twister as C++ seeds it."""
    found = np.random.MT19937()
    found._legacy_seeding(seed)  # noqa: SLF001 - the only way to this seeding
    return found


def _columns(seed: int, features: int, trees: int, share: float) -> NDArray[np.int64]:
    """(trees, features seen), each row rising: the first ones of a shuffle. One shuffle goes before the first tree's."""
    if share >= 1:
        return np.tile(np.arange(features), (trees, 1))
    random = _generator(seed)
    size = max(1, int(np.float32(share) * np.float32(features)))
    shuffled = [_shuffled(random, features)[:size] for _ in range(1 + trees)]
    return np.sort(np.array(shuffled[1:], np.int64), axis=1)


def _shuffled(random: np.random.MT19937, size: int) -> list[int]:
    """std::shuffle of 0…size - 1 as GCC's library does it: two places from each number drawn."""
    found = list(range(size))
    at = 1
    if size % 2 == 0:
        other = _below(random, 2)
        found[1], found[other] = found[other], found[1]
        at = 2
    while at < size:
        for other in divmod(_below(random, (at + 1) * (at + 2)), at + 2):
            found[at], found[other] = found[other], found[at]
            at += 1
    return found


def _below(random: np.random.MT19937, bound: int) -> int:
    """A number below `bound`. Lemire, Fast Random Integer Generation in an Interval, 2019."""
    while True:
        product = int(random.random_raw()) * bound
        if product % 2**32 >= 2**32 % bound:
            return product >> 32


def _booster(model: dict[str, Any], forest: Forest, words: dict[str, Any]) -> xgboost.Booster:
    """The library's model with our trees in the place of its one."""
    inner = model["learner"]["gradient_booster"]["model"]
    trees = len(forest.counts)
    inner["gbtree_model_param"]["num_trees"] = str(trees)
    inner["iteration_indptr"] = list(range(trees + 1))
    inner["tree_info"] = [0] * trees
    form = inner["trees"][0]
    inner["trees"] = [_tree(forest, tree, form) for tree in range(trees)]
    booster = xgboost.Booster(words)
    booster.load_model(bytearray(_encoded(model)))
    return booster


def _tree(forest: Forest, tree: int, form: dict[str, Any]) -> dict[str, Any]:
    nodes = int(forest.counts[tree])
    shape, value = forest.shapes[tree, :nodes].T, forest.values[tree, :nodes].T
    left, none = shape[0], np.zeros(nodes, np.uint8)
    return form | {
        "base_weights": value[1], "default_left": none, "id": tree, "left_children": left,
        "loss_changes": value[2], "parents": shape[1], "right_children": np.where(left < 0, -1, left + 1),
        "split_conditions": value[0], "split_indices": shape[2], "split_type": none, "sum_hessian": value[3],
        "tree_param": form["tree_param"] | {"num_nodes": str(nodes)},
    }  # fmt: skip


def _encoded(value: Any) -> bytes:
    """UBJSON, as XGBoost reads it."""
    if isinstance(value, dict):
        return b"{" + b"".join(_text(key) + _encoded(item) for key, item in value.items()) + b"}"
    if isinstance(value, str):
        return b"S" + _text(value)
    if isinstance(value, int):
        return b"l" + struct.pack(">i", value)
    if isinstance(value, np.ndarray):
        big = value.dtype.newbyteorder(">")
        return b"[$" + _MARKERS[big.str] + b"#" + _length(len(value)) + value.astype(big).tobytes()
    return b"[#" + _length(len(value)) + b"".join(map(_encoded, value))


def _text(value: str) -> bytes:
    return _length(len(value.encode())) + value.encode()


def _length(size: int) -> bytes:
    return b"L" + struct.pack(">q", size)
