"""XGBoost's `hist` trees for a binary outcome, grown by compiled Python: the same trees to the bit, in less time.

`boost` is the whole of it; `grown_trees` prepares its numbers and makes a model of what comes back. The order
of additions cannot matter, since every sum is exact: gradients are floats of 24 bits, and a tree whose gradients
span too much for the 53 bits of their sums is refused. What is saved is time only: features are counted four at
a time, histograms are read while they are near, empty bins are passed over, and a split that cannot win is seen
to lose without a division. Formulas: Chen and Guestrin, XGBoost, KDD 2016; float32 where version 3.2 has it.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from gal_friday_core.compiled import kept
from gal_friday_core.trees import sigmoid

SMALLEST_GAIN = 1e-6
"""A split must gain more than this."""
LAMBDA = 1.0
"""L2 regularisation of a leaf: XGBoost's own."""
CANNOT_WIN = 1.0 - 1e-6
"""Below this share of the best gain no rounding to float32 makes a winner."""
NO_PARENT = 2**31 - 1


class Binned(NamedTuple):
    """`columns` (features, rows) each value's bin; `bins` (features,) their number; `cuts` (features, bins) their upper ends."""

    columns: NDArray[np.uint8]
    bins: NDArray[np.int64]
    cuts: NDArray[np.float32]


class Taught(NamedTuple):
    """`label` and `weight` (rows,); `margin` (rows,) log odds so far, which the trees move on."""

    label: NDArray[np.float32]
    weight: NDArray[np.float32]
    margin: NDArray[np.float32]


class Growth(NamedTuple):
    """How trees grow: `least` sum of second derivatives in a leaf, `rate` of learning, `share` of rows a tree sees."""

    depth: int
    least: float
    rate: np.float32
    share: float


class Forest(NamedTuple):
    """What grew, (trees, nodes, …) with `counts` (trees,) of them used.

    `shapes` (…, 4): left child or -1 (the right one follows it), parent, feature, last bin that goes left.
    `values` (…, 4): threshold or leaf, weight, gain of the split, sum of second derivatives.
    """

    shapes: NDArray[np.int32]
    values: NDArray[np.float32]
    counts: NDArray[np.int64]


class Space(NamedTuple):
    """Room to work in. `rows` and `pairs` (rows, 2) stand in the order of nodes, `spare` beside them; `near`
    (slots, features, bins, 2) histograms; the rest by node: `ends` its rows, `sums` g, h and gain, `best` split.
    """

    bits: NDArray[np.int32]
    keep: NDArray[np.bool_]
    rows: NDArray[np.uint32]
    pairs: NDArray[np.float32]
    spare_rows: NDArray[np.uint32]
    spare_pairs: NDArray[np.float32]
    near: NDArray[np.float64]
    slots: NDArray[np.int64]
    ends: NDArray[np.int64]
    sums: NDArray[np.float64]
    best: NDArray[np.float64]


_logf: Any = types.ExternalFunction("logf", types.float32(types.float32))


@kept
@njit(cache=True, nogil=True)
def log_odds(share: Any) -> Any:
    """Of a share in (0, 1), float32, by libm's own float32 logarithm: NumPy's may differ in the last bit."""
    one = np.float32(1.0)
    return -_logf(one / np.float32(share) - one)


@kept
@njit(cache=True, nogil=True)
def binned(features: Any, into: Any) -> None:
    """Fill `into.columns`: for each value the first bin whose upper end is above it, else the last one."""
    for feature in range(len(into.bins)):
        cuts, column = into.cuts[feature], into.columns[feature]
        for row in range(len(features)):
            value = features[row, feature]
            low, high = 0, into.bins[feature] - 1
            while low < high:
                middle = (low + high) >> 1
                if cuts[middle] > value:
                    high = middle
                else:
                    low = middle + 1
            column[row] = low


