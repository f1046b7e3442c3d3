"""A sink that keeps what it hears, and waits for what a test expects."""

import asyncio


class Heard:
    """`usable` holds the pairs whose book may be used at this moment, with their best prices as told."""

    def __init__(self):
        self.usable = {}
        self.book_messages = 0
        self.trades, self.candles, self.invalid, self.gaps, self.states = [], [], [], [], []
        self.listings = []
        self.heartbeats = 0

    def on_book(self, pair, book, received_ns, raw):
        assert book.verified
        self.book_messages += 1
        self.usable[pair] = [side[0].price for side in book.levels(1)]

    def on_trades(self, pair, trades, received_ns):
        self.trades += [(trade.trading_pair, int(trade.trade_id)) for trade in trades]

    def on_candle(self, candle):
        assert candle.closed
        self.candles.append(candle)

    def on_invalid(self, pair, reason):
        self.invalid.append((pair, reason))
        assert self.usable.pop(pair, None), "told twice that the same book is gone"

    def on_gap(self, pair, missed):
        self.gaps.append((pair, missed))

    def on_heartbeat(self, received_ns):
        self.heartbeats += 1

    def on_status(self, *, connected, system, reason):
        self.states.append((connected, system, reason))

    def on_listing(self, pair, status):
        self.listings.append((pair, status))

    async def drained(self):
        pass

    async def until(self, condition, seconds=20):
        """Raises TimeoutError where it never becomes true."""
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - any state of any object is waited for
                await asyncio.sleep(0.005)
