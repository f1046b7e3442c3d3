"""The dead man's switch: alone on a time of its own, and set at a simulated Kraken."""

import asyncio

from gal_friday_adapters.kraken.dead_man_switch import RETRY_S, DeadManSwitch, SwitchRule
from gal_friday_core.errors import ExchangeError
from tests.adapters.kraken.test_kraken_exchange_faults import faults, line_is
from tests.adapters.kraken.trading import order, trading, until
from tests.adapters.simulated_kraken.running import KEY


class Bench:
    """A switch whose sleeps end as the test says; `entries` says whether one stands."""

    def __init__(self, **rule):
        self.now, self.entries, self.broken, self.fired = 0.0, False, False, 0
        self.set, self.slept = [], []
        self.switch = DeadManSwitch(
            SwitchRule(**rule), self.send, needed=lambda: self.entries, fired=self.fire, timer=lambda: self.now,
            sleep=self.sleep,
        )  # fmt: skip

    async def send(self, timeout_s):
        if self.broken:
            raise ExchangeError("no line")
        self.set.append(timeout_s)

    def fire(self):
        self.fired += 1

    async def sleep(self, seconds):
        self.slept.append(seconds)
        await asyncio.Event().wait()

    async def round(self, seconds=0.0):
        """One look, that many seconds later."""
        self.now += seconds
        task = asyncio.create_task(self.switch.run())
        slept = len(self.slept)
        while len(self.slept) == slept:  # noqa: ASYNC110 - the task itself is what is waited for
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])


async def test_it_is_set_only_while_an_entry_may_stand():
    bench = Bench()
    await bench.round()
    assert bench.set == [0]  # what a run before this one left is turned off
    await bench.round(20)
    assert bench.set == [0]
    bench.entries = True
    await bench.round(20)
    await bench.round(20)
    assert bench.set == [0, 60, 60]
    bench.entries = False
    await bench.round(20)
    await bench.round(20)
    assert bench.set == [0, 60, 60, 0]
    assert set(bench.slept) == {20.0}


async def test_always_keeps_it_set_until_it_is_turned_off():
    bench = Bench(always=True)
    await bench.round()
    await bench.round(20)
    await bench.switch.off()
    await bench.switch.off()
    assert bench.set == [60, 60, 0]
    assert not bench.switch.armed


async def test_a_failed_sign_of_life_is_sent_again_soon_and_told_once_its_time_is_over():
    bench = Bench(always=True)
    await bench.round()
    bench.broken = True
    await bench.round(20)
    assert bench.slept[-1] == RETRY_S
    await bench.round(39)
    assert bench.fired == 0
    await bench.round(1)
    await bench.round(60)
    assert bench.fired == 1
    bench.broken = False
    await bench.round(2)
    assert bench.set == [60, 60]


def switched(kraken):
    """When the exchange's own switch would fire, if it is set."""
    return kraken.exchange._venue._switches.get(KEY)


async def test_a_resting_entry_sets_it_at_once_and_a_stop_alone_does_not():
    rule = SwitchRule(timeout_s=60, every_s=0.2)
    async with trading(switch=rule) as (kraken, exchange, told):
        stop = order("SELL", kind="STOP_LOSS", trigger_price="29000.0", purpose="STOP")
        await exchange.submit(stop)
        await until(lambda: told.of(stop.client_order_id))
        assert switched(kraken) is None
        entry = order(limit_price="29000.0")
        await exchange.submit(entry)
        await until(lambda: switched(kraken))
        faults(kraken, disconnect=1)
        await line_is(told, False, 1)
        before = switched(kraken)
        await until(lambda: switched(kraken) > before)  # by REST, while there is no line
        faults(kraken, disconnect=0)
        await exchange.cancel(entry.client_order_id)
        await told.ended(entry.client_order_id)
        await until(lambda: switched(kraken) is None)
        await exchange.submit(order(limit_price="29000.0"))
        await until(lambda: switched(kraken))
    assert switched(kraken) is None  # a graceful stop leaves orders where they are
    assert len([found for found in kraken.exchange.orders(KEY) if found.is_open]) == 2


async def test_when_it_fired_the_line_is_told_as_down_and_the_orders_as_ended():
    rule = SwitchRule(timeout_s=1, every_s=0.3, always=True)
    async with trading(switch=rule) as (kraken, exchange, told):
        stop = order("SELL", kind="STOP_LOSS", trigger_price="29000.0", purpose="STOP")
        await exchange.submit(stop)
        faults(kraken, reject=1)  # signs of life arrive, and are refused
        end = await told.ended(stop.client_order_id)
        assert end.order_status == "CANCELED"
        faults(kraken, reject=0)
        await line_is(told, True, 2)
        assert any("dead man's switch fired" in reason for _, reason in told.lines)
