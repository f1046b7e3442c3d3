"""Amend in place, edit by cancel and new."""

from typing import Any

import pytest

from gal_friday_core.venue.orders import VenueOrder
from gal_friday_core.venue.requests import (
    Amended,
    AmendOrder,
    CancelOrder,
    Conditional,
    Edited,
    EditOrder,
)
from tests.core.venue.trading import BTC, Desk, money


@pytest.fixture
def desk() -> Desk:
    return Desk()


def amend(desk: Desk, order: VenueOrder, **changes: Any) -> str | None:
    response = desk.ask(AmendOrder(order_id=order.order_id, **changes))
    assert response.success == isinstance(response.result, Amended)
    return response.error


def fills_first(desk: Desk, *orders: VenueOrder) -> VenueOrder:
    """Which of the orders a single outside seller meets."""
    desk.outside("sell", "0.01", "1000.0")
    return next(order for order in orders if order.executions)


def test_smaller_quantity_keeps_the_place_in_the_queue(desk: Desk) -> None:
    first, second = (desk.order("buy", "1", "30000.0") for _ in range(2))
    assert amend(desk, first, order_qty=money("0.5")) is None
    assert desk.book()[0] == [("30000.0", "1.5")]
    assert desk.venue.account("ann").held["USD"] == money("45180")
    assert fills_first(desk, first, second) is first


@pytest.mark.parametrize("changes", [{"order_qty": money("1.5")}, {"limit_price": money("30000.1")}])
def test_larger_quantity_or_another_price_goes_to_the_end(desk: Desk, changes: dict[str, Any]) -> None:
    first, second = (desk.order("buy", "1", "30000.0") for _ in range(2))
    rival = desk.order("buy", "0.1", "30000.1", account="bob")
    assert amend(desk, first, **changes) is None
    winner = fills_first(desk, first, second, rival)
    assert winner is rival
    assert len(desk.venue.open_orders("ann")) == 2


def test_ids_stay_and_the_history_keeps_the_original(desk: Desk) -> None:
    order = desk.order("buy", "1", "30000.0", cl_ord_id="mine")
    response = desk.ask(AmendOrder(cl_ord_id="mine", order_qty=money(2), limit_price=money("29000.0")))
    assert isinstance(response.result, Amended)
    assert (response.result.order_id, response.result.cl_ord_id) == (order.order_id, "mine")
    assert [(a.kind, a.order_qty, a.limit_price) for a in order.amends] == [
        ("original", money(1), money("30000.0")),
        ("user", money(2), money("29000.0")),
    ]
    assert order.amends[-1].amend_id == response.result.amend_id
    assert "amended" in [e.exec_type for e in desk.executions()]
    assert desk.venue.describe(order).order == "buy 2.00000000 XBTUSD @ limit 29000.0"


def test_amend_to_a_crossing_price_trades_at_once(desk: Desk) -> None:
    order = desk.order("buy", "1", "30000.0")
    desk.outside("sell", "0.4", "30100.0")
    amend(desk, order, limit_price=money("30100.0"))
    assert (order.status, order.cum_qty) == ("partially_filled", money("0.4"))
    assert not order.executions[0].maker


def test_post_only_amend_that_would_cross_is_refused(desk: Desk) -> None:
    order = desk.order("buy", "1", "30000.0", post_only=True)
    desk.outside("sell", "0.4", "30100.0")
    assert amend(desk, order, limit_price=money("30100.0")) == "EOrder:Post only order"
    assert order.limit == money("30000.0")


def test_quantity_not_above_what_is_filled_cancels_the_rest(desk: Desk) -> None:
    order = desk.order("buy", "1", "30000.0")
    desk.outside("sell", "0.4", "30000.0")
    assert amend(desk, order, order_qty=money("0.4")) is None
    assert (order.status, order.cum_qty) == ("canceled", money("0.4"))
    assert desk.venue.account("ann").held["USD"] == 0


@pytest.mark.parametrize(
    ("error", "changes"),
    [
        ("EOrder:Insufficient funds", {"order_qty": money(4)}),
        ("EOrder:Order minimum not met", {"order_qty": money("0.00001")}),
        ("EOrder:Tick size check failed", {"limit_price": money("30000.01")}),
        ("EGeneral:Invalid arguments:trigger_price", {"trigger_price": money("30000")}),
        ("EGeneral:Invalid arguments:display_qty", {"display_qty": money("0.1")}),
        ("EGeneral:Invalid arguments:price", {"limit_price": money("NaN")}),
        ("EGeneral:Invalid arguments:volume", {"order_qty": money("NaN")}),
        ("EGeneral:Invalid arguments:volume", {"order_qty": money("0")}),
    ],
)
def test_refused_amend_changes_nothing(desk: Desk, error: str, changes: dict[str, Any]) -> None:
    order = desk.order("buy", "1", "30000.0")
    before = (order.quantity, order.limit, order.purse, len(order.amends))
    assert amend(desk, order, **changes) == error
    assert (order.quantity, order.limit, order.purse, len(order.amends)) == before


