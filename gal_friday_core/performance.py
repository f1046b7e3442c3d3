"""What a run earned, at what risk: statistics of an equity curve and its fills, as one JSON-able report.

A year has 365 days (crypto never closes). Daily returns are taken at 00:00 UTC, a day without an
observation carrying the last one; the last, unfinished day counts as one. A statistic that the data
cannot support is None, never zero.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import floor, fsum, sqrt
from statistics import NormalDist
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.errors import DataError
from gal_friday_core.money import ZERO, value_of
from gal_friday_core.payloads import ExecutionReport
from gal_friday_core.times import DAY_NS, SECOND_NS, to_iso
from gal_friday_core.trades import RoundTrips, Trade, fills_of, round_trips

DAYS_PER_YEAR = 365
LEAST_DAYS_TO_ANNUALIZE = 30
LEAST_RETURNS_FOR_INTERVAL = 10
CURVE_POINTS = 1_000

Floats = NDArray[np.float64]
Times = NDArray[np.int64]


@runtime_checkable
class Columns(Protocol):
    """A curve that has its points in columns already."""

    @property
    def ts(self) -> Times: ...

    def floats(self) -> Floats: ...


@dataclass(frozen=True, eq=False, slots=True)
class Curve:
    """Equity over time: `ts` (points,) ascending nanoseconds, `equity` (points,) float64, the first entry being the
    start; its first and its last value exactly as they were booked.
    """

    ts: Times
    equity: Floats
    initial: Decimal
    final: Decimal

    @classmethod
    def of(cls, points: Sequence[tuple[int, Decimal]]) -> "Curve":
        """From (time, equity) as an engine tells them. Raises DataError where there are fewer than two."""
        if len(points) < 2:
            raise DataError(f"an equity curve of {len(points)} points says nothing: run over more bars")
        if isinstance(points, Columns):
            ts, equity = points.ts, points.floats()
        else:
            ts = np.array([moment for moment, _ in points], np.int64)
            equity = np.array([float(value) for _, value in points])
        return cls(ts, equity, points[0][1], points[-1][1])

    def require(self) -> None:
        """Raises DataError where no statistics are defined on it."""
        if len(self.ts) < 2:
            raise DataError(f"an equity curve of {len(self.ts)} points says nothing: run over more bars")
        if (np.diff(self.ts) < 0).any() or self.ts[0] == self.ts[-1]:
            raise DataError("an equity curve must ascend in time")
        if not (self.equity > 0).all():
            raise DataError(f"equity fell to {self.equity.min()}: returns are not defined on it")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its confidence interval; `low` and `high` are None where too few returns exist."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest fall from a peak, as a fraction, and the longest time below any earlier peak."""

    depth: float
    peak_ns: int
    trough_ns: int
    longest_ns: int


