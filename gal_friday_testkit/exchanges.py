"""Tries an exchange's adapter on a market that stands where it is put: ids, the order of reports, refusals, and money that adds up."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from msgspec.structs import replace

from gal_friday_core.account import OrderFacts
from gal_friday_core.errors import ContractError, ExchangeError, OutcomeUnknownError
from gal_friday_core.instruments import Instrument
from gal_friday_core.money import ZERO
from gal_friday_core.orders import TRANSITIONS, Order, is_terminal
from gal_friday_core.payloads import ExecutionReport, OrderStatus, OrderType, Side
from gal_friday_core.ports import Exchange
from gal_friday_testkit.promise import BrokenPromiseError, require

PATIENCE_S = 10.0
"""For a report that has to come."""
EARLY_NS = 0


class Bench(Protocol):
    """An adapter whose account holds some ten thousand of the quote currency, and on which nobody else trades.

    Behind it stands the exchange's own test market, a simulation of it, or recorded answers.
    """

    @property
    def exchange(self) -> Exchange:
        """Not started yet."""
        ...

    @property
    def instrument(self) -> Instrument: ...

    @property
    def price(self) -> Decimal:
        """About where its market stands: what the checks trade at."""
        ...

    def now_ns(self) -> int:
        """The engine's clock."""
        ...

    async def trade_at(self, price: Decimal) -> None:
        """Let the market trade at this price, on both sides of it, with enough for anybody."""
        ...


Open = Callable[[], AbstractAsyncContextManager[Bench]]


async def check_exchange(opened: Open) -> None:
    """Everything that an adapter promises. `opened` gives a new account at each call. Raises BrokenPromiseError."""
    for check in (buys_and_sells, rests_and_cancels, refuses_for_certain, knows_only_its_own):
        async with opened() as bench:
            room = _Room(bench)
            await room.start()
            try:
                await check(room)
                room.told_in_order()
            finally:
                await bench.exchange.stop()


async def buys_and_sells(room: "_Room") -> None:
    """A market order is filled once, told once, and the balances say so to the last digit; sent twice it is one order."""
    before = await room.balances()
    cash, base = before.get(room.quote, ZERO), before.get(room.base, ZERO)
    require(cash > 5_000, "the account of a bench holds cash", str(cash))
    bought = room.order("BUY", "MARKET", room.lots(1_000 / room.price))
    await room.exchange.submit(bought)
    await room.trade()
    end = await room.ended(bought)
    require(end.order_status == "FILLED", "a market order is filled", str(end))
    await room.refused(bought, "an order that was sent is not sent again")
    require(len(room.fills_of(bought)) == len(set(room.executions(bought))), "each fill is told once")
    require(end.quantity_filled == bought.quantity, "all of it", str(end.quantity_filled))
    held = (await room.balances()).get(room.base, ZERO) - base
    require(0 < held <= bought.quantity, "what was bought is held", str(held))
    sold = room.order("SELL", "MARKET", room.lots(held))
    await room.exchange.submit(sold)
    await room.trade()
    require((await room.ended(sold)).order_status == "FILLED", "what is held can be sold")
    expected = cash + room.earned(sold) + room.earned(bought)
    left = (await room.balances()).get(room.quote, ZERO)
    require(
        abs(left - expected) <= Decimal("0.01"),
        "fills and fees add up to the balance",
        f"{left}, not {expected}",
    )
    told = {fill.execution_id for fill in await room.exchange.fills(EARLY_NS)}
    require(
        told == {*room.executions(bought), *room.executions(sold)}, "fills() has what was reported", str(told)
    )


async def rests_and_cancels(room: "_Room") -> None:
    """A limit order below the market rests, is found under its id, and ends when asked to, once."""
    resting = room.order("BUY", "LIMIT", room.lots(200 / room.price), limit=room.price * Decimal("0.8"))
    await room.exchange.submit(resting)
    await room.reaches(resting, "NEW")
    found = await room.exchange.find(resting.client_order_id)
    require(found is not None and found.status == "NEW", "a resting order is found under its id", str(found))
    assert found is not None
    _same_order(resting, found)
    standing = [facts.client_order_id for facts in await room.exchange.open_orders()]
    require(standing == [resting.client_order_id], "open_orders() has it, and no other", str(standing))
    await room.exchange.cancel(resting.client_order_id)
    end = await room.ended(resting)
    require(end.order_status == "CANCELED" and end.quantity_filled == 0, "its end is reported", str(end))
    require(not await room.exchange.open_orders(), "nothing is open any more")
    after = await room.exchange.find(resting.client_order_id)
    require(after is None or is_terminal(after.status), "an ended order has ended", str(after))
    await room.cannot_cancel(resting.client_order_id, "an order that ended")


async def refuses_for_certain(room: "_Room") -> None:
    """What cannot be is refused, by ExchangeError or a report, and leaves nothing behind."""
    before = await room.balances()
    room_for = before[room.quote] / room.price
    for wrong, why in (
        (
            room.order("BUY", "LIMIT", room.lots(room_for * 10), limit=room.price),
            "more than there is money for",
        ),
        (
            room.order("SELL", "MARKET", room.lots(before.get(room.base, ZERO) + room_for / 10)),
            "what is not held",
        ),
    ):
        await room.is_refused(wrong, why)
    require(not await room.exchange.open_orders(), "nothing of what was refused is open")
    require(await room.balances() == before, "a refusal costs nothing")


