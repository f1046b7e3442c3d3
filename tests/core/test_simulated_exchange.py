"""Fills, protection, balances and refusals of the simulated exchange."""

from decimal import Decimal

import msgspec
import pytest

from gal_friday_core import working_order as module
from gal_friday_core.errors import ContractError, ExchangeError
from gal_friday_core.instruments import Instrument
from gal_friday_core.simulated_exchange import SimulatedExchange
from gal_friday_core.times import MINUTE_NS
from tests.core.trading import COSTS, PAIR, bar, order

INSTRUMENT = Instrument(
    PAIR, price_tick=Decimal("0.01"), lot=Decimal("0.001"), min_quantity=Decimal("0.01"), min_cost=Decimal(5)
)


@pytest.fixture
def exchange():
    venue = SimulatedExchange([INSTRUMENT], {"USD": Decimal(1000)}, COSTS)
    venue.on_candle(bar(0, 100, 100, 100, 100))
    return venue


def said(reports):
    return [(report.client_order_id, report.order_status) for report in reports]


def test_market_buy_fills_at_the_next_open_with_slippage_and_fee(exchange):
    (new,) = exchange.submit(order())
    assert (new.order_status, new.execution_id, new.exchange_order_id) == ("NEW", None, "SIM-a")
    (fill,) = exchange.on_candle(bar(1, 101, 105, 95, 104))
    assert fill.order_status == "FILLED"
    assert (fill.last_price, fill.last_quantity) == (Decimal("101.101"), Decimal(1))
    assert (fill.commission, fill.commission_asset) == (Decimal("1.01101"), "USD")
    assert (fill.execution_id, fill.timestamp_exchange) == ("a#1", MINUTE_NS)
    assert exchange.balances() == {
        "BTC": Decimal(1),
        "USD": Decimal(1000) - Decimal("101.101") - Decimal("1.01101"),
    }


def test_protection_lives_from_the_bar_of_the_entry_on(exchange):
    exchange.submit(order(stop_price=98, target_price=110))
    reports = exchange.on_candle(bar(1, 101, 109, 97, 104))
    assert said(reports) == [
        ("a", "FILLED"), ("a-SL", "NEW"), ("a-TP", "NEW"), ("a-SL", "FILLED"), ("a-TP", "CANCELED"),
    ]  # fmt: skip
    assert reports[3].last_price == Decimal(98) * Decimal("0.999")
    assert reports[3].timestamp_exchange == 2 * MINUTE_NS
    assert exchange.open_orders() == ()


def test_stop_comes_before_target_inside_one_bar(exchange):
    exchange.submit(order(stop_price=98, target_price=102))
    exchange.on_candle(bar(1, 100, 101, 99, 100))
    assert said(exchange.on_candle(bar(2, 100, 103, 97, 103))) == [("a-SL", "FILLED"), ("a-TP", "CANCELED")]


def test_gap_through_the_stop_fills_at_the_open(exchange):
    exchange.submit(order(stop_price=98, target_price=102))
    exchange.on_candle(bar(1, 100, 101, 99, 100))
    stopped, _ = exchange.on_candle(bar(2, 90, 103, 89, 103))
    assert stopped.last_price == Decimal(90) * Decimal("0.999")


@pytest.mark.parametrize(("high", "low", "leg"), [(101, 98, "a-SL"), (102, 99, "a-TP"), (102, 98, "a-SL")])
def test_touch_is_enough_for_stop_and_target(exchange, high, low, leg):
    exchange.submit(order(stop_price=98, target_price=102))
    exchange.on_candle(bar(1, 100, 101, 99, 100))
    assert said(exchange.on_candle(bar(2, 100, high, low, 100)))[0] == (leg, "FILLED")


def test_target_fills_at_its_own_price_without_slippage_at_the_taker_fee(exchange):
    exchange.submit(order(stop_price=98, target_price=102))
    exchange.on_candle(bar(1, 100, 101, 99, 100))
    won, other = exchange.on_candle(bar(2, 105, 106, 104, 105))
    assert (won.client_order_id, won.last_price, won.commission) == ("a-TP", Decimal(102), Decimal("1.02"))
    assert (other.client_order_id, other.order_status) == ("a-SL", "CANCELED")


