"""Everything that is told of a run: the headline figures, and beside them all that this room knows. Plain values, JSON-able."""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gal_friday_core.performance import CURVE_POINTS, daily_returns, performance
from gal_friday_core.tearsheet.ambiguity import ambiguity
from gal_friday_core.tearsheet.comparison import BUY_AND_HOLD, compare, held
from gal_friday_core.tearsheet.costs import costs
from gal_friday_core.tearsheet.deflation import Tried, deflated
from gal_friday_core.tearsheet.distribution import distribution
from gal_friday_core.tearsheet.exposure import exposure
from gal_friday_core.tearsheet.intervals import intervals
from gal_friday_core.tearsheet.months import calendar
from gal_friday_core.tearsheet.record import RunRecord
from gal_friday_core.tearsheet.regimes import parts
from gal_friday_core.times import to_iso

Floats = NDArray[np.float64]

SEED = 20_240_301
"""Of every resample here: the same run gives the same page."""


def tearsheet(
    run: RunRecord,
    *,
    confidence: float = 0.95,
    tried: Tried | None = None,
    others: Mapping[str, Floats] | None = None,
) -> dict[str, Any]:
    """The report of `core.performance`, and of each section here one key.

    `others`: daily returns of other runs over the same days, by what they are called. Raises DataError where the curve
    supports no statistics, or another run has other days.
    """
    curve, trades = run.curve, run.trips.trades
    holding = held(run.bars, run.costs, float(curve.initial), curve.ts)
    against = {BUY_AND_HOLD: daily_returns(curve.ts, holding), **(others or {})}
    found = {
        "intervals": intervals(run.returns, confidence, SEED),
        "calendar": calendar(int(curve.ts[0]), run.returns),
        "distribution": distribution(trades, confidence, SEED),
        "costs": costs(run),
        "ambiguity": ambiguity(run),
        "parts": parts(run),
        "deflated": deflated(run.returns, tried or Tried(), confidence),
        "comparisons": [
            compare(name, run.returns, theirs, confidence, SEED) for name, theirs in against.items()
        ],
    }
    return {
        **performance(curve, run.fills, confidence=confidence),
        **{name: msgspec.to_builtins(value) for name, value in found.items()},
        "curves": _curves(run, {BUY_AND_HOLD: holding}),
    }


def _curves(run: RunRecord, others: Mapping[str, Floats]) -> dict[str, Any]:
    """Exposure, and the equity of others, at the same times: at most about `CURVE_POINTS` of them, evenly spread.

    Exposure is the mean since the last time shown, so that no short trade is left out.
    """
    count = len(run.curve.ts)
    rows = np.unique(np.linspace(0, count - 1, min(count, CURVE_POINTS)).astype(np.int64))
    invested = np.concatenate(([0.0], np.cumsum(exposure(run))))
    since = np.concatenate(([0], rows[:-1] + 1))
    return {
        "times": [to_iso(int(moment)) for moment in run.curve.ts[rows]],
        "exposure": ((invested[rows + 1] - invested[since]) / (rows + 1 - since)).tolist(),
        **{name: equity[rows].tolist() for name, equity in others.items()},
    }
