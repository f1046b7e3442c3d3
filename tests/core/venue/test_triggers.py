"""Stops, take-profits, trailing stops, conditional closes and icebergs on the floor."""

import pytest

from gal_friday_core.venue.requests import Conditional
from tests.core.venue.trading import Desk, money


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.outside("buy", "50", "29000.0")
    desk.outside("sell", "50", "31000.0")
    desk.tick("30000.0")
    desk.updates()
    return desk


@pytest.mark.parametrize(
    ("kind", "side", "trigger", "quiet"),
    [
        ("stop-loss", "sell", "29500.0", "29500.1"),
        ("stop-loss", "buy", "30500.0", "30499.9"),
        ("take-profit", "sell", "30500.0", "30499.9"),
        ("take-profit", "buy", "29500.0", "29500.1"),
    ],
)
def test_trigger_order_fires_at_its_price_and_not_before(
    desk: Desk, kind: str, side: str, trigger: str, quiet: str
) -> None:
    order = desk.order(side, "1", order_type=kind, trigger_price=money(trigger))
    desk.tick(quiet)
    assert (order.status, order.is_waiting) == ("new", True)
    desk.tick(trigger)
    assert order.status == "filled"
    assert order.average_price == (29_000 if side == "sell" else 31_000)


def test_fired_order_tells_status_triggered_before_it_trades(desk: Desk) -> None:
    desk.order("sell", "1", order_type="stop-loss", trigger_price=money("29500"))
    desk.updates()
    desk.tick("29400.0")
    told = desk.executions()
    assert [(e.exec_type, e.order_status) for e in told] == [
        ("status", "triggered"),
        ("trade", "partially_filled"),
        ("filled", "filled"),
    ]
    assert told[0].triggers is not None
    assert told[0].triggers.status == "triggered"


def test_stop_that_is_passed_already_fires_at_once(desk: Desk) -> None:
    assert desk.order("sell", "1", order_type="stop-loss", trigger_price=money("30100")).status == "filled"


def test_stop_limit_rests_at_its_limit_once_fired(desk: Desk) -> None:
    order = desk.order("sell", "1", "29400.0", order_type="stop-loss-limit", trigger_price=money("29500"))
    assert desk.book()[1] == [("31000.0", "50")]
    desk.tick("29500.0")
    assert order.status == "triggered"
    assert desk.book()[1] == [("29400.0", "1"), ("31000.0", "50")]


def test_buy_stop_holds_its_trigger_price_and_pays_no_more_than_there_is(desk: Desk) -> None:
    order = desk.order("buy", "3.2", order_type="stop-loss", trigger_price=money("30500"))
    assert desk.venue.account("ann").held["USD"] == money("97990.4")
    desk.tick("30500.0")  # the only offer is at 31000
    assert order.status == "filled"
    assert order.cum_cost == money("99200")


def test_fired_order_without_a_counterpart_is_cancelled(desk: Desk) -> None:
    order = desk.order("buy", "0.01", order_type="stop-loss", trigger_price=money("30500"))
    desk.floor.outside_market("buy", money("60"), desk.now)
    assert (order.status, order.reason) == ("canceled", "Insufficient liquidity")


def test_fired_buy_stops_where_the_money_ends(desk: Desk) -> None:
    order = desk.order("buy", "3.25", order_type="stop-loss", trigger_price=money("30500"))
    desk.tick("30500.0")
    assert (order.status, order.reason) == ("canceled", "Insufficient funds")
    assert order.cum_qty == money("3.21295463")  # 100,000 / (31,000 × 1.004), down to the lot
    assert desk.venue.account("ann").balances["USD"] < 1


def test_trailing_stop_follows_the_best_price_only(desk: Desk) -> None:
    order = desk.order(
        "sell", "1", order_type="trailing-stop", trigger_price=money(500), trigger_price_type="quote"
    )
    assert order.stop == money("29500.0")
    desk.tick("30400.0")
    assert (order.peak, order.stop) == (money("30400.0"), money("29900.0"))
    desk.tick("30000.0")
    assert order.stop == money("29900.0")
    desk.tick("29900.0")
    assert order.status == "filled"