@kept
@njit(cache=True, nogil=True)
def flip(seed: Any, share: float, keep: Any) -> None:
    """Which rows a tree sees: a multiplicative congruential generator modulo 2**63, one number a row."""
    mask = np.uint64(2**63 - 1)
    state = np.uint64(seed) & mask
    if state == 0:
        state = np.uint64(1)
    for row in range(len(keep)):
        state = (state * np.uint64(16807)) & mask
        keep[row] = np.float64(state - np.uint64(1)) / 2.0**63 < share


@kept
@njit(cache=True, nogil=True)
def derive(taught: Any, space: Any) -> int:
    """First and second derivatives of the log loss of the kept rows; how many, or -1 where a sum might round."""
    one, tiny = np.float32(1.0), np.float32(1e-16)
    taken, finest, slope, curve = 0, 255, 0.0, 0.0
    for row in range(len(space.keep)):
        if not space.keep[row]:
            continue
        p = sigmoid(taught.margin[row])
        h = p * (one - p)
        h = max(h, tiny)
        g, h = (p - taught.label[row]) * taught.weight[row], h * taught.weight[row]
        space.rows[taken], space.pairs[taken, 0], space.pairs[taken, 1] = row, g, h
        slope += abs(np.float64(g))
        curve += np.float64(h)
        for part in range(2):
            if space.pairs[taken, part] != 0:
                exponent = (space.bits[taken, part] >> 23) & 255
                finest = min(finest, exponent)
        taken += 1
    slope = max(slope, curve)
    return taken if finest > 0 and slope < math.ldexp(1.0, finest - 127 - 23 + 53) else -1


@kept
@njit(cache=True, nogil=True)
def weight_of(g: float, h: float, least: float) -> Any:
    """A leaf's weight before the rate of learning, float32."""
    if h < least or h <= 0.0:
        return np.float32(0.0)
    return np.float32(-g / (h + LAMBDA))


@kept
@njit(cache=True, nogil=True)
def gain_of(g: float, h: float) -> Any:
    """What a node explains, float32."""
    if h <= 0.0:
        return np.float32(0.0)
    return np.float32(g * g) / np.float32(h + LAMBDA)


@kept
@njit(cache=True, nogil=True)
def count(built: Any, data: Any, chosen: Any, space: Any, first: int, last: int) -> None:  # noqa: PLR0917 - compiled: by place
    """Sum the pairs of rows[first:last] by their bin: (chosen, bins, 2) into `built`.

    Four features at a time: neighbouring rows often share a bin, and one sum would wait for the other.
    """
    full = len(chosen) // 4 * 4
    for at in range(len(chosen)):
        for value in range(data.bins[chosen[at]]):
            built[at, value, 0] = 0.0
            built[at, value, 1] = 0.0
    rows, pairs = space.rows[first:last], space.pairs[first:last]
    for at in range(0, full, 4):
        c0, c1 = data.columns[chosen[at]], data.columns[chosen[at + 1]]
        c2, c3 = data.columns[chosen[at + 2]], data.columns[chosen[at + 3]]
        b0, b1, b2, b3 = built[at], built[at + 1], built[at + 2], built[at + 3]
        for here in range(len(rows)):
            row, g, h = rows[here], np.float64(pairs[here, 0]), np.float64(pairs[here, 1])
            v0, v1, v2, v3 = c0[row], c1[row], c2[row], c3[row]
            b0[v0, 0] += g
            b0[v0, 1] += h
            b1[v1, 0] += g
            b1[v1, 1] += h
            b2[v2, 0] += g
            b2[v2, 1] += h
            b3[v3, 0] += g
            b3[v3, 1] += h
    for at in range(full, len(chosen)):
        column, histogram = data.columns[chosen[at]], built[at]
        for here in range(len(rows)):
            value = column[rows[here]]
            histogram[value, 0] += np.float64(pairs[here, 0])
            histogram[value, 1] += np.float64(pairs[here, 1])