def test_time_exit_fills_at_the_open_and_cancels_the_protection(exchange):
    exchange.submit(order(stop_price=98, target_price=102))
    exchange.on_candle(bar(1, 100, 101, 99, 100))
    exchange.submit(order("x", "SELL", reduce_only=True))
    reports = exchange.on_candle(bar(2, 103, 104, 90, 91))
    assert said(reports) == [("x", "FILLED"), ("a-SL", "CANCELED"), ("a-TP", "CANCELED")]
    assert reports[0].last_price == Decimal(103) * Decimal("0.999")
    assert exchange.balances()["BTC"] == 0


def test_time_exit_spares_what_was_held_before(exchange):
    venue = SimulatedExchange([INSTRUMENT], {"USD": Decimal(1000), "BTC": Decimal(2)}, COSTS)
    venue.on_candle(bar(0, 100, 100, 100, 100))
    venue.submit(order(stop_price=98, target_price=102))
    venue.on_candle(bar(1, 100, 101, 99, 100))
    assert venue.available()["BTC"] == 2
    venue.submit(order("x", "SELL", reduce_only=True))
    assert len(venue.on_candle(bar(2, 100, 101, 99, 100))) == 3
    assert venue.balances()["BTC"] == 2
    assert venue.on_candle(bar(3, 50, 200, 50, 100)) == []


def test_partial_exit_leaves_the_rest_protected(exchange):
    exchange.submit(order(stop_price=98, target_price=102))
    exchange.on_candle(bar(1, 100, 101, 99, 100))
    exchange.submit(order("x", "SELL", quantity="0.4", reduce_only=True))
    assert said(exchange.on_candle(bar(2, 100, 101, 99, 100))) == [("x", "FILLED")]
    assert exchange.available()["BTC"] == 0
    reports = exchange.on_candle(bar(3, 97, 98, 96, 97))
    assert said(reports) == [("a-SL", "PARTIALLY_FILLED"), ("a-SL", "CANCELED"), ("a-TP", "CANCELED")]
    assert reports[0].last_quantity == Decimal("0.6")
    assert exchange.balances()["BTC"] == 0


def test_reduce_only_sell_after_the_stop_is_refused(exchange):
    exchange.submit(order(stop_price=98, target_price=102))
    exchange.on_candle(bar(1, 100, 101, 97, 100))
    (report,) = exchange.submit(order("x", "SELL", reduce_only=True))
    assert report.order_status == "REJECTED"
    assert "insufficient funds" in report.error_message


def test_two_market_sells_of_the_same_position_sell_it_once(exchange):
    exchange.submit(order())
    exchange.on_candle(bar(1, 100, 101, 99, 100))
    exchange.submit(order("x", "SELL", reduce_only=True))
    exchange.submit(order("y", "SELL", reduce_only=True))
    assert said(exchange.on_candle(bar(2, 100, 101, 99, 100))) == [("x", "FILLED"), ("y", "CANCELED")]
    assert exchange.balances()["BTC"] == 0


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (order(quantity="0"), "multiple of the lot"),
        (order(quantity="0.0105"), "multiple of the lot"),
        (order(quantity="0.009"), "below the minimum 0.01"),
        (order(quantity="0.02"), "order value 2.00200000 USD is below the minimum 5"),
        (order(quantity="10"), "insufficient funds"),
        (order(stop_price="98.001"), "stop_price 98.001 is not a positive multiple of the tick 0.01"),
        (order(stop_price=99, target_price=98), "is not below target_price"),
        (order(type_="LIMIT"), "needs limit_price"),
        (order(reduce_only=True), "a buy never reduces"),
        (order(side="SELL"), "insufficient funds: 1 BTC needed, 0 free"),
        (order(side="SELL", stop_price=98), "a sell takes neither"),
    ],
)
def test_wrong_order_is_rejected_with_a_reason(exchange, wrong, reason):
    (report,) = exchange.submit(wrong)
    assert report.order_status == "REJECTED"
    assert reason in report.error_message
    assert exchange.open_orders() == ()


def test_order_before_any_price_is_rejected():
    venue = SimulatedExchange([INSTRUMENT], {"USD": Decimal(1000)}, COSTS)
    (report,) = venue.submit(order())
    assert report.error_message == "no market price of BTC/USD yet"


def test_of_ids_that_are_over_the_oldest_are_forgotten_and_no_open_order_is(exchange, monkeypatch):
    monkeypatch.setattr(module, "REMEMBERED", 3)
    exchange.submit(order("rests", type_="LIMIT", limit_price=50))
    for number in range(5):
        exchange.submit(order(f"order {number}", type_="LIMIT", limit_price=50))
        exchange.cancel(f"order {number}", MINUTE_NS)
    assert len(exchange._known) == 4
    for known in ("rests", "order 4"):
        with pytest.raises(ExchangeError, match="was used before"):
            exchange.submit(order(known))
    assert said(exchange.cancel("rests", MINUTE_NS)) == [("rests", "CANCELED")]


