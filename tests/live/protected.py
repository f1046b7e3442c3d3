"""One client of the scripted venue: bus, execution and protection as an engine has them, and how to restart it."""

import asyncio
from decimal import Decimal
from types import SimpleNamespace

from gal_friday_core.blotter import Blotter
from gal_friday_core.brackets import Brackets
from gal_friday_core.instruments import Instrument
from gal_friday_core.payloads import TradeSignalApproved
from gal_friday_core.portfolio import Position
from gal_friday_core.times import SECOND_NS
from gal_friday_live.bus import PubSubManager
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.execution_handler import ExecutionHandler
from gal_friday_live.ids import SequentialIds
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.order_recovery import recover_orders, take_up
from gal_friday_live.protection_keeper import ProtectionKeeper
from gal_friday_live.tasks import TaskSupervisor
from gal_friday_live.trading_gate import TradingGate
from tests.live.scripted_exchange import PAIR, MortalJournal, ScriptedExchange, Venue, World

INSTRUMENT = Instrument(
    PAIR,
    price_tick=Decimal("0.1"),
    lot=Decimal("0.00000001"),
    min_quantity=Decimal("0.01"),
    min_cost=Decimal(1),
)
START = 1_700_000_000 * SECOND_NS
ROUNDS = 3_000


class BookedPositions:
    """The position that the booked fills add up to."""

    def __init__(self, blotter):
        self.blotter = blotter

    def position(self, pair):
        held = Decimal(0)
        for record in self.blotter.records():
            if record.order.trading_pair == pair:
                held += record.filled if record.order.side == "BUY" else -record.filled
        return Position(quantity=held)


class Setting:
    """What outlives a client: the venue, the journal, the time."""

    def __init__(self, **venue):
        self.clock = SimulatedClock(START)
        self.journal = MemoryJournal()
        self.venue = Venue(self.clock, **venue)
        self.halted = self.keeps_entries = False

    async def client(self, dies_at=None, **exchange):
        client = Client(self, World(dies_at), **exchange)
        await client.start()
        return client


class Client:
    def __init__(self, setting, world, **exchange):
        self.setting, self.world, self.venue, self.clock = setting, world, setting.venue, setting.clock
        self.gate, self.tasks, self.problems = TradingGate(), TaskSupervisor(self.failed), []
        ids = SequentialIds(setting.venue.price.__hash__() & 0xFF)
        self.bus = PubSubManager(self.clock, ids, on_failure=self.broken, spawn=self.tasks.start)
        self.journal = MortalJournal(setting.journal, world)
        self.exchange = ScriptedExchange(setting.venue, world, **exchange)
        seconds = lambda: self.clock.now_ns() / SECOND_NS  # noqa: E731 - a timer that the test moves
        self.execution = ExecutionHandler(
            None, self.bus, exchange=self.exchange, journal=self.journal, clock=self.clock, ids=ids,
            tasks=self.tasks, is_halted=lambda: setting.halted, keeps_entries=lambda: setting.keeps_entries,
            gate=self.gate, ask_every_s=0,
        )  # fmt: skip
        self.blotter = self.execution.blotter
        self.keeper = ProtectionKeeper(
            self.bus, execution=self.execution, exchange=self.exchange, journal=self.journal,
            positions=BookedPositions(self.blotter), instruments=[INSTRUMENT], book=self.book, gate=self.gate,
            clock=self.clock, ids=ids, tasks=self.tasks, grace_s=0, timer=seconds,
        )  # fmt: skip
        self.reports, self.triggers = [], []
        self.bus.subscribe("EXECUTION_REPORT", lambda event: self.reports.append(event.payload))
        self.bus.subscribe("POTENTIAL_HALT_TRIGGER", lambda event: self.triggers.append(event.payload.reason))

    async def failed(self, name, error):
        self.problems.append((name, error))

    def broken(self, event, subscription, error):
        self.problems.append((event.event_type, error))

    def book(self, pair):
        return SimpleNamespace(bid_prices=[int(self.venue.price * 10)], price_decimals=1)

    async def start(self):
        """Journal first, then the venue, then protection: the order in which an engine starts."""
        blotter = self.blotter
        assert isinstance(blotter, Blotter)
        assert isinstance(self.keeper.brackets, Brackets)
        self.recovered = await recover_orders(self.journal, blotter=blotter, brackets=self.keeper.brackets)
        take_up(self.recovered, self.execution, self.exchange)
        await self.execution.start()
        await self.keeper.start()
        await self.exchange.start()
        await self.quiet()
        self.keeper.check()
        await self.quiet()

    async def quiet(self):
        """Until nothing is left to tell, to do or to ask; at once where the client is dead."""
        calm = 0
        for _ in range(ROUNDS):
            if self.world.dead:
                return
            told = await self.exchange.pump()
            await asyncio.sleep(0)
            busy = told or self.tasks.working or self.execution.unknown.open
            calm = 0 if busy else calm + 1
            if calm > 3:
                assert self.problems == []
                return
        raise AssertionError(f"never quiet: {self.execution.unknown.open} {self.tasks._working}")

    async def kill(self):
        """Nothing of it reaches anybody any more."""
        self.world.dead = True
        self.venue.clients = []
        left = (*self.tasks._working, *self.tasks._listening)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def approve(self, *given, **changes):
        """Publish an approved signal, and wait until everything that follows from it has happened."""
        await self.approve_later(*given, **changes)
        await self.quiet()

    async def approve_later(self, key="s1", side="BUY", quantity="1", stop="90", target="110"):
        now = self.clock.now_ns()
        buys = side == "BUY"
        signal = TradeSignalApproved(
            signal_id=key, trading_pair=PAIR, exchange="scripted", side=side, order_type="MARKET",
            quantity=Decimal(quantity), risk_parameters={}, reference_price=self.venue.price,
            data_timestamp=now, expires_at=now + 30 * SECOND_NS,
            sl_price=Decimal(stop) if buys and stop else None,
            tp_price=Decimal(target) if buys and target else None,
        )  # fmt: skip
        await self.bus.publish("TRADE_SIGNAL_APPROVED", signal)

    async def market(self, price):
        """The price moves, and the book tells of it."""
        self.venue.trade(price)
        await self.quiet()
        self.keeper.watch.on_book(PAIR, self.book(PAIR), self.clock.now_ns(), b"")
        await self.quiet()

    async def later(self, seconds):
        """Time passes, and whatever waited for it looks again."""
        self.clock.advance_to(self.clock.now_ns() + seconds * SECOND_NS)
        self.keeper.check()
        await self.quiet()

    @property
    def held(self):
        return BookedPositions(self.blotter).position(PAIR).quantity

    def statuses(self, key):
        return [one.order_status for one in self.reports if one.client_order_id == key]
