"""How much of the equity was invested, at every point of the curve."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.candles import Candles
from gal_friday_core.money import ZERO
from gal_friday_core.payloads import ExecutionReport
from gal_friday_core.tearsheet.record import RunRecord

Floats = NDArray[np.float64]


def exposure(run: RunRecord) -> Floats:
    """(points,): the value of all positions as a share of the equity, at the last closed bar of each pair."""
    ts = run.curve.ts
    worth = np.zeros(len(ts))
    for pair, fills in _by_pair(run).items():
        worth += _held(fills, ts) * _last_close(run.bars, pair, ts)
    found: Floats = worth / run.curve.equity
    return found


def _by_pair(run: RunRecord) -> Mapping[str, list[ExecutionReport]]:
    found: dict[str, list[ExecutionReport]] = {}
    for fill in run.fills:
        found.setdefault(fill.trading_pair, []).append(fill)
    return found


def _held(fills: list[ExecutionReport], ts: NDArray[np.int64]) -> Floats:
    """Base units held at each time; the sum is exact, so that what is flat is zero.

    What fills at a bar's open is dated where the bar before it ended, and was not held there yet.
    """
    moments, held, quantity = [], [0.0], ZERO
    for fill in fills:
        sign = 1 if fill.side == "BUY" else -1
        quantity += sign * (fill.last_quantity or ZERO)
        moments.append(fill.timestamp_exchange + (fill.order_type == "MARKET"))
        held.append(float(quantity))
    found: Floats = np.array(held)[np.searchsorted(np.array(moments, np.int64), ts, side="right")]
    return found


def _last_close(bars: Mapping[str, Candles], pair: str, ts: NDArray[np.int64]) -> Floats:
    candles = bars[pair]
    row = np.searchsorted(candles.ts, ts - candles.series.interval_ns, side="right") - 1
    found: Floats = candles.close[np.maximum(row, 0)]
    return found
