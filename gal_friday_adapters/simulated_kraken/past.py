"""The bars of a pair before the exchange began: of every interval, from one-minute candles."""

from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from gal_friday_adapters.simulated_kraken.bars import COMMITTED, INTERVALS, MINUTES_A_DAY, Bar
from gal_friday_core.candles import Candles
from gal_friday_core.times import MINUTE_NS

LOT_DIGITS = 8


def past_bars(minutes: Candles, price_decimals: int) -> dict[int, list[Bar]]:
    """Bars by interval in minutes, oldest first, as many as are ever asked for, flat where nobody traded.

    A bar's value is the sum of its minutes' closes times volumes: the minutes do not tell their trades.
    """
    return {length: _bars(minutes, length, price_decimals) for length in INTERVALS} if len(minutes) else {}


def _bars(minutes: Candles, length: int, price_decimals: int) -> list[Bar]:
    step = length * MINUTE_NS
    kept = MINUTES_A_DAY if length == 1 else COMMITTED
    slots = minutes.ts // step
    recent = slots > slots[-1] - kept
    starts = np.flatnonzero(np.diff(slots[recent], prepend=slots[recent][0] - 1))
    column = _columns(minutes, recent)
    ends = np.append(starts[1:], len(column["close"])) - 1
    opened, close = column["open"][starts], column["close"][ends]
    high, low = np.maximum.reduceat(column["high"], starts), np.minimum.reduceat(column["low"], starts)
    volume, value = np.add.reduceat(column["volume"], starts), np.add.reduceat(column["value"], starts)
    trades = np.add.reduceat(column["trades"], starts)
    bars: list[Bar] = []
    for row, slot in enumerate(slots[recent][starts]):
        _fill(bars, int(slot) * step, step)
        bars.append(
            Bar(
                int(slot) * step,
                _decimal(opened[row], price_decimals),
                _decimal(high[row], price_decimals),
                _decimal(low[row], price_decimals),
                _decimal(close[row], price_decimals),
                _decimal(volume[row], LOT_DIGITS),
                _decimal(value[row], LOT_DIGITS),
                int(trades[row]),
            )
        )
    return bars


def _columns(minutes: Candles, recent: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
    names = ("open", "high", "low", "close", "volume", "trades")
    columns = {name: getattr(minutes, name)[recent].astype(np.float64) for name in names}
    columns["trades"] = np.maximum(columns["trades"], 0)  # -1 where the source did not count them
    return columns | {"value": columns["close"] * columns["volume"]}


def _fill(bars: list[Bar], until_ns: int, step: int) -> None:
    while bars and bars[-1].begin_ns + step < until_ns:
        price = bars[-1].close
        bars.append(Bar(bars[-1].begin_ns + step, price, price, price, price))


def _decimal(number: np.float64, decimals: int) -> Decimal:
    return Decimal(f"{number:.{decimals}f}")