@kept
@njit(cache=True, nogil=True)
def better(histogram: Any, bins: int, feature: int, sums: Any, best: Any, least: float) -> None:  # noqa: PLR0917 - compiled: by place
    """Put the best split of a node in this feature into `best`, where it beats what is there; the first of equals."""
    g, h, own = sums[0], sums[1], np.float32(sums[2])
    won, bar = np.float32(best[0]), best[1] * CANNOT_WIN
    left_g, left_h = 0.0, 0.0
    for value in range(bins):
        here_g, here_h = histogram[value, 0], histogram[value, 1]
        if here_h == 0.0 and here_g == 0.0:
            continue
        left_g += here_g
        left_h += here_h
        right_g, right_h = g - left_g, h - left_h
        if left_h < least or right_h < least:
            continue
        a, b = left_h + LAMBDA, right_h + LAMBDA
        if left_g * left_g * b + right_g * right_g * a < bar * (a * b):
            continue
        gain = gain_of(left_g, left_h) + gain_of(right_g, right_h)
        loss = gain - own
        if loss > won:
            won, bar = loss, np.float64(gain) * CANNOT_WIN
            best[0], best[1], best[2], best[3], best[4], best[5] = loss, gain, feature, value, left_g, left_h


@kept
@njit(cache=True, nogil=True)
def settle(node: int, g: float, h: float, leaf: Any, shape: Any, value: Any, space: Any) -> None:  # noqa: PLR0917 - compiled: by place
    """A new node: a leaf, until it is split."""
    gain = gain_of(g, h)
    shape[node, 0] = -1
    value[node, 0] = value[node, 1] = leaf
    value[node, 3] = h
    space.sums[node, 0], space.sums[node, 1], space.sums[node, 2] = g, h, gain
    space.best[node, 0], space.best[node, 1] = 0.0, gain


@kept
@njit(cache=True, nogil=True)
def divide(node: int, child: int, data: Any, shape: Any, value: Any, space: Any, growth: Any) -> None:  # noqa: PLR0917 - compiled: by place
    """Split `node` as its `best` says, into `child` and `child + 1`, with its rows, each side in its order."""
    best, sums = space.best[node], space.sums[node]
    feature, bin_ = int(best[2]), int(best[3])
    shape[node, 0], shape[node, 2], shape[node, 3] = child, feature, bin_
    value[node, 0], value[node, 2] = data.cuts[feature, bin_], best[0]
    value[node, 1] = weight_of(sums[0], sums[1], growth.least)
    shape[child, 1] = shape[child + 1, 1] = node
    g, h = best[4], best[5]
    settle(child, g, h, weight_of(g, h, growth.least) * growth.rate, shape, value, space)
    g, h = sums[0] - g, sums[1] - h
    settle(child + 1, g, h, weight_of(g, h, growth.least) * growth.rate, shape, value, space)
    first, last = space.ends[node, 0], space.ends[node, 1]
    middle = part(data.columns[feature], bin_, space, first, last)
    space.ends[child, 0], space.ends[child, 1] = first, middle
    space.ends[child + 1, 0], space.ends[child + 1, 1] = middle, last


@kept
@njit(cache=True, nogil=True)
def part(column: Any, bin_: int, space: Any, first: int, last: int) -> int:
    """Sort rows[first:last] into those up to the bin and those beyond; where the latter start.

    Each is written to both sides and kept on one: a branch would be guessed wrongly every other time.
    """
    rows, pairs, aside, beside = space.rows, space.pairs, space.spare_rows, space.spare_pairs
    left, right = first, 0
    for here in range(first, last):
        row, g, h = rows[here], pairs[here, 0], pairs[here, 1]
        rows[left], pairs[left, 0], pairs[left, 1] = row, g, h
        aside[right], beside[right, 0], beside[right, 1] = row, g, h
        stays = int(column[row] <= bin_)
        left += stays
        right += 1 - stays
    for at in range(right):
        rows[left + at], pairs[left + at, 0], pairs[left + at, 1] = aside[at], beside[at, 0], beside[at, 1]
    return left


