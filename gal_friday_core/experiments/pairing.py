"""What models said of the same bars, once it is known what the bars brought: outcomes of a shadow experiment."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.experiments.design import Metric
from gal_friday_core.experiments.outcomes import Paired
from gal_friday_core.labels import Labels
from gal_friday_core.scores import log_losses, sequential_trades

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class Said:
    """One model: `probability` at each `at_ns` (closes of bars, ascending), and the labels of the trade it judges.

    It enters at `threshold` and above. `labels` are those known so far.
    """

    at_ns: NDArray[np.int64]
    probability: Values
    threshold: float
    labels: Labels


def paired(models: Sequence[Said], metric: Metric) -> Paired:
    """Every bar that any of the models spoke of and whose end is known to all; NaN where one was silent.

    `net_return`: what each would have earned with one position at a time, at the bar of its entry, else zero.
    `log_loss`: the loss with its sign turned, so that more is better.
    """
    moments = np.unique(np.concatenate([said.at_ns for said in models]))
    known = min((_until(said.labels) for said in models), default=0)
    moments = moments[moments <= known]
    values = np.column_stack([_on(moments, said, metric) for said in models])
    labelled = np.isfinite(values).any(axis=1)
    return Paired(moments[labelled], values[labelled])


def _until(labels: Labels) -> int:
    """No decision after this is known; whether one before it has a label never depends on how it went."""
    return int(labels.t0_ns[-1]) if len(labels) else -1


def _on(moments: NDArray[np.int64], said: Said, metric: Metric) -> Values:
    """(moments,)"""
    at, probability, rows = _labelled(said)
    found = np.full(len(moments), np.nan)
    places = np.searchsorted(moments, at)
    inside = (places < len(moments)) & (moments[np.minimum(places, len(moments) - 1)] == at)
    found[places[inside]] = _scores(said, probability, rows, metric)[inside]
    return found


def _labelled(said: Said) -> tuple[NDArray[np.int64], Values, NDArray[np.int64]]:
    """What it said of bars that have a label: moment, probability, and the label's row."""
    t0 = said.labels.t0_ns
    rows = np.minimum(np.searchsorted(t0, said.at_ns), max(len(t0) - 1, 0))
    has = t0[rows] == said.at_ns if len(t0) else np.zeros(len(said.at_ns), np.bool_)
    return said.at_ns[has], said.probability[has], rows[has]


def _scores(said: Said, probability: Values, rows: NDArray[np.int64], metric: Metric) -> Values:
    labels = said.labels[rows]
    if metric == "log_loss":
        return -log_losses(probability, labels.label)
    earned = np.zeros(len(labels))
    taken = sequential_trades(labels.t0_ns, labels.t1_ns, probability, said.threshold)
    earned[taken] = labels.net_return[taken]
    return earned
