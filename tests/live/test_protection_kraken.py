"""Protection over the wire of a simulated Kraken: the stops it attaches, the target that is ours, exits and faults."""

import time
from contextlib import asynccontextmanager
from decimal import Decimal
from types import SimpleNamespace

import pytest

from gal_friday_core.instruments import Instrument
from gal_friday_core.payloads import TradeSignalApproved
from gal_friday_core.times import SECOND_NS
from gal_friday_live.bus import PubSubManager
from gal_friday_live.execution_handler import ExecutionHandler
from gal_friday_live.ids import random_ids
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.protection_keeper import ProtectionKeeper
from gal_friday_live.tasks import TaskSupervisor
from gal_friday_live.trading_gate import TradingGate
from tests.adapters.kraken.trading import PAIR, Now, client, served, until
from tests.adapters.simulated_kraken.running import KEY
from tests.live.protected import BookedPositions

TICKS = Instrument(PAIR, price_tick=Decimal("0.1"), lot=Decimal("0.00000001"), min_quantity=Decimal("0.0001"))
ASK, TARGET, STOP = Decimal("30000.1"), Decimal("29990.0"), Decimal("29000.0")


class Desk:
    """Execution and protection on one connection; `bid` is what the book tells."""

    def __init__(self, kraken):
        self.kraken, self.exchange, self.bid = kraken, client(kraken), Decimal("29000.5")
        self.gate, self.journal, self.problems, ids = TradingGate(), MemoryJournal(), [], random_ids()
        self.tasks = TaskSupervisor(self.failed)
        self.bus = PubSubManager(Now(), ids, on_failure=self.broken, spawn=self.tasks.start)
        self.execution = ExecutionHandler(
            None, self.bus, exchange=self.exchange, journal=self.journal, clock=Now(), ids=ids, tasks=self.tasks,
            is_halted=lambda: False, gate=self.gate, ask_every_s=0.2,
        )  # fmt: skip
        self.blotter = self.execution.blotter
        self.positions = BookedPositions(self.blotter)
        self.keeper = ProtectionKeeper(
            self.bus, execution=self.execution, exchange=self.exchange, journal=self.journal,
            positions=self.positions, instruments=[TICKS], book=self.book, gate=self.gate, clock=Now(), ids=ids,
            tasks=self.tasks, grace_s=0.3,
        )  # fmt: skip

    def book(self, pair):
        return SimpleNamespace(bid_prices=[int(self.bid * 10)], price_decimals=1)

    async def failed(self, name, error):
        self.problems.append((name, error))

    def broken(self, event, subscription, error):
        self.problems.append((event.event_type, error))

    async def approve(self, key, side, quantity):
        now = time.time_ns()
        buys = side == "BUY"
        signal = TradeSignalApproved(
            signal_id=key, trading_pair=PAIR, exchange="kraken", side=side, order_type="MARKET",
            quantity=Decimal(quantity), risk_parameters={}, reference_price=ASK, data_timestamp=now,
            expires_at=now + 30 * SECOND_NS, sl_price=STOP if buys else None, tp_price=TARGET if buys else None,
        )  # fmt: skip
        await self.bus.publish("TRADE_SIGNAL_APPROVED", signal)

    async def market(self, bid):
        """The book says that somebody pays so much."""
        self.bid = Decimal(bid)
        self.keeper.tend(PAIR)

    @property
    def held(self):
        return self.positions.position(PAIR).quantity


@asynccontextmanager
async def trading(faults=()):
    async with served() as kraken:
        desk = Desk(kraken)
        await desk.execution.start()
        await desk.keeper.start()
        await desk.exchange.start()
        for kind, rate in faults:
            kraken.exchange.faults.set(kind, rate)
        try:
            yield desk
            assert desk.problems == []
        finally:
            await desk.exchange.stop()
            await desk.tasks.stop()


def protected(desk):
    covered = sum((one.left for one in desk.blotter.sells(PAIR).stops), Decimal(0))
    return desk.held > 0 and covered == desk.held and not desk.blotter.unanswered()


def flat(desk):
    return desk.held == 0 and not desk.blotter.open(PAIR)


FAULTS = [(), (("lost_response", 0.3),), (("delay", 0.3),)]


@pytest.mark.parametrize("faults", FAULTS, ids=["calm", "lost responses", "delays"])
async def test_an_entry_is_protected_and_leaves_at_its_target(faults):
    async with trading(faults) as desk:
        await desk.approve("s1", "BUY", "0.5")
        await until(lambda: protected(desk))
        assert desk.keeper.placed == {}
        await desk.market("30000.0")
        await until(lambda: flat(desk))
        assert desk.keeper.placed["TARGET"] >= 1
        assert desk.kraken.exchange.balances(KEY)["BTC"] == 2  # what the account had before
        accepted = [one.asked.cl_ord_id for one in desk.kraken.exchange.orders(KEY)]
        assert len({key for key in accepted if key}) == len([key for key in accepted if key])


async def test_an_exit_frees_the_position_from_every_stop_and_sells_it():
    async with trading() as desk:
        await desk.approve("s1", "BUY", "1.5")  # two fills, two stops
        await until(lambda: protected(desk))
        assert len(desk.blotter.sells(PAIR).stops) == 2
        await desk.approve("s2", "SELL", "1.5")
        await until(lambda: flat(desk))
        assert desk.keeper.placed == {}
        assert desk.execution.refused == {}


async def test_stops_that_the_dead_mans_switch_took_are_placed_again():
    async with trading() as desk:
        await desk.approve("s1", "BUY", "0.5")
        await until(lambda: protected(desk))
        await desk.exchange.cancel_all()
        await until(lambda: desk.keeper.placed == {"STOP": 1} and protected(desk))
