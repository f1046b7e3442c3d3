"""Whatever happens at the exchange, told or not: once it is quiet our books are the exchange's, each fill once."""

import asyncio
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gal_friday_core.orders import is_terminal
from gal_friday_core.times import SECOND_NS
from tests.live.account import desk, order

amounts = st.integers(1, 400).map(lambda hundredths: Decimal(hundredths) / 100)
steps = st.one_of(
    st.tuples(st.just("send"), st.sampled_from(["BUY", "SELL"]), amounts, st.booleans()),
    st.tuples(st.just("stranger"), st.sampled_from(["BUY", "SELL"]), amounts, st.booleans()),
    st.tuples(st.just("fill"), amounts, st.sampled_from(["USD", "BTC"]), st.booleans()),
    st.tuples(st.just("end"), st.sampled_from(["CANCELED", "EXPIRED"]), amounts, st.booleans()),
    st.tuples(st.just("flow"), st.sampled_from(["USD", "BTC"]), amounts, st.booleans()),
    st.tuples(st.just("bar"), st.just(""), amounts, st.just(False)),
    st.tuples(st.just("reconcile"), st.just(""), amounts, st.just(False)),
    st.tuples(st.just("restart"), st.just(""), amounts, st.just(False)),
)


class World:
    """The scripted account, and every step on it."""

    def __init__(self):
        self.sent = {}
        self.number = 0

    async def step(self, our, what, one, other, told):
        await getattr(self, what)(our, one, other, told)
        our.clock.advance_to(our.clock.now_ns() + SECOND_NS)
        await our.tasks.settle()

    def made(self, our, side, quantity):
        self.number += 1
        return order(f"o{self.number}", side, str(quantity), at=our.clock.now_ns())

    async def send(self, our, side, quantity, told):
        one = replace(self.made(our, side, quantity), reduce_only=True)  # the gate is not what is tested here
        number = await our.send(one, told=told)
        self.sent[number] = one

    async def stranger(self, our, side, quantity, _told):
        one = self.made(our, side, quantity)
        number = await our.account.place(one, ours=False, told=False)
        self.sent[number] = one

    async def fill(self, our, amount, asset, told):
        number, facts = self.standing(our)
        if facts is not None:
            quantity = min(amount, facts.quantity - facts.filled)
            fee = (quantity * Decimal("0.0026")).quantize(Decimal("1e-8"))
            told = told and facts.client_order_id is not None
            await our.account.trade(
                number, quantity, "100.01", fee, asset, order=self.sent[number], told=told
            )

    async def end(self, our, status, _amount, told):
        number, facts = self.standing(our)
        if facts is not None and facts.client_order_id is not None:
            await our.account.end(facts.client_order_id, status, order=self.sent[number], told=told)

    async def flow(self, our, asset, amount, out):
        our.account.flow(asset, -amount if out else amount)

    async def bar(self, our, _, price, _told):
        await our.bar(price + 90)

    async def reconcile(self, our, *_):
        await our.reconcile()

    def standing(self, our):
        found = [(n, facts) for n, facts in our.account.orders.items() if not is_terminal(facts.status)]
        return found[0] if found else (None, None)


async def lived(plan):
    world, account, journal = World(), None, None
    lives = [[]]
    for step in plan:
        if step[0] == "restart":
            lives.append([])
        else:
            lives[-1].append(step)
    for life in lives:
        async with desk(account, journal=journal) as our:
            account, journal = our.account, our.journal
            for what, one, other, told in life:
                await world.step(our, what, one, other, told)
    async with desk(account, journal=journal) as our:
        await our.bar("100")
        await quiet(our)


async def quiet(our):
    """Nothing happens any more: one comparison must end clean, and the next finds nothing."""
    await our.reconcile()
    assert our.service.clean, our.service.last
    assert (await our.reconcile()).status == "CLEAN"
    assert our.books_agree()
    kinds = {entry.record["kind"] for entry in our.journal.entries if entry.kind == "CASH_FLOW"}
    assert "ADJUSTMENT" not in kinds  # everything was explained, to the last digit
    booked = [entry.key for entry in our.journal.entries if entry.kind == "FILL"]
    assert sorted(booked) == sorted(trade.execution_id for trade in our.account.trades)
    standing = {n for n, facts in our.account.orders.items() if not is_terminal(facts.status)}
    assert {record.exchange_order_id for record in our.execution.blotter.open()} == standing
    portfolio = our.portfolio.state()
    assert (
        portfolio.realized_pnl + portfolio.unrealized_pnl - portfolio.fees
        == portfolio.total_equity - deposited(our)
    )
    assert our.triggers == []


def deposited(our):
    flows = [entry.record for entry in our.journal.entries if entry.kind == "CASH_FLOW"]
    return sum((Decimal(record["value"]) for record in flows), Decimal(0))


@settings(max_examples=40, deadline=None)
@given(plan=st.lists(steps, max_size=14))
def test_our_books_become_the_exchanges(plan):
    asyncio.run(lived(plan))