async def knows_only_its_own(room: "_Room") -> None:
    """Ids that nobody used are unknown, and said to be."""
    stranger = str(UUID(int=2**96 + 1))
    require(await room.exchange.find(stranger) is None, "an id that was never sent is not found")
    await room.cannot_cancel(stranger, "an id that was never sent")
    require(
        not await room.exchange.fills(room.bench.now_ns() + 10**9), "fills() begins at the time asked for"
    )


class _Room:
    """A bench, all that its exchange reported, and the next order's id."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.exchange, self.instrument = bench.exchange, bench.instrument
        self.base, self.quote = self.instrument.base, self.instrument.quote
        self.price = self.instrument.price_up(bench.price)
        self.reports: list[ExecutionReport] = []
        self._more = asyncio.Condition()
        self._number = 0

    async def start(self) -> None:
        self.exchange.on_report(self._take)
        await self.exchange.start()
        await self.trade()

    async def trade(self) -> None:
        await self.bench.trade_at(self.price)

    async def balances(self) -> dict[str, Decimal]:
        return dict(await self.exchange.balances())

    def lots(self, quantity: Decimal) -> Decimal:
        return self.instrument.quantity_down(quantity)

    def order(self, side: Side, kind: OrderType, quantity: Decimal, limit: Decimal | None = None) -> Order:
        self._number += 1
        return Order(
            client_order_id=str(UUID(int=2**95 + self.bench.now_ns() + self._number)), signal_id=f"signal-{self._number}",
            trading_pair=self.instrument.pair, side=side, order_type=kind, quantity=quantity,
            created_at=self.bench.now_ns(), purpose="ENTRY" if side == "BUY" else "EXIT",
            limit_price=None if limit is None else self.instrument.price_up(limit),
        )  # fmt: skip

    def of(self, order: Order) -> list[ExecutionReport]:
        return [one for one in self.reports if one.client_order_id == order.client_order_id]

    def fills_of(self, order: Order) -> list[ExecutionReport]:
        return [one for one in self.of(order) if one.execution_id is not None]

    def executions(self, order: Order) -> list[str]:
        return [str(one.execution_id) for one in self.fills_of(order)]

    def earned(self, order: Order) -> Decimal:
        """In quote currency, fees paid."""
        sign, found = (1 if order.side == "SELL" else -1), ZERO
        for fill in self.fills_of(order):
            value = fill.last_cost or (fill.last_quantity or ZERO) * (fill.last_price or ZERO)
            require(fill.commission_asset in {None, self.quote}, "fees of this account are in quote currency")
            found += sign * value - (fill.commission or ZERO)
        return found

    async def reaches(self, order: Order, status: OrderStatus) -> ExecutionReport:
        return await self._until(order, lambda one: one.order_status == status, status)

    async def ended(self, order: Order) -> ExecutionReport:
        return await self._until(order, lambda one: is_terminal(one.order_status), "an end")

    async def refused(self, order: Order, promise: str) -> None:
        """The exchange refuses it for certain, at once."""
        try:
            await self.exchange.submit(order)
        except (ExchangeError, ContractError):
            return
        raise BrokenPromiseError(f"{promise}: {order.client_order_id} was taken twice")

    async def is_refused(self, order: Order, why: str) -> None:
        try:
            await self.exchange.submit(order)
        except ExchangeError:
            return
        await self.trade()
        end = await self.ended(order)
        require(
            end.order_status == "REJECTED" and end.error_message,
            f"{why} is refused, and why is told",
            str(end),
        )

    async def cannot_cancel(self, client_order_id: str, what: str) -> None:
        """Refused, or nothing to do; in no case unknown, for there is nothing that could still end."""
        told = len(self.reports)
        try:
            await self.exchange.cancel(client_order_id)
        except ExchangeError:
            return
        except OutcomeUnknownError:
            raise BrokenPromiseError(
                f"cancelling {what} has a known outcome: it raised OutcomeUnknownError"
            ) from None
        await self.trade()
        require(len(self.reports) == told, f"cancelling {what} reports nothing", str(self.reports[told:]))

    def told_in_order(self) -> None:
        """Each order's states may follow one another, its fills only grow, and each report names order and signal."""
        latest: dict[str, ExecutionReport] = {}
        for report in self.reports:
            before = latest.get(report.client_order_id)
            grown = before is None or report.quantity_filled >= before.quantity_filled
            require(grown, "quantity_filled only grows", str(report))
            if before is not None and before.order_status != report.order_status:
                allowed = report.order_status in TRANSITIONS[before.order_status]
                require(
                    allowed, "states follow one another", f"{before.order_status} to {report.order_status}"
                )
            require(
                report.signal_id and report.trading_pair == self.instrument.pair,
                "a report names signal and pair",
            )
            latest[report.client_order_id] = replace(report)

    async def _until(
        self, order: Order, holds: Callable[[ExecutionReport], bool], what: str
    ) -> ExecutionReport:
        try:
            async with asyncio.timeout(PATIENCE_S), self._more:
                await self._more.wait_for(lambda: any(map(holds, self.of(order))))
        except TimeoutError:
            told = [one.order_status for one in self.of(order)]
            raise BrokenPromiseError(
                f"{what} of {order.side} {order.order_type} is reported within {PATIENCE_S:g} s: only {told} was"
            ) from None
        return next(one for one in reversed(self.of(order)) if holds(one))

    async def _take(self, report: ExecutionReport) -> None:
        async with self._more:
            self.reports.append(report)
            self._more.notify_all()


def _same_order(order: Order, found: OrderFacts) -> None:
    same = (found.client_order_id, found.side, found.order_type, found.quantity, found.limit_price) == (
        order.client_order_id, order.side, order.order_type, order.quantity, order.limit_price,
    )  # fmt: skip
    require(same, "what is found is what was sent", str(found))
