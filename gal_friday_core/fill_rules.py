"""At what price an order fills within one bar of which only open, high, low and close are known.

The same rules label the training data (`gal_friday_core.labels`). Where a bar leaves the order of events
open they take the worse one: a stop before a target, a gap through the stop at the open.
"""

from decimal import Decimal

from gal_friday_core.money import product
from gal_friday_core.payloads import MarketDataOHLCV, Side


def market_fill(side: Side, candle: MarketDataOHLCV, slippage: Decimal) -> Decimal:
    """A market order sent before the bar fills at its open, worse by the slippage."""
    return _slipped(side, candle.open, slippage)


def stop_fill(
    stop: Decimal, candle: MarketDataOHLCV, slippage: Decimal, *, from_open: bool
) -> Decimal | None:
    """Where a sell stop fills in this bar, or None where it is not reached.

    `from_open` is False where the position was entered inside the bar, below its open: then the stop
    cannot have been jumped over at the open.
    """
    if from_open and candle.open <= stop:
        return _slipped("SELL", candle.open, slippage)
    return _slipped("SELL", stop, slippage) if candle.low <= stop else None


def target_fill(target: Decimal, candle: MarketDataOHLCV) -> Decimal | None:
    """A resting sell at the target fills at its own price, never better, once the bar touches it."""
    return target if candle.high >= target else None


def limit_fill_at_open(
    side: Side, limit: Decimal, candle: MarketDataOHLCV, slippage: Decimal
) -> Decimal | None:
    """A limit order that is marketable when it arrives takes the open with slippage, capped by its limit."""
    price = _slipped(side, candle.open, slippage)
    if side == "BUY":
        return min(price, limit) if candle.open <= limit else None
    return max(price, limit) if candle.open >= limit else None


def limit_fill(side: Side, limit: Decimal, candle: MarketDataOHLCV) -> Decimal | None:
    """A resting limit order fills at its price once the bar trades *through* it: a touch leaves it in the queue."""
    through = candle.low < limit if side == "BUY" else candle.high > limit
    return limit if through else None


def _slipped(side: Side, price: Decimal, slippage: Decimal) -> Decimal:
    return product(price, 1 + slippage if side == "BUY" else 1 - slippage)
