"""Bookkeeping to the last digit, drawdown periods, idempotence; against a plain reference."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace

from gal_friday_core.account import Flow
from gal_friday_core.config import CostsConfig
from gal_friday_core.errors import ContractError
from gal_friday_core.instruments import Instrument
from gal_friday_core.money import CENT
from gal_friday_core.portfolio import KEPT_NS, Applied, Credited, Duplicate, Portfolio
from gal_friday_core.simulated_exchange import SimulatedExchange
from gal_friday_core.times import DAY_NS, from_iso
from tests.core.trading import PAIR, fill, order

MONDAY = from_iso("2024-01-01")


@pytest.fixture
def portfolio():
    return Portfolio("USD", Decimal(1000), MONDAY)


def test_round_trip_books_profit_and_fees(portfolio):
    portfolio.apply(fill("a", "BUY", "2", "100", "0.50", ts=MONDAY))
    applied = portfolio.apply(fill("b", "SELL", "2", "110", "0.55", ts=MONDAY + 1))
    assert isinstance(applied, Applied)
    assert (applied.realized, applied.cash_change) == (Decimal(20), Decimal("219.45"))
    state = portfolio.state(MONDAY + 2)
    assert (state.total_equity, state.cash, state.fees) == (Decimal("1018.95"),) * 2 + (Decimal("1.05"),)
    assert (state.realized_pnl, state.unrealized_pnl, dict(state.positions)) == (20, 0, {})


def test_names_of_settled_fills_are_forgotten_and_none_of_them_is_booked_again(portfolio):
    old, young = (fill(key, "BUY", "1", "100", ts=MONDAY + at) for key, at in (("a", 0), ("b", KEPT_NS)))
    portfolio.apply(old)
    portfolio.apply(young)
    portfolio.settle(MONDAY + KEPT_NS)  # nothing is as old as that yet
    assert portfolio.executions == {"a#1": MONDAY, "b#1": MONDAY + KEPT_NS}
    portfolio.mark(PAIR, Decimal(100), MONDAY + 2 * KEPT_NS)
    portfolio.settle(MONDAY + KEPT_NS + 1)
    assert list(portfolio.executions) == ["b#1"]
    portfolio.settle(MONDAY + 3 * KEPT_NS)  # a clock that is ahead settles no more than was heard of
    assert list(portfolio.executions) == ["b#1"]
    before = portfolio.balances()
    assert [type(portfolio.apply(again)) for again in (old, young)] == [Duplicate, Duplicate]
    assert portfolio.balances() == before
    assert portfolio.is_booked("never heard of", MONDAY)
    assert not portfolio.is_booked("c", MONDAY + KEPT_NS)


def test_average_entry_price_weighs_the_fills(portfolio):
    portfolio.apply(fill("a", "BUY", "1", "100", ts=MONDAY))
    portfolio.apply(fill("b", "BUY", "3", "120", ts=MONDAY + 5))
    portfolio.mark(PAIR, Decimal(130), MONDAY + 6)
    position = portfolio.state(MONDAY + 6).positions[PAIR]
    assert (position.average_entry_price, position.quantity) == (115, 4)
    assert (position.market_value, position.unrealized_pnl) == (520, 60)
    assert position.opened_at == MONDAY


def test_partial_sale_keeps_the_average(portfolio):
    portfolio.apply(fill("a", "BUY", "3", "100", ts=MONDAY))
    portfolio.apply(fill("b", "SELL", "1", "130", ts=MONDAY + 5))
    state = portfolio.state(MONDAY + 6)
    assert (state.realized_pnl, state.positions[PAIR].average_entry_price) == (30, 100)


def test_a_fill_costs_what_the_exchange_booked_for_it(portfolio):
    bought = replace(fill("a", "BUY", "0.03", "100.333", "0.01", ts=MONDAY), last_cost=Decimal("3.01"))
    sold = replace(fill("b", "SELL", "0.03", "100.333", "0.01", ts=MONDAY + 1), last_cost=Decimal("3.00"))
    assert portfolio.apply(bought).cash_change == Decimal("-3.02")
    assert portfolio.apply(sold).cash_change == Decimal("2.99")
    assert portfolio.cash == Decimal("999.97")


def test_fill_is_booked_once(portfolio):
    report = fill("a", "BUY", "1", "100", ts=MONDAY)
    portfolio.apply(report)
    assert portfolio.apply(report) == Duplicate("a#1")
    assert portfolio.cash == 900


def test_report_without_a_fill_books_nothing(portfolio):
    venue = SimulatedExchange([Instrument(PAIR, Decimal("0.01"))], {"USD": Decimal(1)}, CostsConfig())
    (rejected,) = venue.submit(order())
    assert portfolio.apply(rejected) is None
    assert portfolio.equity == 1000


def test_sale_beyond_the_position_is_seen_as_a_short(portfolio):
    portfolio.apply(fill("a", "BUY", "1", "100", ts=MONDAY))
    portfolio.apply(fill("b", "SELL", "3", "110", ts=MONDAY + 5))
    portfolio.mark(PAIR, Decimal(105), MONDAY + 6)
    state = portfolio.state(MONDAY + 6)
    assert (state.held(PAIR), state.realized_pnl, state.unrealized_pnl) == (-2, 10, 10)
    assert (state.total_equity, state.positions[PAIR].opened_at) == (1020, MONDAY + 5)


@pytest.mark.parametrize(
    "wrong",
    [
        fill("a", "BUY", "1", "100", "1", fee_asset="BTC"),
        fill("a", "BUY", "1", "100", pair="ETH/EUR", fee_asset="EUR"),
        fill("a", "BUY", "0", "100"),
        fill("a", "BUY", "1", "-1"),
    ],
)
def test_fill_that_cannot_be_booked_is_refused_whole(portfolio, wrong):
    with pytest.raises(ContractError, match="a#1"):
        portfolio.apply(wrong)
    assert (portfolio.cash, portfolio.positions) == (1000, {})


def test_fee_in_base_is_what_a_buy_does_not_receive(portfolio):
    applied = portfolio.apply(fill("a", "BUY", "2", "100", "0.01", ts=MONDAY, fee_asset="BTC"))
    assert (applied.position.quantity, applied.position.cost) == (Decimal("1.99"), 199)
    assert (applied.position.fees, applied.cash_change) == (1, -200)
    assert portfolio.equity == 999


def test_fee_in_another_asset_takes_nothing_from_base_or_quote(portfolio):
    applied = portfolio.apply(fill("a", "BUY", "2", "100", "7", ts=MONDAY, fee_asset="KFEE"))
    assert (applied.position.quantity, applied.position.cost) == (2, 200)
    assert (applied.position.fees, applied.cash_change) == (0, -200)


def test_fee_in_base_is_sold_with_a_sale(portfolio):
    portfolio.apply(fill("a", "BUY", "2", "100", ts=MONDAY))
    applied = portfolio.apply(fill("b", "SELL", "1", "110", "0.1", ts=MONDAY + 1, fee_asset="BTC"))
    assert (applied.position.quantity, applied.position.cost) == (Decimal("0.9"), 90)
    assert (applied.position.fees, applied.realized, applied.cash_change) == (11, 11, 110)


def deposit(key, asset, amount, ts=MONDAY):
    return Flow(flow_id=key, kind="DEPOSIT", asset=asset, amount=Decimal(amount), timestamp=ts)


def test_flow_is_booked_once(portfolio):
    assert portfolio.credit(deposit("F1", "USD", "500")) == Credited("F1", None, Decimal(500))
    assert portfolio.credit(deposit("F1", "USD", "500")) == Duplicate("F1")
    assert (portfolio.cash, portfolio.deposits) == (1500, 1500)


def test_coins_that_came_without_a_trade_are_taken_in_at_the_mark_and_are_no_profit(portfolio):
    portfolio.mark(PAIR, Decimal(200), MONDAY)
    assert portfolio.credit(deposit("F1", "BTC", "2")) == Credited("F1", PAIR, Decimal(400))
    state = portfolio.state(MONDAY)
    assert (state.total_equity, state.cash, state.unrealized_pnl, state.realized_pnl) == (1400, 1000, 0, 0)
    assert state.positions[PAIR].average_entry_price == 200
    assert drawdowns(portfolio, MONDAY) == (0, 0, 0)


def test_coins_that_left_realise_their_profit_and_are_no_loss(portfolio):
    portfolio.apply(fill("a", "BUY", "2", "100", ts=MONDAY))
    portfolio.mark(PAIR, Decimal(150), MONDAY + 1)
    portfolio.credit(deposit("F1", "BTC", "-1", MONDAY + 2))
    state = portfolio.state(MONDAY + 2)
    assert (state.realized_pnl, state.unrealized_pnl, state.total_equity) == (50, 50, 950)
    assert (portfolio.deposits, state.total_drawdown) == (850, 0)


def test_coins_without_a_price_are_refused_whole(portfolio):
    with pytest.raises(ContractError, match="no price"):
        portfolio.credit(deposit("F1", "BTC", "2"))
    assert (portfolio.positions, portfolio.flows) == ({}, set())
    assert isinstance(portfolio.credit(deposit("F1", "BTC", "2"), Decimal(100)), Credited)


def drawdowns(portfolio, ts):
    state = portfolio.state(ts)
    return state.daily_drawdown, state.weekly_drawdown, state.total_drawdown


def test_drawdown_turns_at_midnight_and_on_monday(portfolio):
    portfolio.apply(fill("a", "BUY", "10", "100", ts=MONDAY))
    portfolio.mark(PAIR, Decimal(80), MONDAY + 1)
    fifth = Decimal("0.2")
    assert drawdowns(portfolio, MONDAY + DAY_NS - 1) == (fifth, fifth, fifth)
    assert drawdowns(portfolio, MONDAY + DAY_NS) == (0, fifth, fifth)
    portfolio.mark(PAIR, Decimal(60), MONDAY + DAY_NS)  # from 80, which the day began with
    assert drawdowns(portfolio, MONDAY + DAY_NS) == (Decimal("0.25"), Decimal("0.4"), Decimal("0.4"))
    assert drawdowns(portfolio, MONDAY + 7 * DAY_NS - 1) == (0, Decimal("0.4"), Decimal("0.4"))
    assert drawdowns(portfolio, MONDAY + 7 * DAY_NS) == (0, 0, Decimal("0.4"))


def test_new_peak_ends_every_drawdown(portfolio):
    portfolio.apply(fill("a", "BUY", "10", "100", ts=MONDAY))
    portfolio.mark(PAIR, Decimal(80), MONDAY + 1)
    portfolio.mark(PAIR, Decimal(120), MONDAY + 2)
    assert drawdowns(portfolio, MONDAY + 3) == (0, 0, 0)


def test_deposits_and_withdrawals_change_no_drawdown(portfolio):
    portfolio.apply(fill("a", "BUY", "5", "100", ts=MONDAY))
    portfolio.mark(PAIR, Decimal(80), MONDAY + 1)
    tenth = Decimal("0.1")
    assert drawdowns(portfolio, MONDAY + 1) == (tenth, tenth, tenth)
    portfolio.flow(Decimal(5000), MONDAY + 2)
    assert drawdowns(portfolio, MONDAY + 2) == pytest.approx((tenth, tenth, tenth), abs=Decimal("1e-20"))
    portfolio.flow(Decimal(-5100), MONDAY + 3)
    assert drawdowns(portfolio, MONDAY + 3) == pytest.approx((tenth, tenth, tenth), abs=Decimal("1e-20"))
    assert portfolio.state(MONDAY + 3).total_equity == 800


def test_old_mark_is_ignored(portfolio):
    portfolio.apply(fill("a", "BUY", "5", "100", ts=MONDAY))
    portfolio.mark(PAIR, Decimal(110), MONDAY + 5)
    portfolio.mark(PAIR, Decimal(50), MONDAY + 4)
    assert portfolio.equity == 1050


def test_state_reads_as_the_specification_says(portfolio):
    portfolio.apply(fill("a", "BUY", "5", "100", ts=MONDAY))
    portfolio.mark(PAIR, Decimal(80), MONDAY + 1)
    state = portfolio.state(MONDAY + 1).as_dict(reserved=Decimal("99.5"))
    assert state == {
        "timestamp": "2024-01-01T00:00:00.000000001Z",
        "total_equity": "900.00000000",
        "available_balance": "400.50000000",
        "positions": {
            "BTC/USD": {
                "base_asset": "BTC",
                "quote_asset": "USD",
                "quantity": "5",
                "average_entry_price": "100.00000000",
                "current_market_value": "400.00000000",
                "unrealized_pnl": "-100.00000000",
            }
        },
        "total_exposure_pct": "44.4444",
        "daily_drawdown_pct": "10.0000",
        "weekly_drawdown_pct": "10.0000",
        "total_drawdown_pct": "10.0000",
    }
    assert portfolio.state(MONDAY + 1).as_dict("ETH/USD")["positions"] == {}


quantities = st.decimals("0.00000001", "1000", places=8).filter(lambda number: number > 0)
prices = st.decimals("0.00000001", "100000", places=8).filter(lambda number: number > 0)
pairs = st.sampled_from(["BTC/USD", "ETH/USD", "XRP/USD"])
shares = st.sampled_from([Decimal("0.0026"), Decimal("0.5"), Decimal("-0.0001")])


class Bookkeeping(RuleBasedStateMachine):
    """Any fills, of any order and repetition, against sums in plain decimals."""

    def __init__(self):
        super().__init__()
        self.portfolio = Portfolio("USD", Decimal(10_000), MONDAY)
        self.cash, self.deposits = Decimal(10_000), Decimal(10_000)
        self.held, self.marks, self.fees, self.seen = {}, {}, Decimal(0), []
        self.now = MONDAY
        self.peak = Decimal(10_000)

    @rule(
        side=st.sampled_from(["BUY", "SELL"]), quantity=quantities, price=prices, pair=pairs, fee=quantities
    )
    def trade(self, side, quantity, price, pair, fee):
        report = fill(f"f{len(self.seen)}", side, str(quantity), str(price), str(fee), pair=pair, ts=self.now)
        self.portfolio.apply(report)
        self.seen.append(report)
        with localcontext() as wide:
            wide.prec = 60
            signed = quantity if side == "BUY" else -quantity
            self.cash -= (signed * price).quantize(CENT) + fee
            self.take_in(pair, signed, price)
        self.fees += fee

    @rule(side=st.sampled_from(["BUY", "SELL"]), quantity=quantities, price=prices, pair=pairs, share=shares)
    def trade_with_fee_in_base(self, side, quantity, price, pair, share):
        base = pair.partition("/")[0]
        with localcontext() as wide:
            wide.prec = 60
            fee = (quantity * share).quantize(CENT)
            signed = quantity if side == "BUY" else -quantity
            gross, charged = (signed * price).quantize(CENT), (fee * price).quantize(CENT)
        report = fill(
            f"f{len(self.seen)}", side, str(quantity), str(price), str(fee), pair=pair, ts=self.now, fee_asset=base
        )  # fmt: skip
        self.portfolio.apply(report)
        self.seen.append(report)
        with localcontext() as wide:
            wide.prec = 60
            self.cash -= gross
            self.take_in(pair, signed - fee, price)
        self.fees += charged

    def take_in(self, pair, quantity, price):
        """What opens a position is the newest price of the pair; what adds to one leaves its mark alone."""
        before = self.held.get(pair, Decimal(0))
        self.held[pair] = before + quantity
        if not before:
            self.marks[pair] = price

    @rule(pair=pairs, quantity=quantities, price=prices, out=st.booleans())
    def move_coins(self, pair, quantity, price, out):
        signed = -quantity if out else quantity
        key = f"coins{len(self.seen)}-{self.portfolio.revision}"
        flow = deposit(key, pair.partition("/")[0], str(signed), self.now)
        credited = self.portfolio.credit(flow, self.marks.setdefault(pair, price))
        assert self.portfolio.credit(flow) == Duplicate(key)
        with localcontext() as wide:
            wide.prec = 60
            self.held[pair] = self.held.get(pair, Decimal(0)) + signed
            value = (signed * self.marks[pair]).quantize(CENT)
        assert credited.value == value
        self.deposits += value

    @rule(data=st.data())
    def repeat(self, data):
        if self.seen:
            report = data.draw(st.sampled_from(self.seen))
            assert self.portfolio.apply(report) == Duplicate(report.execution_id)

    @rule(pair=pairs, price=prices, later=st.integers(0, 3 * DAY_NS))
    def mark(self, pair, price, later):
        self.now += later
        self.portfolio.mark(pair, price, self.now)
        self.marks[pair] = price

    @rule(amount=st.decimals("-5000", "5000", places=8))
    def flow(self, amount):
        self.portfolio.flow(amount, self.now)
        self.cash += amount
        self.deposits += amount

    @invariant()
    def conserves_to_the_last_digit(self):
        held = {pair: position.quantity for pair, position in self.portfolio.positions.items()}
        assert held == self.held
        assert self.portfolio.cash == self.cash
        books = self.portfolio.positions.values()
        cost = sum((position.cost for position in books), Decimal(0))
        realized = sum((position.realized for position in books), Decimal(0))
        assert sum((position.fees for position in books), Decimal(0)) == self.fees
        assert self.cash + cost == self.deposits + realized - self.fees

    @invariant()
    def equity_is_cash_and_positions_at_their_marks(self):
        with localcontext() as wide:
            wide.prec = 60
            worth = sum(
                ((quantity * self.marks[pair]).quantize(CENT) for pair, quantity in self.held.items()),
                Decimal(0),
            )
        state = self.portfolio.state(self.now)
        assert state.total_equity == self.cash + worth
        assert state.unrealized_pnl + state.realized_pnl - state.fees == state.total_equity - self.deposits

    @invariant()
    def drawdown_is_a_fraction_while_anything_is_left(self):
        state = self.portfolio.state(self.now)
        assert state.daily_drawdown >= 0
        assert state.weekly_drawdown >= 0
        if state.total_equity > 0:
            assert state.total_drawdown < 1

    @invariant()
    def nothing_held_costs_nothing(self):
        for position in self.portfolio.positions.values():
            if position.quantity == 0:
                assert (position.cost, position.opened_at) == (0, None)


Bookkeeping.TestCase.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
TestBookkeeping = Bookkeeping.TestCase
