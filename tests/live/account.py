"""An account at an exchange that a test moves by hand, telling or not telling of it; and our side around it."""

import asyncio
import itertools
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal

from msgspec.structs import replace

from gal_friday_core.account import FillFacts, Flow, OrderFacts
from gal_friday_core.config import Config
from gal_friday_core.errors import ExchangeError
from gal_friday_core.order_reports import report_of_facts, report_of_fill
from gal_friday_core.orders import Capabilities, Order, is_terminal
from gal_friday_core.payloads import MarketDataOHLCV
from gal_friday_core.times import MINUTE_NS, SECOND_NS, from_iso
from gal_friday_live.bus import PubSubManager
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.execution_handler import ExecutionHandler
from gal_friday_live.ids import random_ids
from gal_friday_live.journal_writer import JournalWriter
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.order_recovery import recover_orders, take_up
from gal_friday_live.portfolio_manager import PortfolioManager
from gal_friday_live.reconciliation_service import ReconciliationService
from gal_friday_live.tasks import TaskSupervisor
from gal_friday_live.trading_gate import TradingGate

PAIR = "BTC/USD"
START = from_iso("2024-03-01")


class Account:
    """The exchange's side. What happens with `told=False` is found out by asking only."""

    name = "scripted"
    capabilities = Capabilities(
        attached_stop=True, attached_target=True, amends=True, order_types=frozenset({"MARKET", "LIMIT"})
    )

    def __init__(self, clock, **balances):
        self.clock = clock
        self.holds = {"USD": Decimal(10_000)} | {asset: Decimal(held) for asset, held in balances.items()}
        self.orders, self.trades, self.moved = {}, [], []
        self.handler, self.line, self.fault, self.reads = None, None, "", 0
        self.between_reads = None

    def on_report(self, handler):
        self.handler = handler

    def on_line(self, handler):
        self.line = handler

    def on_flow(self, handler):
        self.told_flow = handler

    async def start(self): ...

    async def finished(self): ...

    async def stop(self): ...

    def adopt(self, orders): ...

    async def submit(self, order):
        await self.place(order)

    async def cancel(self, client_order_id):
        await self.end(client_order_id, "CANCELED")

    async def balances(self):
        self._ask()
        if self.between_reads is not None:
            happening, self.between_reads = self.between_reads, None
            await happening()
        return dict(self.holds)

    async def find(self, client_order_id):
        self._ask()
        return next((o for o in self.orders.values() if o.client_order_id == client_order_id), None)

    async def open_orders(self):
        self._ask()
        self.reads += 1
        return [facts for facts in self.orders.values() if not is_terminal(facts.status)]

    async def fills(self, since_ns):
        self._ask()
        return [trade for trade in self.trades if trade.timestamp >= since_ns]

    async def flows(self, since_ns):
        self._ask()
        return [flow for flow in self.moved if flow.timestamp >= since_ns]

    def _ask(self):
        if self.fault:
            raise ExchangeError(self.fault)

    # What a test makes happen

    async def place(self, order, *, ours=True, told=True, parent=None):
        """An order rests; its number at the exchange."""
        number = f"O{len(self.orders) + 1}"
        self.orders[number] = OrderFacts(
            exchange_order_id=number, client_order_id=order.client_order_id if ours else None,
            parent_exchange_order_id=parent, trading_pair=order.trading_pair, side=order.side,
            order_type=order.order_type, status="NEW", quantity=order.quantity, filled=Decimal(0),
            opened_at=self.clock.now_ns(), limit_price=order.limit_price, trigger_price=order.trigger_price,
        )  # fmt: skip
        if told:
            await self.handler(report_of_facts(order, self.orders[number], self.name))
        return number

    async def trade(self, number, quantity, price, fee="0", fee_asset="USD", *, order=None, told=True):
        """The order fills by so much."""
        facts, amount, paid = self.orders[number], Decimal(quantity), Decimal(fee)
        sign = 1 if facts.side == "BUY" else -1
        base, _, quote = facts.trading_pair.partition("/")
        for asset, change in (
            (base, sign * amount),
            (quote, -sign * amount * Decimal(price)),
            (fee_asset, -paid),
        ):
            self.holds[asset] = self.holds.get(asset, Decimal(0)) + change
        filled = facts.filled + amount
        status = "FILLED" if filled == facts.quantity else "PARTIALLY_FILLED"
        self.orders[number] = replace(facts, filled=filled, status=status)
        fill = FillFacts(
            execution_id=f"T{len(self.trades) + 1}", exchange_order_id=number, client_order_id=facts.client_order_id,
            trading_pair=facts.trading_pair, side=facts.side, order_type=facts.order_type, quantity=amount,
            price=Decimal(price), fee=paid, fee_asset=fee_asset, timestamp=self.clock.now_ns(),
        )  # fmt: skip
        self.trades.append(fill)
        if told:
            await self.handler(
                report_of_fill(order, fill, self.name, cumulative=filled, quantity=facts.quantity)
            )

    async def end(self, client_order_id, status, *, order=None, told=False):
        """The order ends without another fill."""
        number = next(n for n, facts in self.orders.items() if facts.client_order_id == client_order_id)
        self.orders[number] = replace(self.orders[number], status=status, closed_at=self.clock.now_ns())
        if told:
            await self.handler(report_of_facts(order, self.orders[number], self.name))

    def flow(self, asset, amount, kind="DEPOSIT"):
        self.holds[asset] = self.holds.get(asset, Decimal(0)) + Decimal(amount)
        self.moved.append(
            Flow(
                flow_id=f"L{len(self.moved) + 1}", kind=kind, asset=asset, amount=Decimal(amount),
                timestamp=self.clock.now_ns(),
            )
        )  # fmt: skip