def test_used_client_order_id_is_refused(exchange):
    exchange.submit(order())
    with pytest.raises(ExchangeError, match="a was used before"):
        exchange.submit(order())


def test_open_buys_reserve_what_they_will_cost(exchange):
    exchange.submit(order(quantity="5"))
    cost = Decimal(5) * Decimal("100.1")
    assert exchange.available()["USD"] == Decimal(1000) - cost - cost * Decimal("0.01")
    (refused,) = exchange.submit(order("b", quantity="5"))
    assert "insufficient funds" in refused.error_message


def test_buy_that_the_next_open_makes_unaffordable_is_canceled(exchange):
    exchange.submit(order(quantity="9"))
    (report,) = exchange.on_candle(bar(1, 150, 150, 150, 150))
    assert report.order_status == "CANCELED"
    assert "insufficient funds at the fill" in report.error_message
    assert exchange.balances() == {"USD": Decimal(1000)}


def test_limit_buy_waits_until_the_bar_trades_through_it(exchange):
    exchange.submit(order(type_="LIMIT", limit_price=99))
    assert exchange.on_candle(bar(1, 100, 101, 99, 100)) == []
    (fill,) = exchange.on_candle(bar(2, 100, 101, "98.99", 100))
    assert (fill.last_price, fill.commission) == (Decimal(99), Decimal("0.495"))


def test_marketable_limit_takes_the_open_but_never_beyond_its_limit(exchange):
    exchange.submit(order(type_="LIMIT", limit_price="100.05"))
    (fill,) = exchange.on_candle(bar(1, 100, 101, 99, 100))
    assert (fill.last_price, fill.commission) == (Decimal("100.05"), Decimal("1.0005"))


def test_marketable_limit_sell_takes_the_open_but_never_below_its_limit():
    venue = SimulatedExchange([INSTRUMENT], {"BTC": Decimal(1)}, COSTS)
    venue.submit(order(side="SELL", type_="LIMIT", limit_price="99.95"))
    (fill,) = venue.on_candle(bar(1, 100, 101, 99, 100))
    assert (fill.last_price, fill.average_fill_price) == (Decimal("99.95"), Decimal("99.95"))
    assert venue.balances() == {"BTC": Decimal(0), "USD": Decimal("98.9505")}


def test_order_of_an_unknown_pair_is_rejected(exchange):
    (report,) = exchange.submit(msgspec.structs.replace(order(), trading_pair="ETH/USD"))
    assert (report.order_status, report.error_message) == ("REJECTED", "unknown pair ETH/USD")


def test_limit_entry_inside_a_bar_may_lose_in_it_but_not_win(exchange):
    exchange.submit(order("w", type_="LIMIT", limit_price=99, stop_price=95, target_price=103))
    assert said(exchange.on_candle(bar(1, 100, 110, 98, 100)))[0] == ("w", "FILLED")
    assert len(exchange.open_orders()) == 2
    exchange.submit(order("l", type_="LIMIT", limit_price=99, stop_price=95, target_price=500))
    reports = exchange.on_candle(bar(2, 100, 100, 94, 100))
    assert ("l-SL", "FILLED") in said(reports)


def test_cancel_ends_an_order_once(exchange):
    exchange.submit(order(type_="LIMIT", limit_price=99))
    assert said(exchange.cancel("a", 5)) == [("a", "CANCELED")]
    assert exchange.cancel("a", 6) == []
    assert exchange.available()["USD"] == 1000
    with pytest.raises(ExchangeError, match="no order b"):
        exchange.cancel("b", 7)


def test_canceling_one_leg_keeps_the_other(exchange):
    exchange.submit(order(stop_price=98, target_price=102))
    exchange.on_candle(bar(1, 100, 101, 99, 100))
    exchange.cancel("a-SL", 5)
    assert said(exchange.on_candle(bar(2, 100, 103, 90, 100))) == [("a-TP", "FILLED")]


def test_running_or_repeated_bars_are_refused(exchange):
    with pytest.raises(ContractError, match="does not follow"):
        exchange.on_candle(bar(0, 100, 100, 100, 100))
    with pytest.raises(ContractError, match="running bar"):
        exchange.on_candle(msgspec.structs.replace(bar(1, 100, 100, 100, 100), closed=False))
