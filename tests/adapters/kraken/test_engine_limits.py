"""Kraken's limit on orders is never hit: on a fast clock, against the exchange's own count of it."""

import asyncio
import time
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from gal_friday_adapters.kraken.kraken_exchange import KrakenExchange, KrakenSettings
from gal_friday_adapters.kraken.nonce import Nonces
from gal_friday_adapters.kraken.patience import Patience
from gal_friday_adapters.kraken.rest import kraken_rest
from gal_friday_adapters.kraken.rest_calls import Credentials
from gal_friday_adapters.kraken.rest_line import RestClock
from gal_friday_adapters.simulated_kraken.demo import simulated_kraken
from gal_friday_core.errors import ExchangeError
from gal_friday_core.orders import Amendment
from gal_friday_core.venue.listings import DEMO_LISTINGS
from tests.adapters.kraken.trading import PAIR, Told, order
from tests.adapters.simulated_kraken.running import KEY, SECRET, Ladder

FASTER = 50


class Fast:
    """A clock that runs so many times as fast, for the exchange and its client alike."""

    def __init__(self, faster):
        self.faster, self._before = faster, 0.0
        self.began, self.began_ns = time.monotonic(), time.time_ns()

    def timer(self):
        return self._before + self.faster * (time.monotonic() - self.began)

    def run(self, faster):
        """Go on at another pace."""
        self._before, self.began, self.faster = self.timer(), time.monotonic(), faster

    def now_ns(self):
        return self.began_ns + int(self.timer() * 1e9)

    async def sleep(self, seconds):
        await asyncio.sleep(seconds / self.faster)


@asynccontextmanager
async def hurried(tier):
    clock = Fast(FASTER)
    markets = {listing.symbol: Ladder() for listing in DEMO_LISTINGS}
    async with simulated_kraken(seed=1, tier=tier, markets=markets, now=clock.now_ns) as kraken:
        rest = kraken_rest(
            kraken.url, Credentials(KEY, SECRET), nonce=Nonces(clock.now_ns).next, tier=tier,
            clock=RestClock(now_ns=clock.now_ns, timer=clock.timer, jitter=lambda: 0.5, sleep=clock.sleep),
        )  # fmt: skip
        exchange = KrakenExchange(
            rest, clock, KrakenSettings(private_url=f"{kraken.socket_url}/v2", tier=tier, deadline_s=50.0),
            patience=Patience(silence_s=500.0, answer_s=500.0), timer=clock.timer, sleep=clock.sleep,
        )  # fmt: skip
        told = Told(exchange)
        await exchange.start()
        try:
            yield kraken, exchange, told, clock
        finally:
            await exchange.stop()


async def test_young_orders_are_cancelled_and_amended_as_fast_as_the_limit_allows_and_no_faster():
    async with hurried("starter") as (kraken, exchange, told, clock):
        began = clock.timer()
        for number in range(12):
            placed = order("SELL", limit_price=f"{31000 + number}.0")
            await exchange.submit(placed)
            await told.until(lambda report, own=placed: report.client_order_id == own.client_order_id)
            await exchange.amend(placed.client_order_id, Amendment(limit_price=Decimal(32000 + number)))
            await exchange.cancel(placed.client_order_id)
            await told.ended(placed.client_order_id)
        assert clock.timer() - began > 45  # 12 × (1 + 4 + 8) points, 60 at once and one more a second
        assert all(not found.is_open for found in kraken.exchange.orders(KEY))
        assert len(kraken.exchange.orders(KEY)) == 12


async def test_entries_are_refused_before_the_limit_and_leave_room_to_cancel():
    async with hurried("starter") as (kraken, exchange, told, clock):
        clock.run(
            1
        )  # on a busy machine the count would fall while they are sent, and their number be too many first
        placed = []

        async def place_on():
            for number in range(200):
                placed.append(order(quantity="0.001", limit_price=f"{29000 - number}.0"))
                await exchange.submit(placed[-1])

        with pytest.raises(ExchangeError) as refused:
            await place_on()
        assert refused.value.code == "ENGINE_RATE_LIMIT"
        assert await exchange.find(placed[-1].client_order_id) is None
        assert exchange.counters.read(PAIR, int(clock.timer() * 1e9)) <= 60 - 8
        clock.run(FASTER)
        await exchange.cancel(placed[0].client_order_id)
        assert (await told.ended(placed[0].client_order_id)).order_status == "CANCELED"
        assert len(kraken.exchange.orders(KEY)) == len(placed) - 1
