"""A spot venue with Kraken's rules about protection, whose answers can be lost, doubled, late or cut off.

`Venue` is the matching engine and survives whatever happens to the client. `ScriptedExchange` is one client's
connection to it behind the `Exchange` port. `World` counts every effect that leaves the client, and can stop
the client dead before any of them: from then on nothing that it does reaches anybody.
"""

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field
from decimal import Decimal

from msgspec.structs import replace

from gal_friday_core.account import FillFacts, OrderFacts
from gal_friday_core.errors import ExchangeError, OutcomeUnknownError
from gal_friday_core.orders import Capabilities, Order, is_terminal
from gal_friday_core.payloads import ExecutionReport
from gal_friday_core.times import SECOND_NS

PAIR = "BTC/USD"
ZERO = Decimal(0)


class World:
    """`effects` counts; `dies_at` is the effect before which the client dies."""

    def __init__(self, dies_at=None):
        self.effects = 0
        self.dies_at = dies_at
        self.dead = False

    async def effect(self):
        """Return where the client lives; never return where it is dead."""
        self.effects += 1
        self.dead = self.dead or self.effects == self.dies_at
        if self.dead:
            await asyncio.get_running_loop().create_future()


class MortalJournal:
    """Dies before a line is written, or after it was and nobody has heard."""

    def __init__(self, journal, world):
        self.kept = journal
        self.world = world

    async def append(self, kind, key, ts_ns, record):
        await self.world.effect()
        await self.kept.append(kind, key, ts_ns, record)
        await self.world.effect()

    def lines(self, kinds, after=0):
        return self.kept.lines(kinds, after)


@dataclass(eq=False)
class Resting:
    """One order at the venue."""

    order: Order
    key: str
    status: str = "NEW"
    filled: Decimal = ZERO
    spent: Decimal = ZERO
    parent: "Resting | None" = None
    reason: str | None = None

    @property
    def is_open(self):
        return not is_terminal(self.status)

    @property
    def left(self):
        return self.order.quantity - self.filled if self.is_open else ZERO

    @property
    def name(self):
        """The client order id by which its reports come."""
        if self.parent is not None:
            return f"{self.parent.order.client_order_id}-SL-{self.key}"
        return self.order.client_order_id

    def facts(self):
        order = self.order
        return OrderFacts(
            exchange_order_id=self.key, trading_pair=order.trading_pair, side=order.side,
            order_type=order.order_type, status=self.status, quantity=order.quantity, filled=self.filled,
            opened_at=order.created_at, client_order_id=None if self.parent else order.client_order_id,
            parent_exchange_order_id=self.parent.key if self.parent else None, limit_price=order.limit_price,
            trigger_price=order.trigger_price, reason=self.reason,
        )  # fmt: skip


@dataclass(eq=False)
class Venue:
    """Matches at `price`; `liquidity` is what a taker finds at once, None for all it wants."""

    clock: object
    base: Decimal = ZERO
    price: Decimal = Decimal(100)
    liquidity: Decimal | None = None
    orders: dict = field(default_factory=dict)
    fills: list = field(default_factory=list)
    accepted: Counter = field(default_factory=Counter)
    clients: list = field(default_factory=list)
    postponed: list = field(default_factory=list)

    def place(self, order, parent=None):
        """Accept an order, or raise as Kraken refuses one."""
        if order.side == "SELL" and order.quantity > self.base - self.held():
            raise ExchangeError("EOrder:Insufficient funds")
        if order.deadline is not None and self.clock.now_ns() > order.deadline:
            raise ExchangeError("EService:Deadline elapsed")
        resting = Resting(order, f"O{len(self.orders)}", parent=parent)
        self.orders[resting.key] = resting
        self.accepted[resting.name] += 1
        self.tell(resting)
        self.match(resting)
        return resting

    def held(self):
        return sum((one.left for one in self.orders.values() if one.order.side == "SELL"), ZERO)

    def match(self, resting):
        order = resting.order
        limit = order.limit_price
        takes = order.order_type == "MARKET" or (
            limit is not None and (self.price <= limit if order.side == "BUY" else self.price >= limit)
        )
        if takes:
            self.fill(resting, resting.left if self.liquidity is None else min(self.liquidity, resting.left))
        if resting.is_open and order.time_in_force == "IOC":
            self.end(resting, "CANCELED")

    def fill(self, resting, quantity):
        if quantity <= 0:
            return
        order = resting.order
        resting.filled += quantity
        resting.spent += quantity * self.price
        self.base += quantity if order.side == "BUY" else -quantity
        assert self.base >= 0, "sold more than was held"
        resting.status = "FILLED" if resting.filled == order.quantity else "PARTIALLY_FILLED"
        fill = FillFacts(
            execution_id=f"T{len(self.fills)}", exchange_order_id=resting.key, trading_pair=order.trading_pair,
            side=order.side, order_type=order.order_type, quantity=quantity, price=self.price,
            fee=quantity * self.price / 1000, fee_asset="USD", timestamp=self.clock.now_ns(),
            client_order_id=None if resting.parent else order.client_order_id,
        )  # fmt: skip
        self.fills.append(fill)
        self.tell(resting, fill)
        if order.side == "BUY" and order.stop_price is not None:
            self.place(stop_for(order, quantity, self.clock.now_ns()), parent=resting)

    def end(self, resting, status, reason=None):
        resting.status, resting.reason = status, reason
        self.tell(resting)

    def cancel(self, name):
        for resting in self.orders.values():
            if resting.name == name and resting.is_open:
                self.end(resting, "CANCELED")
                return
        raise ExchangeError("EOrder:Unknown order")

    def trade(self, price):
        """The market moves: stops that it reaches sell at it."""
        self.price = Decimal(price)
        for resting in list(self.orders.values()):
            trigger = resting.order.trigger_price
            if resting.is_open and trigger is not None and self.price <= trigger:
                self.fill(resting, resting.left)

    def tell(self, resting, fill=None):
        for client in self.clients:
            client.inbox.append(report(resting, fill))

    def open_stops(self):
        return sum((one.left for one in self.orders.values() if one.order.trigger_price is not None), ZERO)


