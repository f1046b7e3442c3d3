"""A split engine in one process: its roles on one real database, a recorded market played to each in turn."""

import heapq
from contextlib import AsyncExitStack, asynccontextmanager

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_adapters.postgres.journal_within import JournalWithin
from gal_friday_adapters.strands.communicator import DirectTableCommunicator
from gal_friday_adapters.strands.listener import ModuleListener
from gal_friday_core.candles import Series
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.engine_backtest import RecordedFeed
from gal_friday_live.engine_ports import Ports
from gal_friday_live.feeds import bars
from gal_friday_live.fixed_models import FixedModels
from gal_friday_live.ids import SequentialIds, derived
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.roles.alpha import Alpha
from gal_friday_live.roles.composed import RecentCommands
from gal_friday_live.roles.decision import Decision
from gal_friday_live.roles.forwarder import Forwarder
from gal_friday_live.roles.journals import WatchedJournal
from gal_friday_live.roles.surface import Seat, session_of
from gal_friday_live.roles.telling import Telling
from gal_friday_live.roles.trader import Trader
from gal_friday_live.wiring import build, paper_exchange
from tests.live.world import market, played, predictor

ACCOUNT = derived("session", "split", "test")
ETH = Series("kraken", "ETH/USD", "1m")
HISTORY = 600


def stretches(bars=300, both=False):
    """What is traded: Bitcoin, and Ether where both are wanted."""
    found = [played(market(HISTORY + bars), HISTORY)]
    return [*found, played(market(HISTORY + bars, seed=9, series=ETH), HISTORY)] if both else found


def ports(played, journal, models=None, **changes):
    """Of an engine, or of a role, over these stretches; nothing is shared between two of them."""
    clock = SimulatedClock(int(played[0].bars.ts[0]))
    given = {
        "series": tuple(item.series for item in played),
        "instruments": tuple(item.instrument for item in played),
        "clock": clock,
        "feed": RecordedFeed([item.bars for item in played], clock),
        "models": models or models_of(played),
        "journal": journal,
        "ids": SequentialIds(),
        "history": {item.series: item.history for item in played},
        "code_version": "test",
        "simulated": True,
    }
    return Ports(**{**given, **changes})


def models_of(played):
    return FixedModels(*(predictor(series=item.series) for item in played))


async def whole(config, played, journal=None, before=lambda engine: None):
    """One engine in one process, over the same market; its journal, and the engine."""
    journal = journal or MemoryJournal()
    engine = build(config, ports(played, journal))
    await engine.start()
    before(engine)
    try:
        await engine.run()
    finally:
        await engine.stop()
    return journal, engine


