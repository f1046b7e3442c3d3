"""Where the profit came from: trades by pair, by the market they began in, by year and by hour of the day.

A regime is named by what had happened before the trade was decided. Where calm ends and wild begins is a quantile of
the whole run, told afterwards: it sorts trades, and decides none.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from math import fsum

import msgspec
import numpy as np
from numpy.typing import NDArray

from gal_friday_core.candles import Candles
from gal_friday_core.evidence.slices import REGIMES, TREND_BARS
from gal_friday_core.money import ZERO
from gal_friday_core.tearsheet.record import RunRecord, closed_by
from gal_friday_core.times import HOUR_NS
from gal_friday_core.trades import Trade

VOLATILITY_BARS = 60
UNKNOWN = "unknown"
"""Of trades that began before enough bars were seen."""
VOLATILITIES = (UNKNOWN, "calm", "normal", "wild")
TRENDS = (UNKNOWN, "rising", "falling")
_HOURS = 6

Codes = NDArray[np.int8]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Trades of one part: `by` 'pair', 'volatility', 'trend', 'hour'. `bars`: the share of the time that it was so; None
    where that is not asked. `net` and `fees` in quote currency.
    """

    by: str
    name: str
    bars: float | None
    trades: int
    hit_rate: float | None
    mean_net_return: float | None
    net: str
    fees: str


def parts(run: RunRecord) -> tuple[Part, ...]:
    """Of closed trades. Parts without one are told too, where the market was in them."""
    trades = run.trips.trades
    markets = {pair: _market(candles, run.history.get(pair)) for pair, candles in run.bars.items()}
    return (
        *_by("pair", trades, lambda trade: trade.trading_pair, dict.fromkeys(sorted(run.bars))),
        *_by_market("volatility", VOLATILITIES, run, {pair: wild for pair, (wild, _) in markets.items()}),
        *_by_market("trend", TRENDS, run, {pair: trend for pair, (_, trend) in markets.items()}),
        *_by("hour", trades, lambda trade: _hour(trade.entry_ns), {_span(hour): 1 / 4 for hour in range(0, 24, _HOURS)}),
    )  # fmt: skip


def _market(candles: Candles, history: Candles | None) -> tuple[Codes, Codes]:
    """Of each bar, as it was when the bar closed: places in `VOLATILITIES` and in `TRENDS`, each (bars,). `history` are the
    bars before the first, so that it is known there too.
    """
    past = candles.close[:0] if history is None else history.close[-TREND_BARS:]
    close, first = np.concatenate((past, candles.close)), len(past)
    known, spread = (column[first:] for column in volatility(close))
    wild = np.zeros(len(candles), np.int8)
    if known.any():
        edges = np.quantile(spread[known], REGIMES)
        wild[known] = 1 + np.searchsorted(edges, spread[known], side="right")
    trend = np.zeros(len(close), np.int8)
    rise = close[TREND_BARS:] - close[:-TREND_BARS]
    trend[TREND_BARS:] = np.where(rise >= 0, 1, 2)
    return wild, trend[first:]


def volatility(close: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Where the standard deviation of the last `VOLATILITY_BARS` log returns is known, and what it is: (bars,) each."""
    known = np.arange(len(close)) >= VOLATILITY_BARS
    spread = np.full(len(close), np.nan)
    if known.any():
        steps = np.concatenate(([0.0], np.diff(np.log(close))))
        sums, squares = np.cumsum(steps), np.cumsum(steps**2)
        mean = (sums[VOLATILITY_BARS:] - sums[:-VOLATILITY_BARS]) / VOLATILITY_BARS
        square = (squares[VOLATILITY_BARS:] - squares[:-VOLATILITY_BARS]) / VOLATILITY_BARS
        spread[known] = np.sqrt(np.maximum(square - mean**2, 0.0))
    return known, spread


def _by_market(by: str, names: Sequence[str], run: RunRecord, codes: Mapping[str, Codes]) -> tuple[Part, ...]:
    every = np.concatenate(list(codes.values()))
    counts, bars = np.bincount(every, minlength=len(names)), len(every)
    shares = {name: float(count) / bars for name, count in zip(names[1:], counts[1:], strict=True)}

    def named(trade: Trade) -> str:
        candles = run.bars[trade.trading_pair]
        decided = closed_by(candles, trade.entry_ns)
        return names[codes[trade.trading_pair][decided]] if decided >= 0 else UNKNOWN

    return _by(by, run.trips.trades, named, shares)


def _by(
    by: str,
    trades: Sequence[Trade],
    name_of: Callable[[Trade], str],
    shares: dict[str, float | None] | dict[str, float],
) -> tuple[Part, ...]:
    groups: dict[str, list[Trade]] = {name: [] for name in shares}
    for trade in trades:
        groups.setdefault(name_of(trade), []).append(trade)
    return tuple(_part(by, name, shares.get(name), these) for name, these in groups.items())


def _part(by: str, name: str, share: float | None, trades: Sequence[Trade]) -> Part:
    count = len(trades)
    return Part(
        by=by,
        name=name,
        bars=share,
        trades=count,
        hit_rate=sum(trade.net > 0 for trade in trades) / count if count else None,
        mean_net_return=fsum(trade.net_return for trade in trades) / count if count else None,
        net=str(_sum(trade.net for trade in trades)),
        fees=str(_sum(trade.fees for trade in trades)),
    )


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, ZERO)


def _hour(moment_ns: int) -> str:
    return _span(moment_ns // HOUR_NS % 24 // _HOURS * _HOURS)


def _span(hour: int) -> str:
    return f"{hour:02d}–{hour + _HOURS:02d} h UTC"
