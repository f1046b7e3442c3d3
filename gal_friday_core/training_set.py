"""What a model learns from: complete feature rows with a label that is known before the holdout begins.

`assemble` makes it, of the label set that the configuration names. Every labelled bar can be tested on (the strategy looks at each one); every
`stride_bars`-th is an event to learn from, since neighbours say almost the same.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.candles import Candles
from gal_friday_core.config import Config, CostsConfig
from gal_friday_core.errors import DataError
from gal_friday_core.evidence.uniqueness import average_uniqueness
from gal_friday_core.features.drivers import FeatureTable
from gal_friday_core.features.schema import FeatureSchema
from gal_friday_core.label_sets import VOLATILITY, label_set
from gal_friday_core.labels import STOP, TARGET, TIME, Labels, break_even, label_trades
from gal_friday_core.splits import purged
from gal_friday_core.times import DAY_NS

MOSTLY_UNKNOWN = 0.5
"""Above this share of bars without a feature it is the feature that is missing, not history."""


@dataclass(frozen=True, eq=False, slots=True)
class TrainingSet:
    """Labelled bars in time order, before the holdout.

    `table_rows` (bars,) where each bar stands in `table`; `labels` (bars,); `events` (events,) the bars to
    learn from; `holdout_start_ns` the open of the first bar that no label touches. `candles` are those before
    it; `labels.index` are rows of them. `uniqueness` (bars,) in (0, 1]: how much of each event's trade no other
    event shares; 0 for bars that are no event.
    """

    candles: Candles
    table: FeatureTable
    table_rows: NDArray[np.int64]
    labels: Labels
    events: NDArray[np.int64]
    uniqueness: NDArray[np.float64]
    holdout_start_ns: int
    embargo_ns: int
    candles_fingerprint: str
    series_key: str
    first_ns: int
    last_ns: int
    candle_rows: int
    stride_bars: int

    @property
    def schema(self) -> FeatureSchema:
        return self.table.schema

    def features(self, bars: NDArray[np.int64]) -> NDArray[np.float64]:
        """(len(bars), features), complete."""
        return self.table.values[self.table_rows[bars]]

    def outcomes(self) -> dict[str, int]:
        """How the labelled trades ended."""
        ends = self.labels.outcome
        names = {"STOP": STOP, "TIME": TIME, "TARGET": TARGET}
        return {name: int((ends == outcome).sum()) for name, outcome in names.items()}


def assemble(candles: Candles, table: FeatureTable, config: Config) -> TrainingSet:
    """Label the candles and keep what can be learnt from.

    Raises DataError when features and candles do not belong together, when fewer than
    `training.min_events` events remain, when all trades end alike, or when no feature ever changes.
    """
    if not len(candles):
        raise DataError(f"{candles.series.key}: no candles; ingest history first")
    candles, table = _latest(candles, table, config.training.lookback_days)
    rows = _rows_of(candles, table)
    table_row = np.full(len(candles), -1, np.int64)
    table_row[rows] = np.where(table.finite_rows(), np.arange(len(table)), -1)
    labels = label_bars(candles, table, config, config.costs)
    labels = labels[table_row[labels.index] >= 0]
    labels = labels[asked(table.values[table_row[labels.index]], table.schema, config)]
    holdout_start = int(candles.ts[int(len(candles) * (1 - config.training.holdout_fraction))])
    embargo_ns = config.training.embargo_bars * candles.series.interval_ns
    labels = labels[
        purged(
            labels.t0_ns, labels.t1_ns, np.arange(len(labels)),
            start_ns=holdout_start, end_ns=int(candles.ts[-1]) + embargo_ns, embargo_ns=embargo_ns,
        )
    ]  # fmt: skip
    interval_ns = candles.series.interval_ns
    # A short history is read more closely, down to every bar, before it is refused.
    stride = max(1, min(config.training.stride_bars, len(labels) // config.training.min_events))
    events = np.flatnonzero(candles.ts[labels.index] // interval_ns % stride == 0)
    found = TrainingSet(
        candles=candles[: int(np.searchsorted(candles.ts, holdout_start))], table=table,
        table_rows=table_row[labels.index], labels=labels, events=events, stride_bars=stride,
        uniqueness=_uniqueness(candles, labels, events, config.training.weights),
        holdout_start_ns=holdout_start, embargo_ns=embargo_ns, candles_fingerprint=candles.fingerprint(),
        series_key=candles.series.key, first_ns=int(candles.ts[0]), last_ns=int(candles.ts[-1]),
        candle_rows=len(candles),
    )  # fmt: skip
    _check_learnable(found, config.training.min_events)
    return found


def _latest(candles: Candles, table: FeatureTable, days: float) -> tuple[Candles, FeatureTable]:
    """The bars of the latest `days`, all of them for 0. Features of the first know the bars before it all the same."""
    if not days:
        return candles, table
    first_ns = int(candles.ts[-1]) + candles.series.interval_ns - int(days * DAY_NS)
    return (
        candles[int(np.searchsorted(candles.ts, first_ns)) :],
        table[int(np.searchsorted(table.ts, first_ns)) :],
    )


def _uniqueness(
    candles: Candles, labels: Labels, events: NDArray[np.int64], weights: str
) -> NDArray[np.float64]:
    """(bars,). A trade occupies the bars from its purchase to its end; `weights` "none" gives every event 1."""
    found = np.zeros(len(labels))
    found[events] = 1.0
    if weights == "uniqueness" and len(events):
        ends = np.searchsorted(candles.ts, labels.t1_ns[events] - candles.series.interval_ns)
        found[events] = average_uniqueness(labels.index[events] + 1, ends, len(candles))
    return found


def label_bars(candles: Candles, table: FeatureTable, config: Config, costs: CostsConfig) -> Labels:
    """The label set's trade of every bar that can be labelled, at these costs; whether it can does not depend on them.

    Bars at which the set does not ask are among them. `table` may end later than the candles. Raises DataError when they do not belong together.
    """
    table = table[: int(np.searchsorted(table.ts, candles.ts[-1], side="right"))]
    volatility = np.full(len(candles), np.nan)
    volatility[_rows_of(candles, table)] = table.column(VOLATILITY)
    return label_trades(candles, volatility, label_set(config).barriers, costs)


def asked(values: NDArray[np.float64], schema: FeatureSchema, config: Config) -> NDArray[np.bool_]:
    """(n,): at which rows of `values` (n, features) the label set asks a model at all."""
    return label_set(config).asks(values, schema)


def _rows_of(candles: Candles, table: FeatureTable) -> NDArray[np.int64]:
    """Where each row of the table stands among the candles."""
    rows = np.searchsorted(candles.ts, table.ts)
    if not len(table) or rows[-1] >= len(candles) or not np.array_equal(candles.ts[rows], table.ts):
        raise DataError(
            f"{candles.series.key}: the feature table holds bars that the candles do not; compute the features again"
        )
    return rows


def _check_learnable(found: TrainingSet, min_events: int) -> None:
    if len(found.events) < min_events:
        raise DataError(
            f"{found.series_key}: {len(found.events):,} labelled events from {found.candle_rows:,} candles, "
            f"at least {min_events:,} are needed (training.min_events): {_what_is_missing(found.table)}"
        )
    break_even(found.labels.net_return[found.events])
    values = found.features(found.events)
    if not (np.ptp(values, axis=0) > 0).any():
        raise DataError(
            f"{found.series_key}: every feature is constant over {len(values):,} events: the candles never move"
        )


def _what_is_missing(table: FeatureTable) -> str:
    """Whether it is history, or features: bars at which one is unknown are not learnt from."""
    unknown = np.isnan(table.values).mean(axis=0)
    worst = int(np.argmax(unknown))
    if unknown[worst] <= MOSTLY_UNKNOWN:
        return "use more history"
    return (
        f"the feature {table.schema.names[worst]} is unknown (NaN) at {unknown[worst]:.0%} of the bars; "
        "fill the gaps in the candles, or use more history"
    )