def test_trigger_price_is_amended_while_it_waits(desk: Desk) -> None:
    desk.outside("buy", "1", "29000.0")
    desk.tick("30000.0")
    order = desk.order("sell", "1", order_type="stop-loss", trigger_price=money("29500"))
    assert amend(desk, order, trigger_price=money("29700")) is None
    desk.tick("29700.0")
    assert order.status == "filled"


def test_trailing_distance_is_amended_from_the_peak_it_has_seen(desk: Desk) -> None:
    desk.tick("30000.0")
    order = desk.order(
        "sell", "1", order_type="trailing-stop", trigger_price=money(500), trigger_price_type="quote"
    )
    desk.tick("31000.0")
    desk.tick("30800.0")
    changes = {"trigger_price": money(300), "trigger_price_type": "quote"}
    assert amend(desk, order, **changes) is None
    assert (order.peak, order.stop) == (money("31000.0"), money("30700.0"))


def test_stop_limit_amended_after_it_fired_moves_its_limit(desk: Desk) -> None:
    desk.tick("30000.0")
    order = desk.order("sell", "1", "29400.0", order_type="stop-loss-limit", trigger_price=money("29500"))
    desk.tick("29500.0")
    assert amend(desk, order, limit_price=money("29300.0")) is None
    assert desk.book()[1] == [("29300.0", "1")]


def test_iceberg_slice_is_amended(desk: Desk) -> None:
    order = desk.order("sell", "1", "30500.0", order_type="iceberg", display_qty=money("0.1"))
    assert amend(desk, order, display_qty=money("0.2")) is None
    assert desk.book()[1] == [("30500.0", "0.2")]
    assert amend(desk, order, display_qty=money("0.01")) == "EGeneral:Invalid arguments:displayvol"


def test_young_amend_costs_more(desk: Desk) -> None:
    order = desk.order("buy", "1", "30000.0")
    amend(desk, order, order_qty=money("0.9"))
    assert desk.venue.rate_counter("ann", BTC, desk.now) == 5  # 1 to add, 1 + 3 to amend
    desk.wait(60)
    amend(desk, order, order_qty=money("0.8"))
    assert desk.venue.rate_counter("ann", BTC, desk.now) == 1


def test_edit_replaces_the_order_under_a_new_id(desk: Desk) -> None:
    order = desk.order("buy", "1", "30000.0", order_userref=9)
    desk.outside("sell", "0.4", "30000.0")
    response = desk.ask(EditOrder(order_id=order.order_id, symbol=BTC, order_qty=money("1.4")))
    assert isinstance(response.result, Edited)
    assert response.result.original_order_id == order.order_id
    fresh = desk.venue.order("ann", response.result.order_id)
    assert fresh is not None
    assert (order.status, order.cum_qty) == ("canceled", money("0.4"))
    assert (fresh.quantity, fresh.limit, fresh.cum_qty) == (money("1.0"), money("30000.0"), 0)


def test_edit_may_use_the_money_of_the_order_that_it_replaces(desk: Desk) -> None:
    order = desk.order("buy", "3", "30000.0")
    edited = desk.ask(EditOrder(order_id=order.order_id, symbol=BTC, limit_price=money("31000.0")))
    assert edited.success
    assert desk.venue.account("ann").held["USD"] == money("93372")


@pytest.mark.parametrize(
    ("error", "placed", "changes"),
    [
        ("EOrder:Invalid order", {"cl_ord_id": "mine"}, {}),
        (
            "EOrder:Invalid order",
            {"conditional": Conditional(order_type="stop-loss", trigger_price=money("20000"))},
            {},
        ),
        ("EGeneral:Invalid arguments:volume", {}, {"order_qty": money("0.3")}),
        ("EOrder:Insufficient funds", {}, {"order_qty": money("9")}),
        ("EOrder:Tick size check failed", {}, {"limit_price": money("1000.01")}),
        ("EOrder:Unknown order", {}, {"symbol": "ETH/USD"}),
    ],
)
def test_refused_edit_leaves_the_order_alone(
    desk: Desk, error: str, placed: dict[str, Any], changes: dict[str, Any]
) -> None:
    order = desk.order("buy", "1", "30000.0", **placed)
    desk.outside("sell", "0.4", "30000.0")
    request = EditOrder(**({"order_id": order.order_id, "symbol": BTC} | changes))
    assert desk.ask(request).error == error
    assert order.status == "partially_filled"


def test_edit_that_only_validates_changes_nothing(desk: Desk) -> None:
    order = desk.order("buy", "1", "30000.0")
    response = desk.ask(EditOrder(order_id=order.order_id, symbol=BTC, order_qty=money(2), validate=True))
    assert isinstance(response.result, Edited)
    assert response.result.order_id == ""
    assert (order.status, order.quantity) == ("new", money(1))


def test_ended_order_is_unknown_to_amend_and_edit(desk: Desk) -> None:
    order = desk.order("buy", "1", "30000.0")
    desk.ask(CancelOrder(order_id=(order.order_id,)))
    assert amend(desk, order, order_qty=money(2)) == "EOrder:Unknown order"
    assert desk.ask(EditOrder(order_id=order.order_id, symbol=BTC)).error == "EOrder:Unknown order"
