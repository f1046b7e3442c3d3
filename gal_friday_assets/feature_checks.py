"""The promises of the feature kernel, tried on a sample of the series at hand."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.candles import Candles
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.schema import FeatureSchema
from gal_friday_core.features.streams import REACH, compute, stream

SAMPLE_BARS = 4_096
FEWEST_ROWS = 1_024
"""Fewer stored rows do not prove a feature dead."""
MAY_STAND_STILL = frozenset(
    ("missing_bars", "time_of_day_sin", "time_of_day_cos", "day_of_week_sin", "day_of_week_cos")
)
"""No bar is missing in a whole series, and daily bars know one time of day."""


def sample(candles: Candles, bars: int = SAMPLE_BARS) -> Candles:
    """The latest bars: what was ingested last is what nobody has looked at yet."""
    return candles[max(0, len(candles) - bars) :]


def leaked_columns(candles: Candles, schema: FeatureSchema = CANDLES_V1) -> list[str]:
    """Features that change at or before t when the prices and volumes after t are shuffled; none, if all is well.

    t is the middle of the sample; the shuffle is the same every time.
    """
    bars = sample(candles)
    cut = len(bars) // 2
    order = np.arange(len(bars))
    order[cut:] = np.random.default_rng(20_170_101).permutation(order[cut:])
    shuffled = Candles(bars.series, bars.ts, *(column[order] for column in bars.columns()[1:]))
    before, after = (compute(one, schema).values[:cut].view(np.int64) for one in (bars, shuffled))
    changed = (before != after).any(axis=0)
    return [name for name, leaks in zip(schema.names, changed, strict=True) if leaks]


def dead_columns(values: NDArray[np.float64], names: Sequence[str]) -> list[str]:
    """Features that say nothing in `values` (n, features): never known, or always the same. None of too few rows.

    >>> dead_columns(np.ones((5_000, 1)), ["volume"])
    ['volume is always 1']
    """
    if len(values) < FEWEST_ROWS:
        return []
    found = []
    for name, column in zip(names, values.T, strict=True):
        known = column[np.isfinite(column)]
        if not len(known):
            found.append(f"{name} is never known")
        elif not np.ptp(known) > 0 and name not in MAY_STAND_STILL:
            found.append(f"{name} is always {known[0]:g}")
    return found


def altered_columns(
    candles: Candles, stored: NDArray[np.float64], schema: FeatureSchema = CANDLES_V1
) -> list[str]:
    """Features whose newest `stored` rows (n, features) are not, bit for bit, what the candles give."""
    computed = compute(candles[max(0, len(candles) - len(stored) - REACH) :], schema).values
    differs = stored.view(np.int64) != computed[len(computed) - len(stored) :].view(np.int64)
    return [name for name, differ in zip(schema.names, differs.any(axis=0), strict=True) if differ]


def faults(candles: Candles, stored: NDArray[np.float64], schema: FeatureSchema = CANDLES_V1) -> list[str]:
    """Why nothing may learn from these features, in words; `stored` (n, features) are the newest stored rows."""
    mismatches = stream_mismatches(candles, schema)
    found = {
        "see the future": leaked_columns(candles, schema),
        "say nothing": dead_columns(stored, schema.names),
        "are not stored as they are computed": altered_columns(candles, stored, schema),
        "differ bar by bar": [f"{mismatches:,} rows"] if mismatches else [],
    }
    return [f"features that {what}: {', '.join(columns)}" for what, columns in found.items() if columns]


def stream_mismatches(candles: Candles, schema: FeatureSchema = CANDLES_V1) -> int:
    """Rows of the sample that the live driver computes differently from the batch driver; 0, if all is well."""
    bars = sample(candles)
    batch = compute(bars, schema).values
    live = stream(schema, bars.series.interval_ns)
    differing = 0
    for row, bar in enumerate(zip(*(column.tolist() for column in bars.columns()[:6]), strict=True)):
        differing += live.update(*bar).tobytes() != batch[row].tobytes()
    return differing
