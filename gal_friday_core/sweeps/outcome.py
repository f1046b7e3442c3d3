"""What one backtest of a sweep shows: its daily returns, and the few figures that a table of trials has."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gal_friday_core.backtest.run import Ran
from gal_friday_core.candles import Candles
from gal_friday_core.errors import DataError
from gal_friday_core.evidence.sharpe import Record
from gal_friday_core.money import ZERO
from gal_friday_core.performance import daily_returns, exposure_time, max_drawdown
from gal_friday_core.times import DAY_NS, from_iso
from gal_friday_core.trades import fills_of, round_trips

Floats = NDArray[np.float64]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """`returns`: net, by UTC day from `first_day` (since 1970) on; money in quote, as text.

    `exposure`: share of time with a position. `halted`: why trading halted, where it did.
    """

    first_day: int
    returns: tuple[float, ...]
    bars: int
    trades: int
    net_profit: str
    fees: str
    total_return: float
    max_drawdown: float
    exposure: float
    halted: tuple[str, ...] = ()

    @property
    def ratio(self) -> float | None:
        """The daily Sharpe ratio; None where returns never vary."""
        return ratio_of(np.array(self.returns))


def ratio_of(returns: Floats) -> float | None:
    """Of daily `returns` (days,); None where they never vary or are fewer than three."""
    try:
        return Record.of(returns).ratio
    except DataError:
        return None


def outcome_of(report: Mapping[str, Any], bars: int) -> Outcome:
    """Of a backtest's report."""
    return Outcome(
        first_day=from_iso(report["start"]) // DAY_NS,
        returns=tuple(report["daily_returns"]),
        bars=bars,
        trades=int(report["trades"]["count"]),
        net_profit=str(report["net_profit"]),
        fees=str(report["fees"]),
        total_return=float(report["total_return"]),
        max_drawdown=float(report["max_drawdown"]["depth"]),
        exposure=float(report["exposure_time"]),
        halted=tuple(report["engine"]["halt_reasons"]),
    )


def outcome_of_run(ran: Ran) -> Outcome:
    """Of a run from event to event: the figures of its report, without the rest of it."""
    curve = ran.equity.curve()
    curve.require()
    ts, equity, account = curve.ts, curve.equity, ran.account
    fills = fills_of(account.reports)
    trips = round_trips(fills)
    return Outcome(
        first_day=int(ts[0]) // DAY_NS,
        returns=tuple(daily_returns(ts, equity).tolist()),
        bars=len(ran.tape),
        trades=len(trips.trades),
        net_profit=str(curve.final - curve.initial),
        fees=str(sum((fill.commission or ZERO for fill in fills), ZERO)),
        total_return=float(equity[-1] / equity[0] - 1),
        max_drawdown=max_drawdown(ts, equity).depth,
        exposure=exposure_time(trips, int(ts[0]), int(ts[-1])),
        halted=tuple(account.reasons),
    )


def held(candles: Candles) -> Outcome:
    """Of holding the asset over these bars, from the first one's opening price on; nothing is paid for it."""
    ts = np.concatenate((candles.ts[:1], candles.ts + candles.series.interval_ns))
    price = np.concatenate((candles.open[:1], candles.close))
    return Outcome(
        first_day=int(ts[0]) // DAY_NS,
        returns=tuple(daily_returns(ts, price).tolist()),
        bars=len(candles),
        trades=0,
        net_profit="0",
        fees="0",
        total_return=float(price[-1] / price[0] - 1),
        max_drawdown=max_drawdown(ts, price).depth,
        exposure=1.0,
    )


def over(days: tuple[int, int], outcome: Outcome) -> Floats:
    """The returns on every day from the first of `days` to before the second; 0 on days it says nothing of."""
    first, end = days
    found = np.zeros(end - first)
    start = max(first, outcome.first_day)
    stop = min(end, outcome.first_day + len(outcome.returns))
    if stop > start:
        at = outcome.first_day
        found[start - first : stop - first] = outcome.returns[start - at : stop - at]
    return found


def days_of(outcomes: Sequence[Outcome]) -> tuple[int, int]:
    """The first day that any of them tells of, and the day after the last."""
    return (
        min(one.first_day for one in outcomes),
        max(one.first_day + len(one.returns) for one in outcomes),
    )
