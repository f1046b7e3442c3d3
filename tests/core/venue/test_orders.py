"""Market and limit orders, their flags, and what becomes of them."""

from decimal import Decimal

import pytest

from gal_friday_core.venue.requests import AddOrder, Cancelled, CancelOrder
from tests.core.venue.trading import BTC, SECOND, Desk, money


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_market_buy_takes_the_best_asks_and_pays_the_taker_fee_on_each(desk: Desk) -> None:
    desk.outside("sell", "0.1", "30000.0")
    desk.outside("sell", "0.5", "30010.0")
    order = desk.order("buy", "0.3")
    assert order.status == "filled"
    assert [(e.quantity, e.price, e.maker) for e in order.executions] == [
        (money("0.1"), money("30000.0"), False),
        (money("0.2"), money("30010.0"), False),
    ]
    assert order.cum_cost == money("9002.00000")
    assert order.cum_fee == money("36.00800")  # 0.4 %
    account = desk.venue.account("ann")
    assert account.balances == {"USD": money("90961.99200"), "BTC": money("10.3")}
    assert account.held["USD"] == 0


def test_limit_order_rests_and_its_fill_pays_the_maker_fee(desk: Desk) -> None:
    order = desk.order("buy", "1", "30000.0")
    assert order.status == "new"
    assert desk.venue.account("ann").held["USD"] == money("30120")  # cost and taker fee
    desk.outside("sell", "0.4", "29990.0")
    assert order.status == "partially_filled"
    assert order.executions[0].price == money("30000.0")
    assert order.executions[0].fee == money("30.00000")  # 0.25 %
    assert desk.venue.account("ann").held["USD"] == money("18072")


def test_updates_of_a_fill_come_in_order(desk: Desk) -> None:
    desk.outside("sell", "1", "30000.0")
    desk.updates()
    desk.order("buy", "1", "30000.0")
    kinds = [
        getattr(update, "exec_type", type(update).__name__)
        for update in desk.updates()
        if type(update).__name__ != "RateUpdate"
    ]
    assert kinds == [
        "pending_new",
        "new",
        "TradeUpdate",
        "BalanceUpdate",
        "BalanceUpdate",
        "trade",
        "filled",
        "BookUpdate",
    ]


def test_fill_that_completes_an_order_still_says_partially_filled(desk: Desk) -> None:
    desk.outside("sell", "1", "30000.0")
    desk.order("buy", "1", "30000.0")
    statuses = [(e.exec_type, e.order_status) for e in desk.executions()]
    assert statuses[-2:] == [("trade", "partially_filled"), ("filled", "filled")]


def test_two_clients_trade_with_each_other_and_both_pay(desk: Desk) -> None:
    desk.order("sell", "0.5", "30000.0", account="bob")
    desk.order("buy", "0.5", "30000.0")
    assert desk.venue.account("bob").balances["USD"] == money("114962.5")
    assert desk.venue.account("ann").balances["USD"] == money("84940")
    assert desk.venue.totals() == desk.deposits


def test_market_order_without_liquidity_is_taken_and_cancelled(desk: Desk) -> None:
    order = desk.order("sell", "1")
    assert (order.status, order.reason) == ("canceled", "Insufficient liquidity")


def test_market_remainder_is_cancelled_with_what_was_filled(desk: Desk) -> None:
    desk.outside("buy", "0.4", "30000.0")
    order = desk.order("sell", "1")
    assert (order.status, order.cum_qty, order.rest_status) == ("canceled", money("0.4"), "canceled")


def test_cash_order_buys_for_an_amount_of_quote(desk: Desk) -> None:
    desk.outside("sell", "0.01", "30000.0")
    desk.outside("sell", "1", "40000.0")
    order = desk.order("buy", None, cash_order_qty=money(1000))
    assert order.status == "filled"
    assert order.cum_qty == money("0.0275")  # 0.01 for 300, 0.0175 for 700
    assert order.cum_cost == money("1000.00000")
    assert order.quantity == order.cum_qty


def test_cash_order_never_spends_more_than_its_amount(desk: Desk) -> None:
    desk.outside("sell", "1", "29999.9")
    order = desk.order("buy", None, cash_order_qty=money(1000))
    assert money("999.999") < order.cum_cost <= 1000


def test_immediate_or_cancel_takes_what_is_there(desk: Desk) -> None:
    desk.outside("sell", "0.2", "30000.0")
    order = desk.order("buy", "1", "30000.0", time_in_force="ioc")
    assert (order.status, order.cum_qty) == ("canceled", money("0.2"))
    assert desk.book() == ([], [])


def test_fill_or_kill_is_all_or_nothing(desk: Desk) -> None:
    desk.outside("sell", "0.6", "30000.0")
    desk.outside("sell", "0.6", "30001.0")
    killed = desk.order("buy", "1", "30000.0", time_in_force="fok")
    assert (killed.status, killed.cum_qty) == ("canceled", 0)
    assert desk.order("buy", "1", "30001.0", time_in_force="fok").status == "filled"


