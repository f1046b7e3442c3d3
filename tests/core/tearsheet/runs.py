"""Runs by hand: bars, fills and entries, small enough to reckon on paper."""

from decimal import Decimal

import numpy as np

from gal_friday_core.candles import Candles, Series
from gal_friday_core.config import CostsConfig
from gal_friday_core.performance import Curve
from gal_friday_core.tearsheet.record import RunRecord
from gal_friday_core.times import HOUR_NS, from_iso
from tests.core.trading import fill, order

SERIES = Series("test", "BTC/USD", "1h")
START = from_iso("2024-01-30")
COSTS = CostsConfig(taker_fee=Decimal("0.01"), maker_fee=Decimal("0.005"), slippage=Decimal("0.001"))


def candles(close, low=None, high=None, opened=None, series=SERIES):
    close = np.asarray(close, np.float64)
    opened = np.concatenate((close[:1], close[:-1])) if opened is None else np.asarray(opened, np.float64)
    low = np.minimum(opened, close) if low is None else np.asarray(low, np.float64)
    high = np.maximum(opened, close) if high is None else np.asarray(high, np.float64)
    ts = START + np.arange(len(close), dtype=np.int64) * series.interval_ns
    return Candles(series, ts, opened, high, low, close, np.ones(len(close)), np.ones(len(close), np.int64))


def curve(bars, equity):
    equity = np.asarray(equity, np.float64)
    ts = np.concatenate((bars.ts[:1], bars.ts + bars.series.interval_ns))
    return Curve(ts, equity, Decimal(str(equity[0])), Decimal(str(equity[-1])))


def run(bars, equity, fills=(), entries=(), history=None):
    return RunRecord(
        bars={bars.series.pair: bars},
        history={} if history is None else {bars.series.pair: history},
        curve=curve(bars, equity),
        fills=fills,
        entries={entry.client_order_id: entry for entry in entries},
        costs=COSTS,
    )


def at(bar):
    """The open of a bar."""
    return START + bar * HOUR_NS


def bought(key, bar, price, quantity="1", fee="0"):
    return fill(key, "BUY", quantity, price, fee, ts=at(bar))


def stopped(key, bar, price, quantity="1", fee="0"):
    """At the end of the bar, as what happens inside one is told."""
    return fill(f"{key}-SL", "SELL", quantity, price, fee, ts=at(bar + 1), type_="STOP_LOSS")


def won(key, bar, price, quantity="1", fee="0"):
    return fill(f"{key}-TP", "SELL", quantity, price, fee, ts=at(bar + 1), type_="TAKE_PROFIT")


def entry(key, stop="90", target="110"):
    return order(key, stop_price=stop, target_price=target, created_at=START)
