"""Bars out of recorded trades, only where a bar is certain to be whole.

Every trade of such a bar stands in an unbroken run of trade ids that begins before the bar and goes on after
it. A bar at the edge of a session, or beside a gap, is left to the exchange's own history.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.candles import Candles, Series, concatenate
from gal_friday_core.payloads import MarketDataOHLCV
from gal_friday_core.trade_bars import bars_of_trades


def whole_bars(series: Series, trades: Mapping[str, NDArray[Any]]) -> Candles | None:
    """The bars of which every trade is there, from trades in order of their ids; None where there is none.

    `trades` has the columns `trade_id`, `ts`, `price`, `quantity` of `MarketLake.trades`.
    """
    ids = trades["trade_id"]
    breaks = np.flatnonzero(np.diff(ids) != 1) + 1
    parts = []
    for first, last in pairwise([0, *breaks.tolist(), len(ids)]):
        order = np.argsort(trades["ts"][first:last], kind="stable")
        ts, price, quantity = (trades[name][first:last][order] for name in ("ts", "price", "quantity"))
        bars = bars_of_trades(series, ts, price, quantity)[1:-1]  # its first and its last may lack trades
        if len(bars):
            parts.append(bars)
    return concatenate(parts) if parts else None


def agreement(bars: Candles, sent: Iterable[MarketDataOHLCV]) -> tuple[int, int]:
    """How many of the exchange's own final bars are among ours, and how many of those are equal to the digit."""
    compared = agreed = 0
    for bar in sent:
        row = int(np.searchsorted(bars.ts, bar.timestamp_bar_start))
        if row < len(bars) and bars.ts[row] == bar.timestamp_bar_start:
            compared += 1
            ours = (column[row] for column in bars.columns()[1:6])
            theirs = (bar.open, bar.high, bar.low, bar.close, bar.volume)
            agreed += all(Decimal(repr(float(a))) == b for a, b in zip(ours, theirs, strict=True))
    return compared, agreed