def performance(
    curve: Curve | Sequence[tuple[int, Decimal]],
    reports: Iterable[ExecutionReport],
    *,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """The report of one run.

    `curve` holds (time in nanoseconds, equity) in ascending time, the first entry being the start. Every
    fill among `reports` counts once, in the order given. Raises DataError where the curve has fewer than
    two points, does not ascend, or touches zero.
    """
    known = curve if isinstance(curve, Curve) else Curve.of(curve)
    known.require()
    ts, equity = known.ts, known.equity
    fills = fills_of(reports)
    trips = round_trips(fills)
    returns = daily_returns(ts, equity)
    days = float(ts[-1] - ts[0]) / DAY_NS
    total = float(equity[-1] / equity[0] - 1)
    return {
        "start": to_iso(int(ts[0])),
        "end": to_iso(int(ts[-1])),
        "days": days,
        "initial_equity": str(known.initial),
        "final_equity": str(known.final),
        "net_profit": str(known.final - known.initial),
        "total_return": total,
        "annualized_return": annualized_return(total, days),
        "annualized_volatility": annualized_volatility(returns),
        "daily_returns": returns.tolist(),
        "sharpe": _sharpe_report(returns, confidence),
        "sortino": sortino(returns),
        "max_drawdown": _drawdown_report(max_drawdown(ts, equity)),
        "exposure_time": exposure_time(trips, int(ts[0]), int(ts[-1])),
        **_activity(fills, equity),
        "trades": trade_statistics(trips),
        "trade_list": [trade.as_dict() for trade in trips.trades],
        "equity_curve": _thinned(ts, equity),
    }


def daily_returns(ts: Times, equity: Floats) -> Floats:
    """One simple return for every UTC day that the curve touches, shape (days,).

    An observation at exactly 00:00 closes the day before it.
    """
    first, last = int(ts[0]) // DAY_NS, (int(ts[-1]) - 1) // DAY_NS
    ends = np.arange(first + 1, last + 2, dtype=np.int64) * DAY_NS
    closes = equity[np.searchsorted(ts, ends, side="right") - 1]
    values = np.concatenate((equity[:1], closes))
    return np.asarray(values[1:] / values[:-1] - 1, dtype=np.float64)


def annualized_return(total: float, days: float) -> float | None:
    """Compound growth a year; None below 30 days, where it would be an extrapolation only.

    >>> round(annualized_return(0.1, 730.0), 6)
    0.048809
    """
    if days < LEAST_DAYS_TO_ANNUALIZE:
        return None
    return float((1 + total) ** (DAYS_PER_YEAR / days) - 1)


def annualized_volatility(returns: Floats) -> float | None:
    """Sample standard deviation of daily returns times sqrt(365)."""
    if len(returns) < 2:
        return None
    return float(returns.std(ddof=1) * sqrt(DAYS_PER_YEAR))


def sharpe(returns: Floats, confidence: float = 0.95) -> Estimate | None:
    """Annualised Sharpe ratio of daily returns (risk-free rate 0) with its asymptotic interval.

    The variance is Lo's GMM estimator ("The Statistics of Sharpe Ratios", Financial Analysts Journal
    58(4), 2002, appendix): that of the influence x/s - SR/2 (x²/s² - 1), with Newey–West weights
    over floor(4 (T/100)^(2/9)) lags, so fat tails, skew and autocorrelation widen it. For independent
    normal returns it is Lo's (1 + SR²/2) / T. Value and bounds are scaled by sqrt(365). None where fewer
    than two returns exist or none of them differs.
    """
    count = len(returns)
    spread = float(returns.std(ddof=1)) if count >= 2 else 0.0
    if not spread > 1e-15:
        return None
    ratio = float(returns.mean()) / spread
    scale = sqrt(DAYS_PER_YEAR)
    if count < LEAST_RETURNS_FOR_INTERVAL:
        return Estimate(ratio * scale, None, None)
    unit = (returns - returns.mean()) / returns.std()
    error = sqrt(_long_run_variance(unit - ratio / 2 * (unit**2 - 1)) / count)
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * error
    return Estimate(ratio * scale, (ratio - reach) * scale, (ratio + reach) * scale)


def _long_run_variance(series: Floats) -> float:
    """Newey–West variance of a series of mean zero; never below zero (Bartlett weights)."""
    count = len(series)
    lags = floor(4 * (count / 100) ** (2 / 9))
    variance = float(series @ series) / count
    for lag in range(1, min(lags, count - 1) + 1):
        weight = 1 - lag / (lags + 1)
        variance += 2 * weight * float(series[lag:] @ series[:-lag]) / count
    return max(variance, 0.0)


def sortino(returns: Floats) -> float | None:
    """Annualised mean over downside deviation below 0 (Sortino & Price 1994); None without a losing day."""
    downside = sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2))) if len(returns) else 0.0
    return float(returns.mean()) / downside * sqrt(DAYS_PER_YEAR) if downside > 0 else None


def max_drawdown(ts: Times, equity: Floats) -> Drawdown:
    """Depth from the running peak, and the longest way back to it, or to the end of the curve."""
    highest = np.maximum.accumulate(equity)
    depth = 1 - equity / highest
    trough = int(depth.argmax())
    peak_of = np.maximum.accumulate(np.where(equity >= highest, np.arange(len(equity)), 0))
    below = depth > 0
    waiting = (below[1:] | below[:-1]) * (ts[1:] - ts[peak_of[:-1]])
    return Drawdown(
        depth=float(depth[trough]),
        peak_ns=int(ts[peak_of[trough]]),
        trough_ns=int(ts[trough]),
        longest_ns=int(waiting.max()),
    )