def test_trailing_stop_in_per_cent_for_a_buy(desk: Desk) -> None:
    order = desk.order(
        "buy", "1", order_type="trailing-stop", trigger_price=money(1), trigger_price_type="pct"
    )
    assert order.stop == money("30300.0")
    desk.tick("29700.0")
    assert order.stop == money("29997.0")
    desk.tick("29997.0")
    assert order.status == "filled"


def test_trailing_stop_limit_sets_its_limit_from_the_trigger(desk: Desk) -> None:
    order = desk.order(
        "sell",
        "1",
        "-50",
        order_type="trailing-stop-limit",
        limit_price_type="quote",
        trigger_price=money(500),
        trigger_price_type="quote",
    )
    desk.tick("30400.0")
    desk.tick("29900.0")
    assert (order.status, order.limit) == ("triggered", money("29850.0"))


def test_relative_limit_is_measured_from_the_last_trade(desk: Desk) -> None:
    order = desk.order("buy", "1", "-5", limit_price_type="pct")
    assert order.limit == money("28500.0")


def test_one_fired_stop_can_fire_the_next(desk: Desk) -> None:
    desk.outside("buy", "0.5", "29450.0")
    first = desk.order("sell", "1", order_type="stop-loss", trigger_price=money("29500"))
    second = desk.order("sell", "1", order_type="stop-loss", trigger_price=money("29460"), account="bob")
    desk.tick("29500.0")
    assert (first.status, second.status) == ("filled", "filled")
    assert [e.price for e in first.executions] == [money("29450.0"), money("29000.0")]


def test_each_fill_creates_its_own_close_order(desk: Desk) -> None:
    close = Conditional(order_type="stop-loss", trigger_price=money("28000"))
    order = desk.order("buy", "1", "30000.0", conditional=close)
    desk.outside("sell", "0.3", "30000.0")
    desk.outside("sell", "0.7", "30000.0")
    children = desk.venue.open_orders("ann")
    assert order.status == "filled"
    assert [(c.asked.side, c.quantity, c.stop, c.ord_ref_id) for c in children] == [
        ("sell", money("0.3"), money("28000.0"), order.order_id),
        ("sell", money("0.7"), money("28000.0"), order.order_id),
    ]
    desk.floor.outside_market("sell", money("50"), desk.now)  # empties the bids
    desk.outside("buy", "5", "27990.0")
    desk.tick("28000.0", "sell")
    assert [child.status for child in children] == ["filled", "filled"]


def test_close_order_of_a_fee_in_base_sells_what_was_received(desk: Desk) -> None:
    assert desk.order("sell", "10").status == "filled"
    close = Conditional(order_type="take-profit", trigger_price=money("40000"))
    order = desk.order("buy", "1", fee_preference="base", conditional=close)
    received = desk.venue.account("ann").balances["BTC"]
    assert received == 1 - order.cum_fee < 1
    (child,) = desk.venue.open_orders("ann")
    assert child.quantity == money("0.996")  # its own fee, 0.2 % in base, has to be there too
    assert child.quantity < child.purse <= received


def test_close_order_that_cannot_be_funded_comes_and_goes(desk: Desk) -> None:
    close = Conditional(order_type="stop-loss", trigger_price=money("60000"))
    order = desk.order("sell", "8", conditional=close)
    told = [(e.ord_ref_id, e.exec_type, e.reason) for e in desk.executions()][-2:]
    assert told == [(order.order_id, "pending_new", None), (None, "canceled", "Insufficient funds")]
    assert desk.venue.open_orders("ann") == []


def test_iceberg_shows_a_slice_and_tells_of_each_refill(desk: Desk) -> None:
    order = desk.order("sell", "1", "30500.0", order_type="iceberg", display_qty=money("0.1"))
    assert desk.book()[1][0] == ("30500.0", "0.1")
    desk.updates()
    desk.floor.outside_market("buy", money("0.25"), desk.now)
    refills = [e.display_qty_remain for e in desk.executions() if e.exec_type == "iceberg_refill"]
    assert refills == [money("0.1"), money("0.1")]
    assert order.cum_qty == money("0.25")
    assert desk.book()[1][0] == ("30500.0", "0.05")


def test_index_reference_falls_back_to_the_last_trade(desk: Desk) -> None:
    order = desk.order(
        "sell", "1", order_type="stop-loss", trigger_price=money("29500"), trigger_reference="index"
    )
    desk.tick("29500.0")
    assert order.status == "filled"