def order(key="a", side="BUY", quantity="1", *, pair=PAIR, limit="100", at=START):
    return Order(
        client_order_id=key, signal_id=f"signal-{key}", trading_pair=pair, side=side, order_type="LIMIT",
        quantity=Decimal(quantity), created_at=at, limit_price=Decimal(limit), reduce_only=side == "SELL",
    )  # fmt: skip


@dataclass
class Desk:
    """Our side of one account."""

    account: Account
    clock: SimulatedClock
    journal: MemoryJournal
    bus: PubSubManager
    tasks: TaskSupervisor
    gate: TradingGate
    execution: ExecutionHandler
    portfolio: PortfolioManager
    service: ReconciliationService
    triggers: list
    told: list

    async def send(self, one, *, told=True):
        """Send an order; its number at the exchange. `told=False`: the answer is lost on the way."""
        handler = self.account.handler
        if not told:
            self.account.handler = _deaf
        self.execution.place(one)
        await self.tasks.settle()
        self.account.handler = handler
        return f"O{len(self.account.orders)}"

    async def reconcile(self):
        """Compare now, and let everybody hear of it."""
        told = await self.service.reconcile("test")
        await self.tasks.settle()
        return told

    async def bar(self, close, pair=PAIR):
        opened = self.clock.now_ns()
        if isinstance(self.clock, SimulatedClock):
            self.clock.advance_to(opened + MINUTE_NS)
        price = Decimal(close)
        bar = MarketDataOHLCV(
            trading_pair=pair, exchange="scripted", interval="1m", timestamp_bar_start=opened, open=price,
            high=price, low=price, close=price, volume=Decimal(1),
        )  # fmt: skip
        await self.bus.publish("MARKET_DATA_OHLCV", bar, source="test")
        await self.tasks.settle()

    def books_agree(self):
        booked = self.portfolio.funds.balances()
        return all(self.account.holds.get(asset, Decimal(0)) == amount for asset, amount in booked.items())


async def _deaf(report):
    del report


MANY = 100


def settings(**reconciliation):
    return ConfigurationManager.from_config(Config.model_validate({"reconciliation": reconciliation}))


@asynccontextmanager
async def desk(account=None, *, journal=None, clock=None, start=True, pairs=(PAIR,), **reconciliation):
    """Portfolio, execution and reconciliation over an account, started as the engine starts them.

    Under a simulated clock pauses move it and take no time.
    """
    clock = clock or (account.clock if account is not None else SimulatedClock(START))
    account = account or Account(clock)
    config, ids, tasks, gate = settings(**reconciliation), random_ids(), TaskSupervisor(), TradingGate()
    journal = journal if journal is not None else MemoryJournal()
    bus = PubSubManager(clock, ids, spawn=tasks.start)
    writer = JournalWriter(journal, tasks)
    portfolio = PortfolioManager(
        config, bus, quote="USD", clock=clock, exchange=account, writer=writer, pairs=pairs, journal=journal
    )
    execution = ExecutionHandler(
        config, bus, exchange=account, journal=journal, clock=clock, ids=ids, tasks=tasks,
        is_halted=lambda: False, gate=gate,
    )  # fmt: skip

    pauses = itertools.count()

    async def pause(seconds):
        if seconds > 60:  # the schedule itself: a test asks when it wants one
            await asyncio.Event().wait()
        if isinstance(clock, SimulatedClock):
            clock.advance_to(clock.now_ns() + int(seconds * SECOND_NS))
            if next(pauses) > MANY:  # what retries for ever must leave a moment in which nothing works
                await asyncio.sleep(0.005)
        else:
            await asyncio.sleep(seconds)

    service = ReconciliationService(
        config, portfolio, event_bus=bus, exchange=account, orders=execution, gate=gate, journal=journal,
        writer=writer, clock=clock, tasks=tasks, pause=pause,
    )  # fmt: skip
    triggers, told = [], []
    _keep(bus, "POTENTIAL_HALT_TRIGGER", triggers)
    _keep(bus, "RECONCILIATION", told)
    await portfolio.restore()
    take_up(await recover_orders(journal, blotter=execution.blotter), execution, account)
    await portfolio.start()
    await execution.start()
    await account.start()
    if start:
        await service.start()
        await tasks.settle()
    try:
        yield Desk(account, clock, journal, bus, tasks, gate, execution, portfolio, service, triggers, told)
    finally:
        await tasks.stop()
        await account.stop()


def _keep(bus, event_type, kept):
    async def keep(event):
        kept.append(event.payload)

    bus.subscribe(event_type, keep)
