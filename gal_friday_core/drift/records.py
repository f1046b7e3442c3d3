"""What a look needs, from bars, an artifact and recorded predictions: `watched_of`.

The features of the reference are those of the bars before the model's holdout. What it said then is worth nothing to
compare with, since it had learnt it: scores and labelled history are of the holdout, which nothing was learnt from.
Everything after the last bar that training saw is now.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gal_friday_core import artifact
from gal_friday_core.candles import Candles
from gal_friday_core.drift.data import Reference
from gal_friday_core.drift.delay import NOT_YET, Scored
from gal_friday_core.drift.looks import Watched, promise_of
from gal_friday_core.drift.prediction import ScoreReference
from gal_friday_core.drift.settings import DriftConfig
from gal_friday_core.errors import DataError
from gal_friday_core.features.drivers import FeatureTable
from gal_friday_core.features.streams import compute, is_of_bars
from gal_friday_core.gates import evidence_of
from gal_friday_core.label_sets import VOLATILITY
from gal_friday_core.labels import Labels, label_trades
from gal_friday_core.predictor import Predictor


@dataclass(frozen=True, eq=False, slots=True)
class Said:
    """Predictions as they were recorded, in time order: the bar's close, and the probability."""

    t0_ns: NDArray[np.int64]
    probability: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.t0_ns)


def learnt_until(model: Predictor) -> int:
    """Open of the last bar that its training, gates and holdout saw. Raises DataError where it does not say."""
    last_ns = model.metadata.data.get("last_ns")
    if not isinstance(last_ns, int):
        raise DataError(f"{model.model_id} does not say which bars it learnt from: train it again")
    return last_ns


def learnt_from(model: Predictor) -> int:
    """Open of the first bar that it learnt from; 0 where it does not say."""
    first_ns = model.metadata.data.get("first_ns")
    return first_ns if isinstance(first_ns, int) else 0


def watched_of(
    model: Predictor, files: Mapping[str, bytes], candles: Candles, said: Said, config: DriftConfig
) -> Watched:
    """Everything that a look at the model compares. Raises DataError where there is nothing to compare with."""
    if not is_of_bars(model.schema):
        raise DataError(
            f"{model.model_id} takes features that the lake's bars do not give: it is not watched"
        )
    last_ns = learnt_until(model)
    table = compute(candles, model.schema)
    first, holdout = np.searchsorted(table.ts, (learnt_from(model), model.metadata.holdout_start_ns))
    before = table[int(first) : int(holdout)]
    if not len(before):
        raise DataError(f"{model.model_id}: the lake holds none of the bars that it learnt from")
    seen = int(np.searchsorted(table.ts, last_ns, side="right"))
    unseen, now = table[int(holdout) : seen], table[seen:][-config.window_bars :]
    labels = labels_of(model, candles, table)
    held = _predicted(model, unseen, candles.series.interval_ns)
    ended = held.t0_ns <= last_ns
    history = joined(held, labels)
    return Watched(
        model_id=model.model_id,
        reference=Reference.of(before.values[-config.reference_bars :], table.schema.names),
        features=now.values,
        scores=ScoreReference.of(held.probability[ended], model.entry_threshold),
        probability=said.probability[-config.window_bars :],
        history=history[history.t1_ns <= last_ns + candles.series.interval_ns],
        scored=joined(_asked(model, said, table, candles.series.interval_ns), labels),
        promise=promise_of(model),
        importance=importance_of(files),
    )


def labels_of(model: Predictor, candles: Candles, table: FeatureTable) -> Labels:
    """What the trade that the model was trained to judge returned, of every bar whose way is known."""
    return label_trades(candles, table.column(VOLATILITY), model.barriers, model.costs)


def joined(said: Said, labels: Labels) -> Scored:
    """Predictions with what became of them; `NOT_YET` where nobody knows."""
    found = Scored(said.t0_ns, said.probability, np.full(len(said), NOT_YET), np.full(len(said), np.nan))
    if len(labels.t0_ns) and len(said):
        rows = np.minimum(np.searchsorted(labels.t0_ns, said.t0_ns), len(labels.t0_ns) - 1)
        there = labels.t0_ns[rows] == said.t0_ns
        found.t1_ns[there] = labels.t1_ns[rows[there]]
        found.net_return[there] = labels.net_return[rows[there]]
    return found


def importance_of(files: Mapping[str, bytes]) -> dict[str, float] | None:
    """Weight of each feature by name, where the artifact tells of it."""
    if artifact.EVIDENCE not in files:
        return None
    return {one.feature: one.contribution for one in evidence_of(files).importance} or None


def _predicted(model: Predictor, table: FeatureTable, interval_ns: int) -> Said:
    """What the model says of every complete row that it is asked at."""
    rows = table.finite_rows() & _asks(model, table)
    return Said(table.ts[rows] + interval_ns, model.predict(table.values[rows]))


def _asked(model: Predictor, said: Said, table: FeatureTable, interval_ns: int) -> Said:
    """Without the bars of which a model with a primary rule has learnt nothing."""
    if model.metadata.primary is None or not len(said):
        return said
    asks = table.ts[_asks(model, table)] + interval_ns
    kept = np.isin(said.t0_ns, asks)
    return Said(said.t0_ns[kept], said.probability[kept])


def _asks(model: Predictor, table: FeatureTable) -> NDArray[np.bool_]:
    primary = model.metadata.primary
    if primary is None:
        return np.ones(len(table), np.bool_)
    return primary.fires(table.values, table.schema)
