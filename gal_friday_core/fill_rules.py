"""At what price an order fills within one bar of which only open, high, low and close are known.

The same rules label the training data (`gal_friday_core.labels`). Where a bar leaves the order of events
open they take the worse one: a stop before a target, a gap through the stop at the open. A trade is a bar of one price.
"""

from decimal import Decimal

from gal_friday_core.money import product
from gal_friday_core.payloads import MarketDataOHLCV, Side


def slipped(side: Side, price: Decimal, slippage: Decimal) -> Decimal:
    """A market order that meets this price fills worse by the slippage; one sent before the bar meets its open."""
    return product(price, 1 + slippage if side == "BUY" else 1 - slippage)


def stop_meets(stop: Decimal, candle: MarketDataOHLCV, *, from_open: bool) -> Decimal | None:
    """The price that a sell stop meets in this bar, at which it becomes a market order; None where it is not reached.

    `from_open` is False where the position was entered inside the bar, below its open: then the stop
    cannot have been jumped over at the open.
    """
    if from_open and candle.open <= stop:
        return candle.open
    return stop if candle.low <= stop else None


def target_fill(target: Decimal, candle: MarketDataOHLCV) -> Decimal | None:
    """A resting sell at the target fills at its own price, never better, once the bar touches it."""
    return target if candle.high >= target else None


def limit_fill_on_arrival(side: Side, limit: Decimal, met: Decimal, slippage: Decimal) -> Decimal | None:
    """A limit order that is marketable when it arrives takes the price it meets with slippage, capped by its limit."""
    price = slipped(side, met, slippage)
    if side == "BUY":
        return min(price, limit) if met <= limit else None
    return max(price, limit) if met >= limit else None


def limit_fill(side: Side, limit: Decimal, candle: MarketDataOHLCV) -> Decimal | None:
    """A resting limit order fills at its price once the bar trades *through* it: a touch leaves it in the queue."""
    through = candle.low < limit if side == "BUY" else candle.high > limit
    return limit if through else None
