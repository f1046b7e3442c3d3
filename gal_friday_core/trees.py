"""Gradient-boosted trees without XGBoost: its UBJSON model, packed, and served bit for bit as it would.

`read` packs a model; `margins` and `probabilities` serve rows. Invariants, each checked against
`Booster.predict`: features are rounded to float32; leaves are added in float32 in tree order, starting
from the base margin; `x < threshold` goes left and NaN goes where the split says; logarithm and
exponential are libm's float32 ones. Trees are walked eight at a time, which hides the latency of memory.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from gal_friday_core.compiled import kept
from gal_friday_core.errors import ArtifactError
from gal_friday_core.ubjson import decode

MAX_TREES = 10_000
MAX_NODES = 8_000_000
MAX_DEPTH = 32
LANES = 8

_FEATURE_BITS = 12
_JUMP_SHIFT = 13
_FEATURE_MASK = np.uint32(2**_FEATURE_BITS - 1)
_FEATURE_SHIFT, _DEFAULT_BIT = np.uint32(_JUMP_SHIFT), np.uint32(_FEATURE_BITS)
_ONE = np.uint32(1)
MAX_FEATURES = 2**_FEATURE_BITS - 1
MAX_TREE_NODES = 2 ** (32 - _JUMP_SHIFT)

NODE = np.dtype([("threshold", "<f4"), ("packed", "<u4")])
"""One node in eight bytes. `packed` is, from the lowest bit: 12 bits of feature, 1 bit that sends NaN right,
19 bits of distance to the left child; the right child follows the left one. A leaf keeps its value in
`threshold`, lies at distance 0 from itself, and asks for the feature after the last, which is NaN: so a
walk that has arrived stays."""

_MODEL_PARTS = {"cats", "gbtree_model_param", "iteration_indptr", "tree_info", "trees"}

_expf: Any = types.ExternalFunction("expf", types.float32(types.float32))
_logf: Any = types.ExternalFunction("logf", types.float32(types.float32))


@dataclass(frozen=True, eq=False, slots=True)
class PackedTrees:
    """`nodes` (n,) NODE of all trees; `groups` (g, LANES + 1) uint32, the first nodes of LANES trees and the
    steps that the deepest of them takes; `base_margin` the log odds that the sum begins with.
    """

    nodes: NDArray[np.void]
    groups: NDArray[np.uint32]
    base_margin: np.float32
    features: int
    trees: int

    def margin(self, values: NDArray[np.float64]) -> float:
        """Log odds of one row, a float32 number."""
        return float(margin_row(self.nodes, self.groups, self.base_margin, values))

    def margins(self, matrix: NDArray[np.float64]) -> NDArray[np.float32]:
        """Log odds of each row of a (rows, features) matrix."""
        found: NDArray[np.float32] = margin_rows(
            self.nodes, self.groups, self.base_margin, np.ascontiguousarray(matrix, np.float64)
        )
        return found

    def probabilities(self, matrix: NDArray[np.float64]) -> NDArray[np.float32]:
        """What `Booster.predict` gives for the same rows, bit for bit."""
        found: NDArray[np.float32] = sigmoids(self.margins(matrix))
        return found

    def split_features(self) -> NDArray[np.int64]:
        """(n,) the feature that each node splits on; the number of features for a leaf."""
        return (self.nodes["packed"] & _FEATURE_MASK).astype(np.int64)


@kept
@njit(cache=True, inline="always")
def _next(nodes: Any, node: Any, row: Any) -> Any:
    """One step down. Unsigned throughout: signed indices would be checked for counting from the end."""
    here = nodes[node]
    packed = here.packed
    x = row[packed & _FEATURE_MASK]
    left = node + np.uint64(packed >> _FEATURE_SHIFT)
    if x != x:  # noqa: PLR0124 - NaN, without a call
        return left + np.uint64((packed >> _DEFAULT_BIT) & _ONE)
    return left + np.uint64(x >= here.threshold)


@kept
@njit(cache=True)
def margin_row(nodes: Any, groups: Any, base_margin: Any, values: Any) -> Any:
    """Log odds of one row of float64 features."""
    row = np.empty(len(values) + 1, np.float32)
    for column in range(len(values)):
        row[column] = values[column]
    row[len(values)] = np.nan
    total = np.float32(base_margin)
    for group in groups:
        a, b, c, d = np.uint64(group[0]), np.uint64(group[1]), np.uint64(group[2]), np.uint64(group[3])
        e, f, g, h = np.uint64(group[4]), np.uint64(group[5]), np.uint64(group[6]), np.uint64(group[7])
        for _ in range(group[LANES]):
            a, b, c, d = (
                _next(nodes, a, row),
                _next(nodes, b, row),
                _next(nodes, c, row),
                _next(nodes, d, row),
            )
            e, f, g, h = (
                _next(nodes, e, row),
                _next(nodes, f, row),
                _next(nodes, g, row),
                _next(nodes, h, row),
            )
        for leaf in (a, b, c, d, e, f, g, h):
            total += nodes[leaf].threshold
    return total


@kept
@njit(cache=True)
def margin_rows(nodes: Any, groups: Any, base_margin: Any, matrix: Any) -> Any:
    """`margin_row` of every row."""
    found = np.empty(len(matrix), np.float32)
    for row in range(len(matrix)):
        found[row] = margin_row(nodes, groups, base_margin, matrix[row])
    return found


@kept
@njit(cache=True)
def sigmoid(margin: Any) -> Any:
    """As XGBoost writes it, in float32: the exponent is capped so that it cannot overflow."""
    one = np.float32(1)
    return one / (_expf(min(np.float32(-margin), np.float32(88.7))) + one)


@kept
@njit(cache=True)
def sigmoids(margins: Any) -> Any:
    """`sigmoid` of every margin."""
    found = np.empty(len(margins), np.float32)
    for row in range(len(margins)):
        found[row] = sigmoid(margins[row])
    return found


@kept
@njit(cache=True)
def _log_odds(probability: Any) -> Any:
    one = np.float32(1)
    return -_logf(one / np.float32(probability) - one)


def read(model: bytes) -> PackedTrees:
    """Pack a `binary:logistic` gbtree model of XGBoost 3 (`save_raw("ubj")`).

    Raises ArtifactError for damaged bytes, and for what this cannot serve exactly: DART, linear and
    multi-output models, categorical splits, other objectives, ensembles beyond the limits above.
    """
    document = decode(model)
    parameters = _supported_parameters(document)
    forest = _plain_forest(_at(document, "learner", "gradient_booster", "model"))
    if not isinstance(forest, list) or not 1 <= len(forest) <= MAX_TREES:
        raise ArtifactError(f"model.ubj: expected 1 to {MAX_TREES:,} trees")
    features = _count(parameters, "num_feature", MAX_FEATURES)
    base = _base_score(parameters)
    return _pack([_read_tree(number, tree, features) for number, tree in enumerate(forest)], features, base)


def _supported_parameters(document: Any) -> dict[str, Any]:
    booster = _at(document, "learner", "gradient_booster", "name")
    if booster != "gbtree":
        raise ArtifactError(f"model.ubj: booster {booster!r} is not served, only 'gbtree' is")
    objective = _at(document, "learner", "objective", "name")
    if objective != "binary:logistic":
        raise ArtifactError(f"model.ubj: objective {objective!r} is not served, only 'binary:logistic' is")
    parameters = _at(document, "learner", "learner_model_param")
    if not isinstance(parameters, dict):
        raise ArtifactError("model.ubj: learner_model_param is damaged")
    if (
        str(parameters.get("num_class", "0")) not in ("0", "1")
        or str(parameters.get("num_target", "1")) != "1"
    ):
        raise ArtifactError("model.ubj: a model of several outputs is not served")
    return parameters


def _plain_forest(model: Any) -> Any:
    """The trees, where nothing else has a say: XGBoost ≥ 3.4 writes DART as 'gbtree' with weights beside."""
    trees = _at(model, "trees")
    unknown = sorted(set(model) - _MODEL_PARTS)
    if unknown:
        raise ArtifactError(
            f"model.ubj: {', '.join(unknown)[:80]} is not served: only plain trees are, without dropout (DART)"
        )
    return trees


def _base_score(parameters: dict[str, Any]) -> np.float32:
    """XGBoost ≥ 3.1 writes a list in a string, such as '[5E-1]'; before, a number in a string."""
    text = str(parameters.get("base_score", "")).strip("[] ")
    try:
        score = np.float32(text)
    except ValueError:
        score = np.float32(np.nan)
    if not 0 < score < 1:
        raise ArtifactError(f"model.ubj: base_score {text[:40]!r} is not one probability")
    return score


def _count(parameters: dict[str, Any], name: str, limit: int) -> int:
    text = str(parameters.get(name, ""))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= limit):
        raise ArtifactError(f"model.ubj: {name} {text[:20]!r} is not a number from 1 to {limit:,}")
    return int(text)


def _at(document: Any, *path: str) -> Any:
    for depth, key in enumerate(path):
        if not isinstance(document, dict) or key not in document:
            raise ArtifactError(f"model.ubj: has no {'.'.join(path[: depth + 1])}: not an XGBoost model")
        document = document[key]
    return document


@dataclass(frozen=True, eq=False, slots=True)
class _Tree:
    """One tree in breadth-first order, children side by side."""

    nodes: NDArray[np.void]
    depth: int


def _column(number: int, tree: Any, name: str, size: int | None = None) -> NDArray[Any]:
    values = tree.get(name) if isinstance(tree, dict) else None
    if isinstance(values, list) and not values:
        values = np.empty(0)
    if not isinstance(values, np.ndarray) or (size is not None and len(values) != size):
        raise ArtifactError(f"model.ubj: {name} of tree {number} is missing or of the wrong length")
    return values


def _read_tree(number: int, tree: Any, features: int) -> _Tree:
    left = _column(number, tree, "left_children").astype(np.int64)
    right = _column(number, tree, "right_children", len(left)).astype(np.int64)
    threshold = _column(number, tree, "split_conditions", len(left)).astype(np.float32)
    feature = _column(number, tree, "split_indices", len(left)).astype(np.int64)
    default_left = _column(number, tree, "default_left", len(left)).astype(np.int64)
    if _column(number, tree, "split_type", len(left)).any():
        raise ArtifactError(f"model.ubj: tree {number} has a categorical split, which is not served")
    order, child, depth = _breadth_first(number, left, right)
    leaf = child < 0
    feature, threshold = feature[order], threshold[order]
    if not ((leaf | ((feature >= 0) & (feature < features))).all() and np.isfinite(threshold).all()):
        raise ArtifactError(f"model.ubj: tree {number} splits on a feature or value that does not exist")
    if len(order) > MAX_TREE_NODES:
        raise ArtifactError(
            f"model.ubj: tree {number} has {len(order):,} nodes, more than {MAX_TREE_NODES:,}"
        )
    jump = np.where(leaf, 0, child - np.arange(len(order)))
    default_right = ~leaf & (default_left[order] == 0)
    nodes = np.empty(len(order), NODE)
    nodes["threshold"] = threshold
    nodes["packed"] = jump << _JUMP_SHIFT | default_right << _FEATURE_BITS | np.where(leaf, features, feature)
    return _Tree(nodes, depth)


def _breadth_first(
    number: int, left: NDArray[np.int64], right: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Nodes from the root in breadth-first order, the place of each one's left child (-1: leaf), the depth."""
    levels = [np.zeros(1, np.int64)]
    places: list[NDArray[np.int64]] = []
    seen = 1
    while True:
        level = levels[-1]
        if len(left) == 0 or len(level) > len(left) or len(levels) > MAX_DEPTH + 1 or seen > len(left):
            raise ArtifactError(f"model.ubj: tree {number} is empty, deeper than {MAX_DEPTH}, or not a tree")
        inner = left[level] >= 0
        place = np.full(len(level), -1, np.int64)
        place[inner] = seen + 2 * np.arange(inner.sum())
        places.append(place)
        if not inner.any():
            break
        children = np.column_stack((left[level[inner]], right[level[inner]])).ravel()
        if children.min() < 1 or children.max() >= len(left):
            raise ArtifactError(f"model.ubj: tree {number} points outside itself")
        levels.append(children)
        seen += len(children)
    order = np.concatenate(levels)
    if len(np.unique(order)) != len(order):
        raise ArtifactError(f"model.ubj: tree {number} is not a tree: two branches share a node")
    return order, np.concatenate(places), len(levels) - 1


def _pack(forest: list[_Tree], features: int, base_score: np.float32) -> PackedTrees:
    """Lay all trees one behind the other. Trees that fill the last group are one leaf of -0.0, which adds nothing."""
    trees = len(forest)
    nothing = np.array([(-0.0, features)], NODE)
    forest = forest + [_Tree(nothing, 0)] * (-trees % LANES)
    sizes = np.array([len(tree.nodes) for tree in forest])
    if sizes.sum() > MAX_NODES:
        raise ArtifactError(f"model.ubj: {sizes.sum():,} nodes, more than the {MAX_NODES:,} served")
    roots = np.concatenate(([0], np.cumsum(sizes)[:-1])).reshape(-1, LANES)
    steps = np.array([tree.depth for tree in forest]).reshape(-1, LANES).max(axis=1, keepdims=True)
    nodes = np.concatenate([tree.nodes for tree in forest])
    groups = np.hstack((roots, steps)).astype(np.uint32)
    return PackedTrees(nodes, groups, np.float32(_log_odds(base_score)), features, trees)
