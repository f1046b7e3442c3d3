"""Orders among what was recorded: they take the levels that are there, and rest behind what stood before them."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gal_friday_core.blotter import Blotter
from gal_friday_core.errors import ContractError, ExchangeError
from gal_friday_core.fidelity_settings import FidelityConfig
from gal_friday_core.frictions import Notes
from gal_friday_core.recorded_exchange import RecordedExchange
from gal_friday_core.times import MINUTE_NS, SECOND_NS
from tests.core.book_tapes import tape, walk
from tests.core.test_exchange_frictions import INSTRUMENT, fills
from tests.core.trading import COSTS, PAIR, bar, order

STILL = (0, [(100, 1), (99, 2), (98, 5)], [(101, 0.4), (102, 0.5), (103, 3)])


def venue(*happened, cash=10_000, base=0, **fidelity):
    made = RecordedExchange(
        [INSTRUMENT], {"USD": Decimal(cash), "BTC": Decimal(base)}, COSTS, {PAIR: tape(*happened)},
        fidelity=FidelityConfig(**fidelity),
    )  # fmt: skip
    made.notes = Notes()
    made.on_candle(bar(0, 100, 100, 100, 100))
    return made


def passed(exchange, minute):
    return exchange.on_candle(bar(minute, 100, 100, 100, 100))


def done(reports):
    return [(r.client_order_id, r.order_status, r.last_quantity, r.last_price) for r in reports]


def test_a_market_order_takes_level_after_level():
    exchange = venue(STILL)
    (new,) = exchange.submit(order(quantity="1"))
    assert new.order_status == "NEW"
    first, second, third = passed(exchange, 1)
    assert done([first, second, third]) == [
        ("a", "PARTIALLY_FILLED", Decimal("0.4"), 101), ("a", "PARTIALLY_FILLED", Decimal("0.5"), 102),
        ("a", "FILLED", Decimal("0.1"), 103),
    ]  # fmt: skip
    assert third.average_fill_price == Decimal("0.4") * 101 + Decimal("0.5") * 102 + Decimal("0.1") * 103
    assert exchange.notes.fills["a#3"].asked == 101


def test_an_entry_gives_up_what_the_book_does_not_hold():
    exchange = venue(STILL)
    exchange.submit(order(quantity="9", stop_price=90, target_price=120))
    reports = passed(exchange, 1)
    assert sum(report.last_quantity for report in fills(reports)) == Decimal("3.9")
    assert ("a", "CANCELED") in [(r.client_order_id, r.order_status) for r in reports]
    assert [leg.quantity for leg in exchange.open_orders()] == [Decimal("3.9")] * 2
    assert exchange.notes.fills["a#3"].cut


def test_an_order_on_its_way_meets_the_book_of_its_arrival():
    later = (62, [(110, 1)], [(111, 5)])
    exchange = venue(STILL, later, latency_ms=3_000)
    exchange.submit(order(quantity="1"))
    (fill,) = passed(exchange, 1)
    assert (fill.last_price, fill.timestamp_exchange) == (111, 63 * SECOND_NS)


def test_a_stop_sells_into_the_bids_once_a_trade_reaches_it():
    falls = ((130, [(95, 0.3), (94, 9)], [(96, 1)]), (131, "sell", 95, 0.1))
    exchange = venue(STILL, *falls)
    exchange.submit(order(quantity="0.4", stop_price=97, target_price=120))
    passed(exchange, 1)
    reports = passed(exchange, 2)
    assert done(fills(reports)) == [
        ("a-SL", "PARTIALLY_FILLED", Decimal("0.2"), 95), ("a-SL", "FILLED", Decimal("0.2"), 94),
    ]  # fmt: skip
    assert ("a-TP", "CANCELED") in [(r.client_order_id, r.order_status) for r in reports]
    assert exchange.open_orders() == ()


def test_a_target_sells_what_is_bid_for_there_and_the_stop_keeps_the_rest():
    rises = ((130, [(106, 0.1), (105, 0.1), (104, 9)], [(107, 1)]), (200, [(105, 9)], [(107, 1)]))
    exchange = venue(STILL, *rises)
    exchange.submit(order(quantity="0.4", stop_price=90, target_price=105))
    passed(exchange, 1)
    part = fills(passed(exchange, 2))
    assert {report.last_price for report in part} == {105, 106}
    assert sum(report.last_quantity for report in part) == Decimal("0.2")
    assert {leg.order_type for leg in exchange.open_orders()} == {"STOP_LOSS", "TAKE_PROFIT"}
    reports = passed(exchange, 3)
    assert sum(report.last_quantity for report in fills(reports)) == Decimal("0.2")
    assert (exchange.balances()["BTC"], exchange.open_orders()) == (0, ())


def test_a_limit_waits_behind_what_stood_there_before_it():
    sold = [(second, "sell", 100, 0.5) for second in (70, 80, 90)]
    exchange = venue(STILL, *sold)
    exchange.submit(order(type_="LIMIT", limit_price=100, quantity="0.3"))
    reports = passed(exchange, 1)
    # One unit stood there: the third sale of a half is the first that reaches the order.
    assert done(fills(reports)) == [("a", "FILLED", Decimal("0.3"), 100)]
    assert reports[-1].timestamp_exchange == 90 * SECOND_NS
    assert exchange.notes.fills["a#1"].maker
    assert reports[-1].commission == Decimal("0.15")


def test_an_exit_takes_the_protection_away_and_goes_on_until_all_is_sold():
    thin = ((125, [(99, 0.1)], [(101, 1)]), (150, [(98, 5)], [(101, 1)]))
    exchange = venue(STILL, *thin)
    exchange.submit(order(quantity="0.4", stop_price=90, target_price=120))
    passed(exchange, 1)
    leave = order("x", "SELL", quantity="0.4", reduce_only=True, created_at=126 * SECOND_NS)
    exchange.submit(leave)
    reports = passed(exchange, 2)
    assert done(fills(reports)) == [
        ("x", "PARTIALLY_FILLED", Decimal("0.1"), 99), ("x", "FILLED", Decimal("0.3"), 98),
    ]  # fmt: skip
    assert (exchange.balances()["BTC"], exchange.open_orders()) == (0, ())


def test_cancelled_orders_are_gone_wherever_they_were():
    exchange = venue(STILL, latency_ms=30_000)
    exchange.submit(order("under-way"))
    (report,) = exchange.cancel("under-way", MINUTE_NS + SECOND_NS)
    assert (report.order_status, report.quantity_filled) == ("CANCELED", 0)
    exchange.submit(order("resting", type_="LIMIT", limit_price=90))
    passed(exchange, 1)
    assert exchange.available()["USD"] < 10_000
    (report,) = exchange.cancel("resting", 2 * MINUTE_NS)
    assert (report.order_status, exchange.available()["USD"]) == ("CANCELED", 10_000)
    assert exchange.cancel("resting", 2 * MINUTE_NS) == []


def test_what_cannot_be_paid_is_refused_when_it_comes_in():
    exchange = venue(STILL, cash=50)
    exchange.submit(order(quantity="1"))
    (report,) = passed(exchange, 1)
    assert report.order_status == "CANCELED"
    assert "Insufficient funds" in report.error_message


def test_ids_come_once_bars_in_order_and_every_pair_needs_a_book():
    exchange = venue(STILL)
    exchange.submit(order())
    with pytest.raises(ExchangeError):
        exchange.submit(order())
    with pytest.raises(ContractError):
        passed(exchange, 0)
    with pytest.raises(ContractError, match="BTC/USD"):
        RecordedExchange([INSTRUMENT], {}, COSTS, {})


def test_without_orders_bars_may_be_passed_by():
    exchange = venue(STILL)
    assert not exchange.watch(PAIR).next_bar
    exchange.submit(order())
    assert exchange.watch(PAIR).next_bar


@given(st.integers(0, 10_000), st.integers(10, 3_000))
@settings(max_examples=15, deadline=None)
def test_no_order_ever_fills_beyond_the_depth_that_was_recorded(seed, size):
    events = walk(seed, 60)
    exchange = venue(*events, (61, [(90, 9)], [(120, 0.001)]))
    exchange.submit(order(quantity=str(Decimal(size) / 1000)))
    last_book = [one for one in events if len(one) == 3][-1]
    reports = fills(passed(exchange, 1))
    asks = {Decimal(str(round(price, 2))): Decimal(str(amount)) for price, amount in last_book[2]}
    for price in {report.last_price for report in reports}:
        assert sum(r.last_quantity for r in reports if r.last_price == price) <= asks[price]
    assert sum(report.last_quantity for report in reports) == min(sum(asks.values()), Decimal(size) / 1000)


@given(st.integers(0, 10_000), st.sampled_from([0, 900]))
@settings(max_examples=15, deadline=None)
def test_nothing_is_made_or_lost_among_what_was_recorded(seed, latency_ms):
    exchange = venue(*walk(seed, 360), latency_ms=latency_ms, cash=300)
    cash, base = Decimal(300), Decimal(0)
    for minute in range(1, 6):
        now = minute * MINUTE_NS
        protection = {"stop_price": Decimal("99.7"), "target_price": Decimal("100.3")}
        kind = {"type_": "LIMIT", "limit_price": Decimal("99.95")} if minute % 2 else {}
        exchange.submit(order(f"b{minute}", quantity="0.5", created_at=now, **kind, **protection))
        if minute == 4 and base:
            exchange.submit(order("x", "SELL", quantity=str(base), reduce_only=True, created_at=now))
        for fill in fills(passed(exchange, minute)):
            sign = 1 if fill.side == "BUY" else -1
            base += sign * fill.last_quantity
            cash -= sign * fill.last_cost + fill.commission
        assert {asset: amount for asset, amount in exchange.balances().items() if amount} == {
            asset: amount for asset, amount in (("USD", cash), ("BTC", base)) if amount
        }
        legs = [leg for leg in exchange._working.values() if leg.order.order_type == "STOP_LOSS"]
        assert sum(leg.left for leg in legs) >= base or "x" in exchange._working


def test_the_same_orders_among_the_same_record_fill_alike():
    told = []
    for _ in range(2):
        exchange = venue(*walk(7, 200))
        exchange.submit(order(quantity="0.5", stop_price="99.7", target_price="100.3"))
        told.append([msgspec.json.encode(report) for minute in (1, 2) for report in passed(exchange, minute)])
    assert told[0] == told[1]
    assert len(told[0]) > 3


def test_what_a_limit_buys_later_has_protection_of_its_own_that_names_the_entry():
    """The books of the engine know an order that it did not send by its entry's name before the mark."""
    sold = [(70, "sell", 100, 1.2), (80, "sell", 100, 0.1)]
    exchange = venue(STILL, *sold)
    exchange.submit(order(type_="LIMIT", limit_price=100, quantity="0.3", stop_price=90, target_price=120))
    reports = passed(exchange, 1)
    assert [r.last_quantity for r in fills(reports)] == [Decimal("0.2"), Decimal("0.1")]
    legs = {leg.client_order_id: leg.quantity for leg in exchange.open_orders()}
    assert legs == {
        "a-SL": Decimal("0.2"), "a-TP": Decimal("0.2"), "a-SL.2": Decimal("0.1"), "a-TP.2": Decimal("0.1"),
    }  # fmt: skip
    blotter = Blotter()
    blotter.add(order(type_="LIMIT", limit_price=100, quantity="0.3", stop_price=90, target_price=120))
    assert [blotter.apply(report).anomaly for report in reports] == [None] * len(reports)