@kept
@njit(cache=True, nogil=True)
def look(child: int, data: Any, chosen: Any, space: Any, least: float) -> None:
    """The best splits of two siblings: count the smaller into the second's slot, and take it from what their
    parent left in the first's.
    """
    ends, slots = space.ends, space.slots
    small = child if ends[child, 1] - ends[child, 0] <= ends[child + 1, 1] - ends[child + 1, 0] else child + 1
    large = 2 * child + 1 - small
    slots[small], slots[large] = slots[child + 1], slots[child]
    counted, rest = space.near[slots[small]], space.near[slots[large]]
    count(counted, data, chosen, space, ends[small, 0], ends[small, 1])
    for at in range(len(chosen)):
        feature = chosen[at]
        bins = data.bins[feature]
        for value in range(bins):
            rest[at, value, 0] -= counted[at, value, 0]
            rest[at, value, 1] -= counted[at, value, 1]
        better(counted[at], bins, feature, space.sums[small], space.best[small], least)
        better(rest[at], bins, feature, space.sums[large], space.best[large], least)


@kept
@njit(cache=True, nogil=True)
def grow(data: Any, chosen: Any, taken: int, growth: Any, shape: Any, value: Any, space: Any) -> int:  # noqa: PLR0917 - compiled: by place
    """One tree over the first `taken` rows, level by level; how many nodes it has."""
    g, h = 0.0, 0.0
    for at in range(taken):
        g += np.float64(space.pairs[at, 0])
        h += np.float64(space.pairs[at, 1])
    settle(0, g, h, weight_of(g, h, growth.least) * growth.rate, shape, value, space)
    value[0, 1], shape[0, 1] = weight_of(g, h, growth.least), NO_PARENT
    space.ends[0, 0], space.ends[0, 1], space.slots[0] = 0, taken, 0
    count(space.near[0], data, chosen, space, 0, taken)
    for at in range(len(chosen)):
        better(
            space.near[0, at], data.bins[chosen[at]], chosen[at], space.sums[0], space.best[0], growth.least
        )
    first, nodes, slot = 0, 1, 1
    for level in range(1, growth.depth + 1):
        last = nodes
        for node in range(first, last):
            left_h = space.best[node, 5]
            if space.best[node, 0] <= SMALLEST_GAIN or left_h == 0.0 or space.sums[node, 1] - left_h == 0.0:
                continue
            divide(node, nodes, data, shape, value, space, growth)
            if level < growth.depth:
                space.slots[nodes], space.slots[nodes + 1] = space.slots[node], slot
                look(nodes, data, chosen, space, growth.least)
                # Histograms of the last level have no children to be taken from, and share a slot.
                slot += int(level + 1 < growth.depth)
            nodes += 2
        first = last
    return nodes


@kept
@njit(cache=True, nogil=True)
def move(margin: Any, data: Any, shape: Any, value: Any, nodes: int, space: Any) -> None:  # noqa: PLR0917 - compiled: by place
    """Add the tree's leaves to the margins: of rows where they stand, of rows left out by walking the tree."""
    for node in range(nodes):
        if shape[node, 0] < 0:
            for at in range(space.ends[node, 0], space.ends[node, 1]):
                margin[space.rows[at]] += value[node, 0]
    for row in range(len(margin)):
        if not space.keep[row]:
            node = 0
            while shape[node, 0] >= 0:
                node = shape[node, 0] + int(data.columns[shape[node, 2], row] > shape[node, 3])
            margin[row] += value[node, 0]


@kept
@njit(cache=True, nogil=True)
def boost(data: Any, taught: Any, chosen: Any, seeds: Any, growth: Any, forest: Any, space: Any) -> bool:  # noqa: PLR0917 - compiled: by place
    """All trees into `forest`, tree by tree of the features `chosen` (trees, features) and the rows of `seeds` (trees,).

    False, and a forest without meaning, where a sum could have rounded.
    """
    for tree in range(len(seeds)):
        if growth.share < 1.0:
            flip(seeds[tree], growth.share, space.keep)
        taken = derive(taught, space)
        if taken < 0:
            return False
        shape, value = forest.shapes[tree], forest.values[tree]
        nodes = grow(data, chosen[tree], taken, growth, shape, value, space)
        forest.counts[tree] = nodes
        move(taught.margin, data, shape, value, nodes, space)
    return True