class Desk:
    """The roles by name, and whatever is between them. `play` has every role see each bar, and digests it."""

    def __init__(self, config, played, database, account=ACCOUNT, own=None):
        self.config, self.played, self.database, self.account = config, played, database, account
        self.own = own or {}  # a module's way to the database, where that is its own
        self.roles, self.listeners, self.forwarders, self._news = {}, {}, {}, set()
        self.trader = self.decision = None
        self.now_ns = int(played[0].bars.ts[0])
        self.exchange_clock = SimulatedClock(self.now_ns)  # the exchange outlives whoever trades on it
        self.exchange = paper_exchange(
            config, [item.instrument for item in played], played[0].series.quote, self.exchange_clock
        )

    def of(self, module):
        return self.own.get(module, self.database)

    async def seat(self, name, module):
        session = session_of(self.account, module, name)
        clock, database = SimulatedClock(self.now_ns), self.of(module)
        journal = PostgresJournal(database, session, clock)
        await journal.begin("split", config_hash="0", code_version="test")
        within = JournalWithin(session, None)
        account = PostgresJournal(database, self.account, clock)
        decision = PostgresJournal(database, session_of(self.account, "dm", "dm"), clock)
        return journal, Seat(name=name, within=within, account_journal=account, decision_journal=decision)

    async def take(self, name, module, played=None):
        """Compose a role and start it."""
        journal, seat = await self.seat(name, module)
        telling, strands = Telling(account=self.account), DirectTableCommunicator(self.of(module), module)
        if module == "alpha":
            role = Alpha(self.config, ports(played or self.played, journal), seat, telling, strands)
        else:
            watched = WatchedJournal(journal)
            given = ports(self.played, watched, exchange=self.exchange if module == "trader" else None)
            if module == "dm":
                self.decision = role = Decision(
                    self.config,
                    given,
                    seat,
                    telling,
                    plans=RecentCommands(strands, self.account),
                    registry=None,
                )
            else:
                self.trader = role = Trader(
                    self.config, given, watched, telling, decision_journal=seat.decision_journal
                )
            self.forwarders[name] = Forwarder(
                self.of(module),
                module,
                journal=seat.within,
                kinds=role.told,
                tell=role.tell,
            )
            watched.on_append(lambda kind: self._news.add(name) if kind in role.told else None)
            self._news.add(name)
        role.base.clock.advance_to(self.now_ns)
        await role.start()
        self.roles[name] = role
        self.listeners[name] = ModuleListener(
            self.of(module),
            module,
            role.guarded(),
            account=self.account,
            name=name,
            exclusive=True,
            on_fate=role.on_fate,
        )
        await self.listeners[name].pump()
        return role

    async def leave(self, name):
        """As a process that is killed: nothing of it is asked any more."""
        await self.listeners.pop(name).close()
        role = self.roles.pop(name)
        self.forwarders.pop(name, None)
        for task in role.base.tasks._listening:
            task.cancel()
        await role.base.ports.journal.flush()

    async def settle(self):
        """Until nobody has anything to say to anybody."""
        quiet = False
        while not quiet:
            quiet = True
            for role in self.roles.values():
                await role.base.tasks.settle()
            for name in tuple(self._news):
                self._news.discard(name)
                while name in self.forwarders and await self.forwarders[name].forward():
                    quiet = False
            for listener in self.listeners.values():
                if await listener.pump():
                    quiet = False

    def said(self):
        """A number that changes with whatever is said."""
        return sum(role.plans.written for role in self.roles.values() if role.module == "alpha"), len(
            self._news
        )

    async def show(self, close_ns, bar):
        """One bar, to the trader first: its exchange sees the market before anybody decides."""
        self.now_ns = close_ns
        self.exchange_clock.advance_to(close_ns)
        for name in sorted(
            self.roles, key=lambda name: ("trader", "dm", "alpha").index(self.roles[name].module)
        ):
            role = self.roles[name]
            if bar.trading_pair not in role.base.pairs:
                continue
            before = self.said()
            role.base.clock.advance_to(close_ns)
            role.ingestor.on_candle(bar)
            await role.ingestor.drained()
            await role.base.tasks.settle()
            if self.said() != before:
                await self.settle()

    async def play(self, first=None, last=None):
        for close_ns, bar in closes(self.played)[first:last]:
            await self.show(close_ns, bar)


def closes(played):
    """Every bar of all, by its close."""
    streams = [
        [
            (bar.timestamp_bar_start + item.series.interval_ns, bar.trading_pair, bar)
            for bar in bars(item.bars)
        ]
        for item in played
    ]
    return [(close_ns, bar) for close_ns, _, bar in heapq.merge(*streams)]


@asynccontextmanager
async def desk(database_url, config, played, alphas=None, *, account=ACCOUNT, logins=None):
    """A trader, a decision maker, and alphas by name with what each trades; ended afterwards."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(database_url))
        own = {
            module: await stack.enter_async_context(Database(url)) for module, url in (logins or {}).items()
        }
        made = Desk(config, played, database, account, own)
        await made.take("trader", "trader")
        await made.take("dm", "dm")
        for name, traded in (alphas or {"alpha": played}).items():
            await made.take(name, "alpha", traded)
        await made.settle()
        try:
            yield made
        finally:
            for listener in made.listeners.values():
                await listener.close()
            for role in reversed(made.roles.values()):
                await role.stop()


async def orders(journal):
    """What was made durable before each order was sent."""
    return [entry.record async for entry in journal.read(kind="ORDER_INTENT")]


async def reports(journal):
    return [entry.record async for entry in journal.read(kind="EXECUTION_REPORT")]
