"""Whatever was booked: the books made again from the journal are the books that wrote it."""

from decimal import Decimal

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gal_friday_core.account import Flow
from gal_friday_core.portfolio import Portfolio
from gal_friday_core.portfolio_records import (
    CASH_FLOW,
    EQUITY,
    FILL,
    PortfolioRestorer,
    equity_record,
    fill_record,
    flow_record,
)
from gal_friday_core.times import DAY_NS, from_iso
from tests.core.trading import fill

MONDAY = from_iso("2024-01-01")
amounts = st.decimals("0.00000001", "1000", places=8).filter(lambda number: number > 0)
pairs = st.sampled_from(["BTC/USD", "ETH/USD"])
fees = st.sampled_from([("0", "USD"), ("0.00000001", "USD"), ("0.000000003", "base")])


def from_journal(record):
    """The record as a journal gives it back."""
    return msgspec.json.decode(msgspec.json.encode(record))


def restored(records):
    restorer = PortfolioRestorer(Portfolio("USD", Decimal(0), MONDAY))
    for kind, key, record in records:
        restorer.take(kind, key, record)
    restorer.finish()
    return restorer.portfolio


class Journalled(RuleBasedStateMachine):
    """Every booking is journalled at once; a note of equity may be written behind younger entries."""

    def __init__(self):
        super().__init__()
        self.portfolio, self.records, self.late = Portfolio("USD", Decimal(0), MONDAY), [], []
        self.now, self.count = MONDAY, 0
        self.flow("USD", Decimal(10_000))

    def write(self, kind, key, record):
        self.records.append((kind, key, from_journal(record)))

    def flow(self, asset, amount, price=None):
        self.count += 1
        flow = Flow(flow_id=f"L{self.count}", kind="DEPOSIT", asset=asset, amount=amount, timestamp=self.now)
        credited = self.portfolio.credit(flow, price)
        self.write(CASH_FLOW, flow.flow_id, flow_record(self.portfolio, flow, credited))

    @rule(side=st.sampled_from(["BUY", "SELL"]), quantity=amounts, price=amounts, pair=pairs, fee=fees)
    def trade(self, side, quantity, price, pair, fee):
        self.count += 1
        charged, asset = fee
        asset = pair.partition("/")[0] if asset == "base" else asset
        report = fill(
            f"f{self.count}",
            side,
            str(quantity),
            str(price),
            charged,
            pair=pair,
            ts=self.now,
            fee_asset=asset,
        )
        booked = self.portfolio.apply(report)
        self.write(FILL, booked.execution_id, fill_record(self.portfolio, report, booked))

    @rule(amount=st.decimals("-5000", "5000", places=8))
    def money(self, amount):
        self.flow("USD", amount)

    @rule(pair=pairs, amount=amounts, price=amounts, out=st.booleans())
    def coins(self, pair, amount, price, out):
        self.flow(pair.partition("/")[0], -amount if out else amount, price)

    @rule(pair=pairs, price=amounts, later=st.integers(0, 3 * DAY_NS), held_up=st.booleans())
    def bar(self, pair, price, later, held_up):
        self.now += later
        self.portfolio.mark(pair, price, self.now)
        self.count += 1
        note = (EQUITY, f"{pair}:{self.count}", from_journal(equity_record(self.portfolio)))
        if held_up:
            self.late.append(note)
        else:
            self.write_late()
            self.records.append(note)

    @rule()
    def write_late(self):
        self.records += self.late
        self.late.clear()

    @invariant()
    def the_books_come_back(self):
        again = restored(self.records + self.late)
        live = self.portfolio
        assert (again.cash, again.deposits, again.positions) == (live.cash, live.deposits, live.positions)
        assert (again.executions, again.flows, again.revision) == (live.executions, live.flows, live.revision)
        assert again.state(self.now) == live.state(self.now)

    @invariant()
    def a_lost_note_costs_no_money(self):
        again = restored(self.records)
        assert again.balances() == self.portfolio.balances()
        assert again.executions == self.portfolio.executions


Journalled.TestCase.settings = settings(max_examples=30, stateful_step_count=15, deadline=None)
TestJournalled = Journalled.TestCase


def test_a_mark_that_was_noted_late_is_still_the_newest_of_its_instant():
    """Coins at one price, a bar at another in the same instant, money before the bar's note was written."""
    books = Journalled()
    books.coins(pair="ETH/USD", amount=Decimal(1), price=Decimal(2), out=False)
    books.bar(held_up=True, later=0, pair="ETH/USD", price=Decimal(1))
    books.money(amount=Decimal(5))
    books.the_books_come_back()


def test_no_entries_are_new_books():
    books = restored([("PREDICTION", "p", {})])
    assert (books.equity, books.positions, books.revision) == (0, {}, 0)
