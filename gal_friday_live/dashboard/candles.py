"""Bars to draw, and what was traded in them: as the engine heard them, completed by the lake."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.postgres.trading_history import TradingHistory
from gal_friday_core.booked_trades import BookedFill, BookedTrade
from gal_friday_core.candles import Candles, Series
from gal_friday_core.instruments import Instrument
from gal_friday_core.live_records import features_of
from gal_friday_core.times import to_iso

Figure = dict[str, Any]
Level = Callable[[BookedTrade], Decimal | None]


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """One pair over a stretch of time, and everything that happened to it there."""

    candles: Candles
    fills: Sequence[BookedFill]
    trades: Sequence[BookedTrade]

    @property
    def end_ns(self) -> int:
        """The close of the last bar."""
        return int(self.candles.ts[-1]) + self.candles.series.interval_ns


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bars of a series that close in [start, end), as these sessions heard them."""

    sessions: Sequence[str]
    series: Series
    start_ns: int
    end_ns: int


async def bars(history: TradingHistory, lake: CandleLake, of: Stretch) -> Candles:
    """Those that the sessions heard, and where they heard none, the lake's."""
    series, start_ns, end_ns = of.series, of.start_ns, of.end_ns
    step = series.interval_ns
    lines = await history.bars(of.sessions, series, start_ns, end_ns)
    heard = [part.bars for part in features_of(lines, series)]
    stored = await asyncio.to_thread(lake.read, series, start_ns - step, end_ns - step)
    return together([*heard, stored])


def together(parts: Sequence[Candles]) -> Candles:
    """Each moment once, the earlier part's word first; in time order. `parts` are of one series."""
    columns = [np.concatenate(column) for column in zip(*(part.columns() for part in parts), strict=True)]
    _, rows = np.unique(columns[0], return_index=True)
    return Candles(parts[0].series, *(column[rows] for column in columns))


def figure(drawn: Drawn) -> Figure:
    """As Plotly takes it; `role` names what each trace is coloured for. `{"empty": …}` where there is nothing to draw."""
    candles = drawn.candles
    if not len(candles):
        return {"empty": "No bars of this stretch: neither the engine's journal nor the lake holds any."}
    decimals = Instrument.derive(candles.series.pair, candles.close).price_decimals
    written = f",.{decimals}f"
    return {
        "data": [_bars(candles), *_marks(drawn), *_levels(drawn)],
        "layout": {
            "xaxis": {"rangeslider": {"visible": False}, "type": "date"},
            "yaxis": {"tickformat": written, "hoverformat": written, "side": "right"},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
            "showlegend": True,
            "hovermode": "closest",
        },
    }


def _bars(candles: Candles) -> Figure:
    return {
        "type": "candlestick", "name": candles.series.pair, "role": "candles", "showlegend": False,
        "x": [_moment(ts) for ts in candles.ts.tolist()], "open": candles.open.tolist(),
        "high": candles.high.tolist(), "low": candles.low.tolist(), "close": candles.close.tolist(),
    }  # fmt: skip


def _marks(drawn: Drawn) -> Iterable[Figure]:
    """Fills, by the bar that they fell into."""
    for side, name, symbol, role in (
        ("BUY", "Bought", "triangle-up", "gain"), ("SELL", "Sold", "triangle-down", "loss"),
    ):  # fmt: skip
        fills = [fill for fill in drawn.fills if fill.side == side]
        if fills:
            yield {
                "type": "scatter", "mode": "markers", "name": name, "role": role,
                "x": [_moment(fill.ts_ns) for fill in fills], "y": [float(fill.price) for fill in fills],
                "text": [f"{name} {fill.quantity.normalize():f} at {fill.price.normalize():f}" for fill in fills],
                "hoverinfo": "text+x", "marker": {"symbol": symbol, "size": 11, "line": {"width": 1}},
            }  # fmt: skip


def _levels(drawn: Drawn) -> Iterable[Figure]:
    """From entry to exit: the way of the trade, its stop and its target. What is still held has no exit to lead to."""
    ways: tuple[tuple[str, str, str, Level, Level], ...] = (
        ("Trade", "second", "solid", lambda one: one.entry, lambda one: one.exit or one.entry),
        ("Stop", "loss", "dot", lambda one: one.stop, lambda one: one.stop),
        ("Target", "gain", "dash", lambda one: one.target, lambda one: one.target),
    )
    for name, role, dash, begin, end in ways:
        x: list[str | None] = []
        y: list[float | None] = []
        for one in drawn.trades:
            first, last = begin(one), end(one)
            if first is not None and last is not None:
                until_ns = max(drawn.end_ns, one.opened_ns) if one.closed_ns is None else one.closed_ns
                x += [_moment(one.opened_ns), _moment(until_ns), None]
                y += [float(first), float(last), None]
        if x:
            yield {
                "type": "scatter", "mode": "lines", "name": name, "role": role, "x": x, "y": y,
                "line": {"dash": dash, "width": 1.5}, "hoverinfo": "skip",
            }  # fmt: skip


def _moment(ns: int) -> str:
    """UTC, as Plotly reads it: it would move a time that names its zone."""
    return to_iso(int(ns))[:23].rstrip("Z").replace("T", " ")
