"""A day's statement proves itself: movements as told, holdings as booked, and both agree to the last digit."""

import itertools
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gal_friday_core.account import Flow
from gal_friday_core.errors import DataError
from gal_friday_core.payloads import ExecutionReport
from gal_friday_core.portfolio import Applied, Credited, Mark, Portfolio
from gal_friday_core.portfolio_records import CASH_FLOW, FILL, fill_record, flow_record
from gal_friday_core.statement import statement
from gal_friday_core.statement_lines import Booking
from gal_friday_core.times import DAY_NS, HOUR_NS, from_iso

START = from_iso("2024-03-01")
NOW = START + 30 * DAY_NS


class Account:
    """Books kept by the portfolio itself, written as the journal holds them."""

    def __init__(self):
        self.portfolio = Portfolio("USD", Decimal(0), START)
        self.bookings = []
        self.flow("USD", "10000", START, "opening:USD")

    def flow(self, asset, amount, ts_ns, flow_id=None, kind="DEPOSIT"):
        flow = Flow(
            flow_id=flow_id or f"L{len(self.bookings)}", kind=kind, asset=asset, amount=Decimal(amount),
            timestamp=ts_ns,
        )  # fmt: skip
        credited = self.portfolio.credit(flow)
        assert isinstance(credited, Credited)
        self._written(CASH_FLOW, flow.flow_id, ts_ns, flow_record(self.portfolio, flow, credited))

    def fill(self, side, quantity, price, ts_ns, *, pair="BTC/USD", fee="0", fee_asset="USD", cost=None):
        report = ExecutionReport(
            signal_id="s", client_order_id="c", trading_pair=pair, exchange="kraken", order_status="FILLED",
            order_type="MARKET", side=side, quantity_ordered=Decimal(quantity),
            quantity_filled=Decimal(quantity), timestamp_exchange=ts_ns,
            execution_id=f"T{len(self.bookings)}", last_quantity=Decimal(quantity), last_price=Decimal(price),
            commission=Decimal(fee), commission_asset=fee_asset,
            last_cost=None if cost is None else Decimal(cost),
        )  # fmt: skip
        booked = self.portfolio.apply(report)
        assert isinstance(booked, Applied)
        record = fill_record(self.portfolio, report, booked)
        self._written(FILL, report.execution_id, ts_ns, record, report)

    def _written(self, kind, key, ts_ns, record, report=None):
        self.bookings.append(
            Booking(
                seq=len(self.bookings), ts_ns=ts_ns, kind=kind, key=key, record=_json(record),
                report=None if report is None else _json(report),
            )
        )  # fmt: skip

    def day(self, day, now_ns=NOW, **marks):
        return statement(self.bookings, session="s", quote="USD", day=day, now_ns=now_ns, **marks)


def _json(value):
    return msgspec.json.decode(msgspec.json.encode(value))


def mark(price, ts_ns):
    return {"BTC/USD": Mark(Decimal(price), ts_ns)}


def test_a_day_of_trading_adds_up_line_by_line():
    account = Account()
    account.fill("BUY", "0.5", "1000", START + HOUR_NS, fee="1.3")
    account.fill("SELL", "0.2", "1100", START + DAY_NS, fee="0.57")
    account.flow("USD", "-250.5", START + DAY_NS + HOUR_NS, kind="WITHDRAWAL")
    account.fill("BUY", "0.1", "1050", START + DAY_NS + 2 * HOUR_NS, fee="0.0001", fee_asset="BTC")
    told = account.day(
        "2024-03-02",
        opening_marks=mark("1010", START + DAY_NS),
        closing_marks=mark("1080", START + 2 * DAY_NS),
    )
    cash, coins = told.assets
    assert (cash.opening, cash.received, cash.spent, cash.fees, cash.flows, cash.closing) == tuple(
        map(Decimal, ("9498.7", "220", "105", "0.57", "-250.5", "9362.63"))
    )
    assert (coins.opening, coins.received, coins.spent, coins.fees, coins.closing) == tuple(
        map(Decimal, ("0.5", "0.1", "0.2", "0.0001", "0.3999"))
    )
    assert told.problems == ()
    assert told.complete
    assert told.opening.equity == Decimal("9498.7") + 505
    assert told.closing.equity == Decimal("9362.63") + Decimal("0.3999") * 1080
    assert told.realized == 20
    assert told.fees == Decimal("0.57") + Decimal("0.105")
    assert told.moved == Decimal("-250.5")
    assert told.profit == told.realized + told.unrealized - told.fees
    (pair,) = told.pairs
    assert (pair.fills, pair.bought, pair.sold, pair.turnover, pair.closing_mark) == (
        2, Decimal("0.1"), Decimal("0.2"), Decimal(325), Decimal(1080),
    )  # fmt: skip
    assert [trade.side for trade in told.trades] == ["SELL", "BUY"]
    assert [flow.kind for flow in told.flows] == ["WITHDRAWAL"]


