"""The Kraken client keeps the contract that exchanges from outside must keep, over real sockets."""

import time
from contextlib import asynccontextmanager
from decimal import Decimal

from gal_friday_testkit import check_exchange
from tests.adapters.kraken.trading import PAIR, client, served


class Bench:
    """A simulated Kraken whose market stands, with enough for anybody."""

    price = Decimal(30_000)

    def __init__(self, exchange, instrument):
        self.exchange = exchange
        self.instrument = instrument

    def now_ns(self):
        return time.time_ns()

    async def trade_at(self, price):
        """Its book is there already."""


@asynccontextmanager
async def opened():
    async with served() as kraken:
        exchange = client(kraken)
        yield Bench(exchange, (await exchange.rest.instruments())[PAIR])


async def test_the_kraken_client_keeps_the_contract():
    await check_exchange(opened)
