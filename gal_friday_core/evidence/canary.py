"""Looks for leaks: features that differ when the future is cut off, labels that touch a test, features too good to be true."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.candles import Candles
from gal_friday_core.errors import SchemaMismatchError
from gal_friday_core.evidence.report import Canary, Suspect
from gal_friday_core.evidence.slices import auc
from gal_friday_core.features.schema import FeatureSchema
from gal_friday_core.features.streams import REACH, FeatureTable, compute
from gal_friday_core.training_set import TrainingSet

Recompute = Callable[[Candles, FeatureSchema], FeatureTable]
"""Features of candles from nothing else. Raises SchemaMismatchError for a set that it does not know."""

Taught = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Rows of a training set's labels that a model learnt from, all of them; and those it was tested on."""


def look(
    data: TrainingSet,
    splits: Sequence[Taught],
    *,
    rows: int,
    seed: int,
    max_auc: float,
    recompute: Recompute = compute,
) -> Canary:
    """Compute `rows` feature rows again, compare the labels of every split, and score each feature on its own."""
    tested = np.unique(np.concatenate([test for _, test in splits]))
    sampled = np.sort(np.random.default_rng(seed).choice(tested, min(rows, len(tested)), replace=False))
    try:
        differs = np.array([_differs(data, int(row), recompute) for row in sampled])
        recomputed = True
    except SchemaMismatchError:
        differs, recomputed = np.zeros((0, len(data.schema)), np.bool_), False
    return Canary(
        recomputed=recomputed,
        rows=len(differs),
        differing=int(differs.any(axis=1).sum()),
        features=tuple(np.array(data.schema.names)[differs.any(axis=0)].tolist()),
        overlaps=sum(overlaps(data, *split) for split in splits),
        suspects=suspects(data, tested, max_auc),
    )


def _differs(data: TrainingSet, row: int, recompute: Recompute) -> NDArray[np.bool_]:
    """(features,): which columns of one row are not, bit for bit, what its own past gives."""
    bar = int(data.labels.index[row])
    past = data.candles[max(0, bar + 1 - REACH) : bar + 1]
    again = recompute(past, data.schema).values[-1]
    learnt_from = data.table.values[data.table_rows[row]]
    found: NDArray[np.bool_] = again.view(np.int64) != learnt_from.view(np.int64)
    return found


def overlaps(data: TrainingSet, taught: NDArray[np.int64], tested: NDArray[np.int64]) -> int:
    """How many labels that were learnt from share a moment with one that was tested, by [t0, t1]."""
    t0_ns, t1_ns = data.labels.t0_ns, data.labels.t1_ns
    starts = np.sort(t0_ns[tested])
    last_end = np.maximum.accumulate(t1_ns[tested][np.argsort(t0_ns[tested], kind="stable")])
    begun = np.searchsorted(starts, t1_ns[taught], side="right")
    touching = (begun > 0) & (last_end[np.maximum(begun - 1, 0)] >= t0_ns[taught])
    return int(touching.sum())


def suspects(data: TrainingSet, tested: NDArray[np.int64], max_auc: float) -> tuple[Suspect, ...]:
    """Features that part won from lost trades of the tested events, in either direction, at least as well as `max_auc`."""
    values, label = data.features(tested), data.labels.label[tested]
    found = []
    for column, name in enumerate(data.schema.names):
        area = auc(values[:, column], label)
        if area is not None and max(area, 1 - area) >= max_auc:
            found.append(Suspect(name, max(area, 1 - area)))
    return tuple(found)
