"""Our own exchanges keep the contract that strangers' must keep; each broken promise is found."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal

import pytest

from gal_friday_core.config import CostsConfig
from gal_friday_core.errors import ExchangeError, OutcomeUnknownError
from gal_friday_core.instruments import Instrument
from gal_friday_core.payloads import MarketDataOHLCV
from gal_friday_core.simulated_exchange import SimulatedExchange
from gal_friday_core.times import MINUTE_NS
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.paper_exchange import PaperExchange
from gal_friday_testkit import BrokenPromiseError, check_exchange

INSTRUMENT = Instrument("BTC/USD", price_tick=Decimal("0.1"), lot=Decimal("0.00000001"))


@dataclass
class PaperBench:
    """Bars that open and close where they are told to."""

    exchange: PaperExchange
    clock: SimulatedClock
    instrument: Instrument = INSTRUMENT
    price: Decimal = Decimal(100)

    def now_ns(self):
        return self.clock.now_ns()

    async def trade_at(self, price):
        start = self.clock.now_ns()
        self.clock.advance_to(start + MINUTE_NS)
        await self.exchange.on_candle(
            MarketDataOHLCV(
                trading_pair=self.instrument.pair, exchange="test", interval="1m", timestamp_bar_start=start,
                open=price, high=price, low=price, close=price, volume=Decimal(1_000),
            )
        )  # fmt: skip


def paper(kind=PaperExchange):
    @asynccontextmanager
    async def opened():
        clock = SimulatedClock(28_000_000 * MINUTE_NS)
        venue = SimulatedExchange([INSTRUMENT], {"USD": Decimal(10_000)}, CostsConfig())
        yield PaperBench(kind(venue, clock), clock)

    return opened


def test_the_paper_exchange_keeps_the_contract():
    asyncio.run(check_exchange(paper()))


class SendsTwice(PaperExchange):
    async def submit(self, order):
        try:
            await super().submit(order)
        except ExchangeError:
            return


class TellsTwice(PaperExchange):
    def on_report(self, handler):
        async def twice(report):
            await handler(report)
            if report.execution_id is not None:
                await handler(report)

        super().on_report(twice)


class ForgetsFees(PaperExchange):
    def on_report(self, handler):
        import msgspec

        async def without(report):
            await handler(msgspec.structs.replace(report, commission=None))

        super().on_report(without)


class FindsNothing(PaperExchange):
    async def find(self, client_order_id):
        return None


class HidesOpenOrders(PaperExchange):
    async def open_orders(self):
        return []


class NeverKnows(PaperExchange):
    async def cancel(self, client_order_id):
        if not [order for order in await self.open_orders() if order.client_order_id == client_order_id]:
            raise OutcomeUnknownError("no answer")
        await super().cancel(client_order_id)


class LosesFills(PaperExchange):
    async def fills(self, since_ns):
        return (await super().fills(since_ns))[1:]


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (TellsTwice, "each fill is told once"),
        (ForgetsFees, "fills and fees add up to the balance"),
        (FindsNothing, "a resting order is found under its id"),
        (HidesOpenOrders, r"open_orders\(\) has it"),
        (NeverKnows, "cancelling an order that ended has a known outcome"),
        (LosesFills, r"fills\(\) has what was reported"),
        (SendsTwice, "an order that was sent is not sent again"),
    ],
)
def test_an_adapter_that_breaks_a_promise_is_found(kind, says):
    with pytest.raises(BrokenPromiseError, match=says):
        asyncio.run(check_exchange(paper(kind)))