def exposure_time(trips: RoundTrips, start_ns: int, end_ns: int) -> float:
    """Share of the time in which any position was open."""
    spans = [(trade.entry_ns, trade.exit_ns) for trade in trips.trades]
    spans += [(since, end_ns) for since in trips.open_since.values()]
    covered, reached = 0, start_ns
    for begin, end in sorted(spans):
        covered += max(min(end, end_ns) - max(begin, reached), 0)
        reached = max(reached, end)
    return covered / (end_ns - start_ns)


def trade_statistics(trips: RoundTrips) -> dict[str, Any]:
    """Counts, hit rate and profit factor over closed trades; money in quote currency."""
    trades = trips.trades
    wins = [trade.net for trade in trades if trade.net > 0]
    losses = [trade.net for trade in trades if trade.net <= 0]
    lost = -sum(losses, ZERO)
    return {
        "count": len(trades),
        "open": len(trips.open_since),
        "hit_rate": len(wins) / len(trades) if trades else None,
        "average_win": float(sum(wins, ZERO)) / len(wins) if wins else None,
        "average_loss": -float(lost) / len(losses) if losses else None,
        "profit_factor": float(sum(wins, ZERO) / lost) if lost > 0 else None,
        "average_net_return": _mean([trade.net_return for trade in trades]),
        "average_hold_s": _mean([(trade.exit_ns - trade.entry_ns) / SECOND_NS for trade in trades]),
        "by_reason": _by_reason(trades),
    }


def _by_reason(trades: Sequence[Trade]) -> dict[str, dict[str, Any]]:
    reasons = sorted({trade.reason for trade in trades})
    chosen = {reason: [trade for trade in trades if trade.reason == reason] for reason in reasons}
    return {
        reason: {"count": len(these), "net": str(sum((trade.net for trade in these), ZERO))}
        for reason, these in chosen.items()
    }


def _activity(fills: Sequence[ExecutionReport], equity: Floats) -> dict[str, Any]:
    """Turnover counts both sides of each trade, over the mean of the curve."""
    traded = sum((value_of(fill.last_quantity or ZERO, fill.last_price or ZERO) for fill in fills), ZERO)
    return {
        "fills": len(fills),
        "traded_value": str(traded),
        "turnover": float(traded) / float(equity.mean()),
        "fees": str(sum((fill.commission or ZERO for fill in fills), ZERO)),
    }


def _sharpe_report(returns: Floats, confidence: float) -> dict[str, Any]:
    estimate = sharpe(returns, confidence)
    return {
        "value": estimate.value if estimate else None,
        "low": estimate.low if estimate else None,
        "high": estimate.high if estimate else None,
        "confidence": confidence,
        "daily_returns": len(returns),
        "periods_per_year": DAYS_PER_YEAR,
        "method": "Lo (2002), Newey-West",
    }


def _drawdown_report(drawdown: Drawdown) -> dict[str, Any]:
    return {
        "depth": drawdown.depth,
        "peak": to_iso(drawdown.peak_ns),
        "trough": to_iso(drawdown.trough_ns),
        "longest_s": drawdown.longest_ns / SECOND_NS,
    }


def _thinned(ts: Times, equity: Floats) -> list[tuple[str, float]]:
    """At most about `CURVE_POINTS` points that keep each stretch's lowest and highest, first and last."""
    rows = np.arange(len(ts))
    if len(ts) > CURVE_POINTS:
        parts = np.array_split(rows, CURVE_POINTS // 2)
        extremes = [(part[equity[part].argmin()], part[equity[part].argmax()]) for part in parts]
        rows = np.unique(np.concatenate(([0, len(ts) - 1], np.ravel(extremes))))
    return [(to_iso(int(ts[row])), float(equity[row])) for row in rows]


def _mean(values: Sequence[float]) -> float | None:
    return fsum(values) / len(values) if values else None
