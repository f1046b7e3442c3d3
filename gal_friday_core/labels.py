"""Triple-barrier labels net of costs: what the strategy's trade, entered after each bar, would have returned.

The trade is long. It is decided at the close of bar i, bought at the open of the next bar, and protected
by a target and a stop at `barriers.widths` from bar i's close. It ends at the first of: stop, target, or
the open of bar i + 1 + horizon. The simulated exchange fills in the same way. Reference: López de Prado,
Advances in Financial Machine Learning, 2018, chapter 3.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gal_friday_core.barriers import widths
from gal_friday_core.candles import Candles
from gal_friday_core.compiled import kept
from gal_friday_core.config import BarriersConfig, CostsConfig
from gal_friday_core.errors import DataError

STOP, TIME, TARGET = -1, 0, 1
"""How a labelled trade ended."""

MAX_GAP_INTERVALS = 60
"""A wider hole between two bars on a trade's way leaves it without a label: nobody knows what happened."""

RULE = (
    "long; bought at the next open; target and stop from the close; a stop wins over a target in the same bar "
    "and fills at the open when the bar opens below it; else sold at the open after the horizon; "
    "taker fee on both sides, slippage on market and stop orders; positive when the net return is"
)


@dataclass(frozen=True, eq=False, slots=True)
class Labels:
    """One row a labelled trade, in time order.

    `index` the deciding bar's row in the candles; `t0_ns` the decision (that bar's close), `t1_ns` the
    close of the bar in which the trade ended, hence when its label is known; `net_return` of the money
    spent, after fees and slippage; `outcome` one of STOP, TIME, TARGET.
    """

    index: NDArray[np.int64]
    t0_ns: NDArray[np.int64]
    t1_ns: NDArray[np.int64]
    net_return: NDArray[np.float64]
    outcome: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, rows: Any) -> "Labels":
        return Labels(
            self.index[rows], self.t0_ns[rows], self.t1_ns[rows], self.net_return[rows], self.outcome[rows]
        )

    @property
    def label(self) -> NDArray[np.bool_]:
        """Whether the trade ended in net profit."""
        return self.net_return > 0


def label_trades(
    candles: Candles, volatility: NDArray[np.float64], barriers: BarriersConfig, costs: CostsConfig
) -> Labels:
    """Label every bar whose whole way is known.

    `volatility` (len(candles),): standard deviation of one bar's log return, known at each close. A bar
    gets no label where it is not finite, where the horizon passes the end of the candles, or where a gap
    of more than `MAX_GAP_INTERVALS` lies before the vertical barrier, however early the trade would have
    ended: whether a label exists never depends on how the trade went.
    """
    if len(volatility) != len(candles):
        raise DataError(
            f"{len(volatility):,} volatilities for {len(candles):,} candles: compute features again"
        )
    wide = np.diff(candles.ts, prepend=candles.ts[:1]) > MAX_GAP_INTERVALS * candles.series.interval_ns
    index, last, net_return, outcome = _walk(
        candles.open, candles.high, candles.low, candles.close,
        np.ascontiguousarray(volatility, np.float64), np.cumsum(wide),
        (
            barriers.horizon_bars, barriers.target_volatility, barriers.stop_volatility,
            barriers.min_width, barriers.max_width,
        ),
        (float(costs.taker_fee), float(costs.slippage)),
    )  # fmt: skip
    close_ns = candles.ts + candles.series.interval_ns
    return Labels(index, close_ns[index], close_ns[last], net_return, outcome)


@kept
@njit(cache=True)
def _walk(  # noqa: PLR0917 - compiled kernels take positions
    open_: Any, high: Any, low: Any, close: Any, volatility: Any, gaps: Any, trade: Any, costs: Any
) -> Any:
    """Every bar's trade. `gaps` counts the wide gaps up to each bar."""
    horizon, target_mult, stop_mult, min_width, max_width = trade
    fee, slippage = costs
    count = max(len(close) - horizon - 1, 0)
    index, last = np.empty(count, np.int64), np.empty(count, np.int64)
    net_return, outcome = np.empty(count, np.float64), np.empty(count, np.int8)
    found = 0
    for bar in range(count):
        if not np.isfinite(volatility[bar]) or gaps[bar + 1 + horizon] != gaps[bar]:
            continue
        up, down = widths(volatility[bar], horizon, target_mult, stop_mult, min_width, max_width)
        target, stop = close[bar] * (1.0 + up), close[bar] * (1.0 - down)
        end, price, how = _first_touch(open_, high, low, bar, horizon, target, stop)
        if how != TARGET:
            price *= 1.0 - slippage
        spent = open_[bar + 1] * (1.0 + slippage) * (1.0 + fee)
        index[found], last[found], outcome[found] = bar, end, how
        net_return[found] = price * (1.0 - fee) / spent - 1.0
        found += 1
    return index[:found].copy(), last[:found].copy(), net_return[:found].copy(), outcome[:found].copy()


@kept
@njit(cache=True)
def _first_touch(  # noqa: PLR0917 - compiled kernels take positions
    open_: Any, high: Any, low: Any, bar: int, horizon: int, target: float, stop: float
) -> Any:
    """The bar where the trade ends, the price before slippage, and how. Within one bar the stop comes first."""
    for now in range(bar + 1, bar + 1 + horizon):
        if low[now] <= stop:
            return now, min(open_[now], stop), STOP
        if high[now] >= target:
            return now, target, TARGET
    return bar + 1 + horizon, open_[bar + 1 + horizon], TIME


def break_even(net_returns: NDArray[np.float64]) -> tuple[float, float, float]:
    """Threshold L / (W + L), mean win W and mean loss L of labelled trades.

    A trade that wins with probability p is expected to return p W - (1 - p) L: nothing at the threshold.

    >>> break_even(np.array([0.75, 0.25, -0.5, -0.5]))
    (0.5, 0.5, 0.5)
    """
    wins, losses = net_returns[net_returns > 0], net_returns[net_returns <= 0]
    if not (len(wins) and len(losses)):
        raise DataError(
            f"every one of {len(net_returns):,} labelled trades {'won' if len(wins) else 'lost'}: there is nothing "
            "to learn; widen barriers.min_width beyond the costs, lengthen barriers.horizon_bars, or use more history"
        )
    win, loss = float(wins.mean()), float(-losses.mean())
    return loss / (win + loss), win, loss
