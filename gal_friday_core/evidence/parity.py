"""What was learnt from against what is traded on: bars replayed through the live drivers, one at a time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.candles import Candles
from gal_friday_core.errors import DataError, SchemaMismatchError
from gal_friday_core.features.streams import FeatureTable, from_history
from gal_friday_core.predictor import Predictor

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Parity:
    """`rows` were computed both ways, `differing` of them not bit for bit alike; `source` says whose bars they were."""

    rows: int
    differing: int
    source: str


def replay(predictor: Predictor, candles: Candles, table: FeatureTable, bars: int, source: str) -> Parity:
    """The last `bars` of `table` again: features by a stream that starts there, predictions row by row.

    `candles` reach from before those bars to their end, as stored or as a live session recorded them; a bar that
    only one side has counts as differing. A row that is not complete is compared, and predicts nothing. Raises
    SchemaMismatchError for a feature set that no stream computes, DataError where there is nothing to replay.
    """
    predictor.require_schema(table.schema.hash)
    stored = table[max(0, len(table) - bars) :]
    if not len(stored) or not len(candles):
        raise DataError(f"{candles.series.key}: no bars to replay; ingest history first")
    first, end = (int(at) for at in np.searchsorted(candles.ts, (stored.ts[0], stored.ts[-1] + 1)))
    live = candles[first:end]
    stream = from_history(candles[:first], table.schema)
    streamed = np.array([stream.update(*_bar(live, bar)) for bar in range(len(live))]).reshape(len(live), -1)
    shared, here, there = np.intersect1d(live.ts, stored.ts, assume_unique=True, return_indices=True)
    differs = _bits(streamed[here]) != _bits(stored.values[there])
    differing = int((differs.any(axis=1) | _predicts_otherwise(predictor, streamed[here])).sum())
    alone = len(live) + len(stored) - 2 * len(shared)
    return Parity(len(shared) + alone, differing + alone, source)


def lived(table: FeatureTable, heard: FeatureTable, source: str) -> Parity:
    """What live engines had as features, against the same rows of `table`, bit for bit.

    A row that the table does not reach yet, or any more, is nobody's to judge. Raises SchemaMismatchError.
    """
    if heard.schema.hash != table.schema.hash:
        raise SchemaMismatchError(
            f"{source}: features of {heard.schema.name!r} were heard, not of {table.schema.name!r}"
        )
    shared, here, there = np.intersect1d(heard.ts, table.ts, assume_unique=True, return_indices=True)
    differs = (_bits(heard.values[here]) != _bits(table.values[there])).any(axis=1)
    within = (heard.ts >= table.ts[:1].min(initial=_NEVER)) & (heard.ts <= table.ts[-1:].max(initial=-_NEVER))
    alone = int(within.sum()) - len(shared)  # a bar that the market told, and the table has not
    return Parity(len(shared) + alone, int(differs.sum()) + alone, source)


def together(first: Parity, second: Parity) -> Parity:
    """Both at once."""
    return Parity(
        first.rows + second.rows, first.differing + second.differing, f"{first.source} and {second.source}"
    )


def _bar(candles: Candles, bar: int) -> tuple[int, float, float, float, float, float]:
    ts, *prices, volume = (column[bar] for column in candles.columns()[:6])
    open_, high, low, close = map(float, prices)
    return int(ts), open_, high, low, close, float(volume)


def _bits(values: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.ascontiguousarray(values).view(np.int64)


def _predicts_otherwise(predictor: Predictor, rows: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(rows,): where one prediction at a time is not what all together are."""
    complete = np.isfinite(rows).all(axis=1)
    together = predictor.predict(rows[complete])
    singly = np.array([predictor.predict_row(row) for row in rows[complete]])
    found = np.zeros(len(rows), np.bool_)
    found[complete] = _bits(together) != _bits(singly)
    return found