def test_the_first_day_opens_with_nothing_and_names_what_was_taken_over():
    told = Account().day("2024-03-01")
    assert (told.opening.equity, told.closing.equity) == (0, 10_000)
    assert [(flow.kind, flow.amount) for flow in told.flows] == [("OPENING", Decimal(10_000))]
    assert told.profit == 0


def test_a_quiet_day_closes_as_it_opened():
    account = Account()
    account.fill("BUY", "0.5", "1000", START + HOUR_NS)
    told = account.day("2024-03-04")
    assert told.opening == told.closing
    assert (told.trades, told.flows, told.problems) == ((), (), ())


def test_a_day_that_is_not_over_says_so():
    assert not Account().day("2024-03-01", now_ns=START + HOUR_NS).complete


def test_a_fill_that_was_found_a_day_late_stands_in_the_day_that_booked_it():
    account = Account()
    account.fill("BUY", "0.5", "1000", START + DAY_NS + HOUR_NS)
    account.fill("BUY", "0.1", "900", START + 23 * HOUR_NS)
    first, second = account.day("2024-03-01"), account.day("2024-03-02")
    assert first.trades == ()
    assert [trade.late for trade in second.trades] == [False, True]
    assert second.opening == first.closing
    assert first.problems == second.problems == ()


def test_what_the_exchange_booked_counts_where_it_differs_from_the_product():
    account = Account()
    account.fill("BUY", "0.3", "1000.1", START + HOUR_NS, cost="300.04")
    told = account.day("2024-03-01")
    assert told.problems == ()
    assert told.trades[0].value == Decimal("300.04")
    assert told.assets[0].closing == Decimal("9699.96")


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("cash", "USD: closing 9400.7"),
        ("position_quantity", "BTC: closing"),
        ("position_fees", "in fees"),
        ("deposits", "deposits grew"),
    ],
)
def test_books_that_do_not_follow_from_their_movements_are_a_problem_by_name(field, said):
    account = Account()
    account.fill("BUY", "0.5", "1000", START + HOUR_NS, fee="1.3")
    last = account.bookings[-1]
    changed = dict(last.record) | {field: str(Decimal(last.record[field]) - 98)}
    account.bookings[-1] = msgspec.structs.replace(last, record=changed)
    assert any(said in problem for problem in account.day("2024-03-01").problems)


@pytest.mark.parametrize("day", ["2024-13-01", "yesterday", "2024-3-1", "2024-03-01T12:00"])
def test_what_is_no_day_is_refused(day):
    with pytest.raises(DataError):
        Account().day(day)


def test_an_account_that_was_not_open_yet_has_no_statement():
    with pytest.raises(DataError, match="not open on 2024-02-29"):
        Account().day("2024-02-29")


def test_json_speaks_times_and_plain_decimals():
    account = Account()
    account.fill("BUY", "0.5", "1000", START + HOUR_NS)
    told = account.day("2024-03-01").as_dict()
    assert told["trades"][0]["time"] == "2024-03-01T01:00:00.000000000Z"
    assert told["pairs"][0]["closing_mark_time"] == "2024-03-01T01:00:00.000000000Z"
    assert told["profit"] == "0"
    assert told["assets"][0]["unexplained"] == "0"
    assert msgspec.json.decode(msgspec.json.encode(told)) == told


amounts = st.decimals("0.0001", "3", places=4)
prices = st.decimals("10", "5000", places=2)
moves = st.lists(
    st.tuples(
        st.sampled_from(("BUY", "SELL", "DEPOSIT", "WITHDRAWAL", "COINS")), amounts, prices,
        st.integers(0, 4 * DAY_NS), st.sampled_from(("USD", "BTC", "KFEE")),
    ),
    max_size=25,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(moves, prices)
def test_days_follow_each_other_without_a_gap_and_every_one_adds_up(moves, price):
    account = Account()
    for kind, amount, at, after, fee_asset in moves:
        ts_ns = START + after
        if kind in ("BUY", "SELL"):
            fee = amount / 1000 if fee_asset == "BTC" else amount
            account.fill(kind, amount, at, ts_ns, fee=fee, fee_asset=fee_asset)
        elif kind == "COINS" and "BTC/USD" in account.portfolio.marks:
            account.flow("BTC", amount, ts_ns)
        else:
            account.flow("USD", amount if kind == "DEPOSIT" else -amount, ts_ns)
    days = [account.day(f"2024-03-0{day}", **_marks(day, price)) for day in range(1, 7)]
    for told, following in itertools.pairwise(days):
        assert following.opening == told.closing
    for told in days:
        assert told.problems == ()
        assert told.profit == told.realized + told.unrealized - told.fees
        assert all(line.unexplained == 0 for line in told.assets)
    assert sum(len(told.trades) + len(told.flows) for told in days) == len(account.bookings)
    assert days[-1].closing.cash == account.portfolio.cash


def _marks(day, price):
    """A price at each midnight."""
    return {
        name: {"BTC/USD": Mark(price + end, START + (end - 1) * DAY_NS)}
        for name, end in (("opening_marks", day), ("closing_marks", day + 1))
    }
