"""What a pair stood at when an order left: noted beside its intent, so that what waiting cost is told from slippage."""

from gal_friday_core.live_orders import QUOTE
from gal_friday_core.orders import Order
from gal_friday_core.ports import Clock, Journal
from gal_friday_live.market_price_service import MarketPriceService


class OrderQuotes:
    """Notes are not waited for: a crash may lose that of its last quarter of a second."""

    def __init__(self, prices: MarketPriceService, journal: Journal, clock: Clock) -> None:
        self._prices = prices
        self._journal = journal
        self._clock = clock

    def note(self, order: Order) -> None:
        """Note the middle of the book, or the last trade; nothing where only bars are known, since they say less."""
        known = self._prices.latest(order.trading_pair)
        if known is None or known.source == "BAR":
            return
        record = {
            "pair": order.trading_pair, "price": known.price, "source": known.source,
            "known_ns": int(known.timestamp_ns),  # a trade's is the wire's own kind of number, which no journal takes
        }  # fmt: skip
        self._journal.note(QUOTE, order.client_order_id, self._clock.now_ns(), record)