def stop_for(entry, quantity, now):
    return Order(
        client_order_id=f"{entry.client_order_id}-SL", signal_id=entry.signal_id,
        trading_pair=entry.trading_pair, side="SELL", order_type="STOP_LOSS", quantity=quantity,
        created_at=now, trigger_price=entry.stop_price, reduce_only=True, purpose="STOP",
    )  # fmt: skip


def report(resting, fill=None):
    order = resting.order
    return ExecutionReport(
        signal_id=order.signal_id, client_order_id=resting.name, exchange_order_id=resting.key,
        trading_pair=order.trading_pair, exchange="scripted", order_status=resting.status,
        order_type=order.order_type, side=order.side, quantity_ordered=order.quantity,
        quantity_filled=resting.filled, timestamp_exchange=order.created_at, limit_price=order.limit_price,
        stop_price=order.trigger_price, error_message=resting.reason,
        execution_id=fill.execution_id if fill else None, last_quantity=fill.quantity if fill else None,
        last_price=fill.price if fill else None, commission=fill.fee if fill else None,
        commission_asset=fill.fee_asset if fill else None,
    )  # fmt: skip


class ScriptedExchange:
    """One client's connection. `script` says what becomes of the next requests that change something:

    "lost request", "lost response", "late" (accepted after `late_after` questions), "refused"; anything else
    goes well. `doubled` tells every report twice, the second time after the ones behind it.
    """

    name = "scripted"

    def __init__(
        self, venue, world, *, script=(), attached_stop=True, amends=False, doubled=False, late_after=3
    ):
        self.capabilities = Capabilities(
            attached_stop=attached_stop, attached_target=False, amends=amends,
            order_types=frozenset({"MARKET", "LIMIT", "STOP_LOSS"}),
        )  # fmt: skip
        self.venue = venue
        self.world = world
        self.script = deque(script)
        self.doubled = doubled
        self.late_after = late_after
        self.inbox = deque()
        self.handler = None
        self.adopted = []
        self.asked = 0

    def on_report(self, handler):
        self.handler = handler

    def on_line(self, handler):
        self.line = handler

    def on_flow(self, handler):
        self.told_flow = handler

    def adopt(self, orders):
        self.adopted = [record.order for record in orders if record.is_open]

    async def start(self):
        """Connected: everything that happened is told again, as a snapshot and a backfill would."""
        self.venue.clients = [self]
        for resting in self.venue.orders.values():
            for fill in self.venue.fills:
                if fill.exchange_order_id == resting.key:
                    self.inbox.append(report(resting, fill))
            self.inbox.append(report(resting))

    async def finished(self): ...

    async def stop(self):
        self.venue.clients = []

    async def pump(self):
        """Deliver everything that waits to be told; whether there was anything."""
        told = False
        while self.inbox and not self.world.dead:
            told = True
            one = self.inbox.popleft()
            await self.handler(one)
            if self.doubled and one.execution_id is not None:
                await self.handler(one)
        return told

    async def submit(self, order):
        fault = self.script.popleft() if self.script else None
        await self.world.effect()
        if fault == "refused":
            raise ExchangeError("EOrder:Order minimum not met")
        if fault == "lost request":
            raise OutcomeUnknownError("no answer")
        if fault == "late":
            self.venue.postponed.append([self.late_after, order])
            raise OutcomeUnknownError("no answer")
        self.venue.place(order)
        if fault == "lost response":
            raise OutcomeUnknownError("no answer")
        await self.world.effect()

    async def amend(self, client_order_id, change):
        await self.world.effect()
        for resting in self.venue.orders.values():
            if resting.name == client_order_id and resting.is_open:
                resting.order = replace(resting.order, quantity=change.quantity or resting.order.quantity)
                self.venue.tell(resting)
                return
        raise ExchangeError("EOrder:Unknown order")

    async def cancel(self, client_order_id):
        fault = self.script.popleft() if self.script else None
        await self.world.effect()
        if fault == "lost request":
            raise OutcomeUnknownError("no answer")
        self.venue.cancel(client_order_id)
        if fault == "lost response":
            raise OutcomeUnknownError("no answer")
        await self.world.effect()

    async def cancel_all(self):
        raise NotImplementedError

    async def balances(self):
        return {"BTC": self.venue.base}

    async def find(self, client_order_id):
        """Time goes on with each question, so that a late order has its chance to arrive."""
        await self.world.effect()
        self.asked += 1
        self.venue.clock.advance_to(self.venue.clock.now_ns() + SECOND_NS)
        for late in list(self.venue.postponed):
            late[0] -= 1
            if late[0] <= 0:
                self.venue.postponed.remove(late)
                self.venue.place(late[1])
        for resting in reversed(self.venue.orders.values()):
            if resting.name == client_order_id:
                return resting.facts()
        return None

    async def open_orders(self):
        await self.world.effect()
        return [one.facts() for one in self.venue.orders.values() if one.is_open]

    async def fills(self, since_ns):
        await self.world.effect()
        return [fill for fill in self.venue.fills if fill.timestamp >= since_ns]

    async def flows(self, since_ns):
        return ()

    async def on_candle(self, candle):
        """A real market."""
