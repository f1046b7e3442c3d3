"""The decision maker's limit on orders a minute holds over the whole account, whoever sends the orders."""

import asyncio

from msgspec.structs import replace

from gal_friday_core.config import RiskConfig
from gal_friday_core.order_reports import own_report
from gal_friday_core.times import MINUTE_NS
from gal_friday_live.bus import PubSubManager
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.ids import SequentialIds
from gal_friday_live.order_rate import OrderRate
from gal_friday_live.roles.order_pace import OrdersTold
from tests.core.trading import order
from tests.live.split import desk, orders, stretches
from tests.live.world import CALM, manager

MOST = 4
START = 10 * MINUTE_NS


class Heard:
    """A decision maker's count and what it called for."""

    def __init__(self):
        self.clock, self.calls = SimulatedClock(START), []
        self.bus = PubSubManager(self.clock, SequentialIds())
        limits = RiskConfig(halt_orders_per_minute=MOST)
        self.rate = OrderRate(self.bus, clock=self.clock, limits=lambda: limits, is_halted=lambda: False)
        self.bus.subscribe("POTENTIAL_HALT_TRIGGER", lambda event: self.calls.append(event.payload.reason))
        self.told = OrdersTold(self.bus, self.rate, self.clock)

    async def report(self, key, status="NEW", *, at=START):
        told = own_report(replace(order(), client_order_id=key), "kraken", status, at, "")
        await self.bus.publish("EXECUTION_REPORT", told)


async def heard():
    made = Heard()
    await made.told.start()
    return made


async def test_orders_of_others_and_own_refusals_reach_the_limit_together():
    at = await heard()
    for number in range(MOST - 1):
        await at.report(f"order-{number}")
        await at.report(f"order-{number}", "FILLED")  # the same order, once
    at.rate.refused("DUPLICATE_ORDER")
    assert (at.rate.within_a_minute(), at.calls) == (MOST, [])
    await at.report("one too many", "REJECTED")
    assert len(at.calls) == 1


async def test_what_never_was_asked_is_anothers_or_the_exchanges_or_is_told_late_does_not_count():
    at = await heard()
    await at.report("expired", "EXPIRED")
    await at.report("external:O1")
    await at.report("order-1-SL-O2")
    await at.report("yesterday's", at=START - MINUTE_NS)
    assert at.rate.within_a_minute() == 0


def test_the_decision_maker_counts_the_orders_of_all_alphas(database_url):
    config, played = manager(risk=CALM), stretches(60, both=True)
    bitcoin, ether = played

    async def main():
        async with desk(database_url, config, played, {"btc": [bitcoin], "eth": [ether]}) as split:
            await split.play()
            sent = await orders(split.trader.journal)
            assert {order["trading_pair"] for order in sent} == {"BTC/USD", "ETH/USD"}
            assert set(split.decision.orders_told._known) == {order["client_order_id"] for order in sent}

    asyncio.run(main())
