"""What trading costs beyond fees, estimated: the spread from bars, spread and impact from recorded books.

From bars: Abdi and Ranaldo (2017), by closing, high and low prices, and Corwin and Schultz (2012), by highs and lows
alone. Both take a bar's high for a buy and its low for a sale, and a price without drift; where that does not hold they
err, the one to nothing, the other upwards. From books nothing need be supposed: what an order pays is read
off the levels that it takes.
"""

from decimal import Decimal
from math import sqrt

import msgspec
import numpy as np
from numpy.typing import NDArray

from gal_friday_core.candles import Candles, Series
from gal_friday_core.frictions import PARKINSON
from gal_friday_core.market_events import BOOK, TRADE, MarketEvents
from gal_friday_core.times import MINUTE_NS
from gal_friday_core.trade_bars import bars_of_trades

FEWEST_BARS = 100
"""Pairs of bars below which nothing is estimated."""
SIZES = (0.01, 0.03, 0.1, 0.3)
"""Orders that are walked through recorded books, in shares of what their minute traded."""
_CORWIN = 3 - 2 * sqrt(2)

Floats = NDArray[np.float64]


class SpreadEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """Half of bid to ask as a fraction of the price, by each method; None where there are too few bars. `pairs` of bars
    that follow each other are what it rests on.
    """

    abdi_ranaldo: float | None
    corwin_schultz: float | None
    half_tick: float
    pairs: int

    @property
    def half_spread(self) -> float | None:
        """The largest of all that is told: in markets that trend from bar to bar Abdi and Ranaldo find none, Corwin and
        Schultz say rather too much, and less than half a tick no spread can be.
        """
        told = [half for half in (self.abdi_ranaldo, self.corwin_schultz) if half is not None]
        return max(*told, self.half_tick) if told else None


class BookEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """From verified books: `half_spread` as their time-weighted mean, `impact` as `fidelity.impact` takes it, by least squares
    over orders of `SIZES` on both sides. `beyond` is the share of those orders that ten levels did not hold; None where no
    minute has both books and trades.
    """

    half_spread: float
    impact: float | None
    beyond: float | None
    books: int
    minutes: int


def from_bars(candles: Candles, tick: Decimal) -> SpreadEstimate:
    """Over all bars that follow each other and have a range or a trade in them."""
    follows = np.diff(candles.ts) == candles.series.interval_ns
    traded = candles.volume > 0
    rows = np.flatnonzero(follows & traded[1:] & traded[:-1])
    half_tick = float(tick) / float(np.median(candles.close)) / 2 if len(candles) else 0.0
    if len(rows) < FEWEST_BARS:
        return SpreadEstimate(abdi_ranaldo=None, corwin_schultz=None, half_tick=half_tick, pairs=len(rows))
    high, low, close = (np.log(column) for column in (candles.high, candles.low, candles.close))
    return SpreadEstimate(
        abdi_ranaldo=abdi_ranaldo(high, low, close, rows) / 2,
        corwin_schultz=corwin_schultz(high, low, rows) / 2,
        half_tick=half_tick,
        pairs=len(rows),
    )


def abdi_ranaldo(high: Floats, low: Floats, close: Floats, rows: NDArray[np.int64]) -> float:
    """The spread from logarithms of prices; `rows` are bars whose next one follows. Equation 11 of their paper, the
    squares averaged before the root is taken.
    """
    middle = (high + low) / 2
    products = (close[rows] - middle[rows]) * (close[rows] - middle[rows + 1])
    return 2 * sqrt(max(float(products.mean()), 0.0))


def corwin_schultz(high: Floats, low: Floats, rows: NDArray[np.int64]) -> float:
    """The spread from logarithms of highs and lows; pairs of bars that would have a negative one count as none."""
    ranges = (high - low) ** 2
    single = ranges[rows] + ranges[rows + 1]
    joint = (np.maximum(high[rows], high[rows + 1]) - np.minimum(low[rows], low[rows + 1])) ** 2
    alpha = (np.sqrt(2 * single) - np.sqrt(single)) / _CORWIN - np.sqrt(joint / _CORWIN)
    spreads = 2 * (np.exp(alpha) - 1) / (1 + np.exp(alpha))
    return float(np.maximum(spreads, 0.0).mean())


def from_books(events: MarketEvents) -> BookEstimate | None:
    """None where there is no verified book."""
    rows = np.flatnonzero(
        (events.kind == BOOK) & (events.bid_prices[:, 0] > 0) & (events.ask_prices[:, 0] > 0)
    )
    if not len(rows):
        return None
    bid, ask = events.bid_prices[rows, 0], events.ask_prices[rows, 0]
    halves = (ask - bid) / (ask + bid)
    until = np.append(events.ts[rows[1:]], events.ts[-1])
    weights = np.maximum(until - events.ts[rows], 0).astype(np.float64)
    mean = float(np.average(halves, weights=weights) if weights.sum() > 0 else halves.mean())
    impact, beyond, minutes = _impact(events, rows)
    return BookEstimate(half_spread=mean, impact=impact, beyond=beyond, books=len(rows), minutes=minutes)


def _impact(events: MarketEvents, rows: NDArray[np.int64]) -> tuple[float | None, float | None, int]:
    """What orders pay beyond half the spread, against the root of their share of a minute times its deviation."""
    bars = _minutes(events)
    told, moved, missing, walked = [], [], 0, 0
    for start, high, low, volume in bars:
        inside = rows[(events.ts[rows] >= start) & (events.ts[rows] < start + MINUTE_NS)]
        deviation = PARKINSON * 2 * (high - low) / (high + low)
        if not len(inside) or volume <= 0 or deviation <= 0:
            continue
        row = int(inside[len(inside) // 2])
        for size in SIZES:
            for paid in _walk(events, row, size * volume):
                walked += 1
                if paid is None:
                    missing += 1
                else:
                    told.append(paid)
                    moved.append(deviation * sqrt(size))
    if not told:
        return None, (missing / walked if walked else None), len(bars)
    known = np.array(moved)
    return float(known @ np.array(told) / (known @ known)), missing / walked, len(bars)


def _minutes(events: MarketEvents) -> list[tuple[int, float, float, float]]:
    """Open time, high, low and volume of each minute that traded."""
    rows = events.kind == TRADE
    order = np.argsort(events.ts[rows], kind="stable")
    price = (events.price[rows] / 10.0**events.price_decimals)[order]
    quantity = (events.quantity[rows] / 10.0**events.quantity_decimals)[order]
    bars = bars_of_trades(Series(events.venue, events.pair, "1m"), events.ts[rows][order], price, quantity)
    return list(
        zip(bars.ts.tolist(), bars.high.tolist(), bars.low.tolist(), bars.volume.tolist(), strict=True)
    )


def _walk(events: MarketEvents, row: int, quantity: float) -> list[float | None]:
    """What a buy and a sale of this size pay beyond half the spread, as fractions; None where the levels do not hold it."""
    best_bid, best_ask = int(events.bid_prices[row, 0]), int(events.ask_prices[row, 0])
    middle = (best_bid + best_ask) / 2
    found: list[float | None] = []
    for prices, amounts, best in (
        (events.ask_prices[row], events.ask_quantities[row], best_ask),
        (events.bid_prices[row], events.bid_quantities[row], best_bid),
    ):
        left, spent = quantity * 10.0**events.quantity_decimals, 0.0
        for price, amount in zip(prices.tolist(), amounts.tolist(), strict=True):
            taken = min(left, amount)
            spent += taken * abs(price - best)
            left -= taken
        found.append(None if left > 1e-9 else spent / (quantity * 10.0**events.quantity_decimals) / middle)
    return found