def test_fill_or_kill_does_not_count_its_own_orders(desk: Desk) -> None:
    desk.outside("sell", "0.6", "30000.0")
    own = desk.order("sell", "1", "30001.0")
    desk.outside("sell", "0.2", "30002.0")
    killed = desk.order("buy", "1", "30002.0", time_in_force="fok", stp_type="cancel_oldest")
    assert (killed.status, killed.cum_qty, own.status) == ("canceled", 0, "new")


def test_good_till_date_expires_at_its_time(desk: Desk) -> None:
    order = desk.order("buy", "1", "30000.0", time_in_force="gtd", expire_time=desk.now + 60 * SECOND)
    desk.wait(59)
    assert order.status == "new"
    desk.wait(1)
    assert (order.status, order.closed_ns) == ("expired", desk.now)
    assert desk.venue.account("ann").held["USD"] == 0


def test_scheduled_order_is_pending_until_its_time(desk: Desk) -> None:
    desk.outside("sell", "1", "30000.0")
    order = desk.order("buy", "1", "30000.0", effective_time=desk.now + 10 * SECOND)
    assert (order.status, order.rest_status) == ("pending_new", "pending")
    assert desk.venue.account("ann").held["USD"] == money("30120")
    desk.wait(10)
    assert order.status == "filled"


def test_crossing_post_only_order_is_cancelled_on_rest_and_refused_on_the_socket(desk: Desk) -> None:
    desk.outside("sell", "1", "30000.0")
    order = desk.order("buy", "1", "30000.0", post_only=True)
    assert (order.status, order.reason) == ("canceled", "Post only order")
    refused = desk.place("buy", "1", "30000.0", post_only=True, front="websocket")
    assert refused.error == "EOrder:Post only order"
    assert desk.order("buy", "1", "29999.9", post_only=True, front="websocket").status == "new"


def test_fee_in_base_is_taken_from_what_a_buy_receives(desk: Desk) -> None:
    desk.outside("sell", "1", "30000.0")
    order = desk.order("buy", "1", "30000.0", fee_preference="base")
    assert (order.cum_fee, order.executions[0].fee_asset) == (money("0.00400000"), "BTC")
    assert desk.venue.account("ann").balances == {"USD": money(70_000), "BTC": money("10.996")}


def test_fee_in_base_comes_on_top_of_what_a_sell_gives(desk: Desk) -> None:
    desk.outside("buy", "20", "30000.0")
    assert desk.place("sell", "10", fee_preference="base").error == "EOrder:Insufficient funds"
    order = desk.order("sell", "5", fee_preference="base")
    assert order.cum_fee == money("0.02")
    assert desk.venue.account("ann").balances == {"USD": money(250_000), "BTC": money("4.98")}


@pytest.mark.parametrize(
    ("stp", "mine", "incoming", "traded"),
    [
        ("cancel_newest", "new", "canceled", 0),
        ("cancel_oldest", "canceled", "partially_filled", "0.5"),
        ("cancel_both", "canceled", "canceled", 0),
    ],
)
def test_self_trade_is_prevented(desk: Desk, stp: str, mine: str, incoming: str, traded: str) -> None:
    resting = desk.order("sell", "1", "30000.0")
    desk.outside("sell", "0.5", "30000.0")
    order = desk.order("buy", "1", "30000.0", stp_type=stp)
    assert (resting.status, order.status) == (mine, incoming)
    assert order.cum_qty == Decimal(traded)
    assert resting.cum_qty == 0


def test_cancel_gives_the_hold_back_and_says_user_requested(desk: Desk) -> None:
    order = desk.order("buy", "1", "30000.0")
    response = desk.ask(CancelOrder(order_id=(order.order_id,)))
    assert isinstance(response.result, Cancelled)
    assert (response.result.count, order.status, order.reason) == (1, "canceled", "User requested")
    assert desk.venue.account("ann").held["USD"] == 0
    assert desk.ask(CancelOrder(order_id=(order.order_id,))).error == "EOrder:Unknown order"


def test_nobody_cancels_another_clients_order(desk: Desk) -> None:
    order = desk.order("buy", "1", "30000.0")
    refused = desk.ask(CancelOrder(order_id=(order.order_id,)), account="bob")
    assert refused.error == "EOrder:Unknown order"
    assert order.status == "new"


def test_userref_cancels_all_orders_that_carry_it(desk: Desk) -> None:
    tagged = [desk.order("buy", "0.1", f"{price}.0", order_userref=5) for price in (20_000, 20_001)]
    other = desk.order("buy", "0.1", "20002.0", order_userref=6)
    response = desk.ask(CancelOrder(order_userref=(5,)))
    assert isinstance(response.result, Cancelled)
    assert response.result.order_ids == tuple(order.order_id for order in tagged)
    assert other.status == "new"


def test_validate_places_nothing(desk: Desk) -> None:
    response = desk.place("buy", "1", "30000.0", validate=True)
    assert response.success
    assert response.result.order_id == ""  # type: ignore[union-attr]
    assert desk.venue.open_orders("ann") == []
    assert desk.venue.rate_counter("ann", BTC, desk.now) == 0


def test_unknown_account_is_a_fault_of_the_caller(desk: Desk) -> None:
    with pytest.raises(Exception, match="no account nobody"):
        desk.ask(AddOrder(symbol=BTC, side="buy", order_type="market", order_qty=money(1)), account="nobody")
