"""What the venue refuses, in the exchange's own words; batches, limits, modes, the dead man's switch."""

from decimal import Decimal
from typing import Any

import pytest

from gal_friday_core.venue.requests import (
    AddOrder,
    AmendOrder,
    BatchAdd,
    BatchAdded,
    BatchCancel,
    CancelAll,
    CancelAllOrdersAfter,
    Cancelled,
    CancelOrder,
    Conditional,
    EditOrder,
    SwitchSet,
)
from tests.core.venue.trading import BTC, SECOND, Desk, money

INVALID = "EGeneral:Invalid arguments"


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize(
    ("error", "changed"),
    [
        ("EQuery:Unknown asset pair", {"symbol": "XBT/USD"}),
        ("EOrder:Tick size check failed", {"limit_price": money("30000.05")}),
        ("EOrder:Invalid price", {"limit_price": money("-1")}),
        (f"{INVALID}:price", {"limit_price": money("NaN")}),
        (f"{INVALID}:price", {"limit_price": None}),
        (f"{INVALID}:price", {"trigger_price": money("30000")}),
        ("EOrder:Order minimum not met", {"order_qty": money("0.00009")}),
        ("EOrder:Cost minimum not met", {"limit_price": money("1000"), "order_qty": money("0.0004")}),
        (f"{INVALID}:volume", {"order_qty": money("0.123456789")}),
        (f"{INVALID}:volume", {"order_qty": money("Infinity")}),
        (f"{INVALID}:volume", {"order_qty": money("1e200")}),
        (f"{INVALID}:price", {"limit_price": money("1e-200")}),
        (f"{INVALID}:volume", {"order_qty": None}),
        (f"{INVALID}:volume", {"cash_order_qty": money(10)}),
        (f"{INVALID}:viqc", {"order_qty": None, "cash_order_qty": money(10)}),
        ("EOrder:Insufficient funds", {"order_qty": money(4)}),
        ("EOrder:Insufficient funds", {"side": "sell", "order_qty": money(11)}),
        ("EOrder:Trading agreement required", {"margin": True}),
        ("EOrder:Reduce only:No position exists", {"reduce_only": True}),
        (f"{INVALID}:cl_ord_id", {"cl_ord_id": "longer-than-18-chars"}),
        (f"{INVALID}:cl_ord_id", {"cl_ord_id": "mine", "order_userref": 1}),
        (f"{INVALID}:userref", {"order_userref": 2**31}),
        (f"{INVALID}:expiretm", {"time_in_force": "gtd"}),
        (f"{INVALID}:expiretm", {"expire_time": 1}),
        (f"{INVALID}:timeinforce", {"time_in_force": "ioc", "post_only": True}),
        (f"{INVALID}:post-only", {"order_type": "market", "limit_price": None, "post_only": True}),
        (f"{INVALID}:displayvol", {"order_type": "iceberg"}),
        (f"{INVALID}:displayvol", {"order_type": "iceberg", "display_qty": money("0.06")}),
        (f"{INVALID}:close-ordertype", {"conditional": Conditional(order_type="settle-position")}),
        (f"{INVALID}:price", {"conditional": Conditional(order_type="stop-loss")}),
    ],
)
def test_order_is_refused_in_krakens_words(desk: Desk, error: str, changed: dict[str, Any]) -> None:
    good: dict[str, Any] = {
        "symbol": BTC,
        "side": "buy",
        "order_type": "limit",
        "order_qty": money(1),
        "limit_price": money("30000.0"),
    }
    assert desk.ask(AddOrder(**good, validate=True)).success
    assert desk.ask(AddOrder(**(good | changed))).error == error
    assert desk.venue.open_orders("ann") == []
    assert desk.venue.account("ann").held.get("USD", 0) == 0


def test_client_order_id_is_unique_among_open_orders_only(desk: Desk) -> None:
    desk.order("buy", "1", "20000.0", cl_ord_id="mine")
    assert desk.place("buy", "1", "20000.0", cl_ord_id="mine").error == f"{INVALID}:cl_ord_id"
    assert desk.place("buy", "1", "20000.0", cl_ord_id="mine", account="bob").success
    assert desk.ask(CancelOrder(cl_ord_id=("mine",))).success
    assert desk.place("buy", "1", "20000.0", cl_ord_id="mine").success


def test_market_buy_is_refused_where_the_book_asks_for_more_than_there_is(desk: Desk) -> None:
    desk.outside("sell", "1", "30000.0")
    desk.outside("sell", "5", "50000.0")
    assert desk.place("buy", "3").error == "EOrder:Insufficient funds"
    assert desk.place("buy", "2").success


def test_deadline(desk: Desk) -> None:
    late = desk.place("buy", "1", "20000.0", deadline=desk.now - 1)
    assert late.error == "EService:Deadline elapsed"
    assert desk.place("buy", "1", "20000.0", deadline=desk.now + 5 * SECOND).success
    far = desk.place("buy", "1", "20000.0", deadline=desk.now + 61 * SECOND)
    assert far.error == f"{INVALID}:deadline"


def add(quantity: str = "0.1", **more: Any) -> AddOrder:
    fields: dict[str, Any] = {"limit_price": money("20000.0")} | more
    return AddOrder(symbol=BTC, side="buy", order_type="limit", order_qty=money(quantity), **fields)


def test_one_malformed_order_refuses_the_whole_batch(desk: Desk) -> None:
    response = desk.ask(BatchAdd(symbol=BTC, orders=(add(), add("0.00001"))))
    assert response.error == "EOrder:Order minimum not met"
    assert desk.venue.open_orders("ann") == []


def test_funds_refuse_one_order_of_a_batch_only(desk: Desk) -> None:
    response = desk.ask(BatchAdd(symbol=BTC, orders=(add("4"), add("4"), add("0.5"))))
    assert isinstance(response.result, BatchAdded)
    assert [answer.error for answer in response.result.responses] == [
        None,
        "EOrder:Insufficient funds",
        None,
    ]


@pytest.mark.parametrize("count", [1, 16])
def test_batch_holds_two_to_fifteen_orders(desk: Desk, count: int) -> None:
    response = desk.ask(BatchAdd(symbol=BTC, orders=tuple(add() for _ in range(count))))
    assert response.error == f"{INVALID}:orders"


def test_batch_cancel_ends_what_it_finds(desk: Desk) -> None:
    orders = [desk.order("buy", "0.1", "20000.0") for _ in range(2)]
    response = desk.ask(BatchCancel(order_id=(orders[0].order_id, "OXXXXX-XXXXX-XXXXXX")))
    assert isinstance(response.result, Cancelled)
    assert (response.result.count, response.result.unknown) == (1, ("OXXXXX-XXXXX-XXXXXX",))
    assert [order.status for order in orders] == ["canceled", "new"]


def test_cancel_all_ends_every_pair(desk: Desk) -> None:
    desk.order("buy", "0.1", "20000.0")
    desk.order("buy", "1", "1000.00", symbol="ETH/USD")
    response = desk.ask(CancelAll())
    assert isinstance(response.result, Cancelled)
    assert response.result.count == 2
    assert desk.ask(CancelAll()).success


def test_dead_mans_switch_cancels_everything_once(desk: Desk) -> None:
    order = desk.order("buy", "0.1", "20000.0")
    others = desk.order("buy", "0.1", "20000.0", account="bob")
    response = desk.ask(CancelAllOrdersAfter(timeout=60))
    assert response.result == SwitchSet(current_time=desk.now, trigger_time=desk.now + 60 * SECOND)
    desk.wait(59)
    assert order.status == "new"
    desk.wait(1)
    assert (order.status, others.status) == ("canceled", "new")
    later = desk.order("buy", "0.1", "20000.0")
    desk.wait(120)
    assert later.status == "new"


def test_dead_mans_switch_is_pushed_on_and_turned_off(desk: Desk) -> None:
    order = desk.order("buy", "0.1", "20000.0")
    for _ in range(5):
        desk.ask(CancelAllOrdersAfter(timeout=60))
        desk.wait(50)
    assert order.status == "new"
    desk.ask(CancelAllOrdersAfter(timeout=0))
    desk.wait(600)
    assert order.status == "new"
    assert desk.ask(CancelAllOrdersAfter(timeout=86_400)).error == f"{INVALID}:timeout"


def test_switch_that_was_brought_forward_fires_once(desk: Desk) -> None:
    desk.ask(CancelAllOrdersAfter(timeout=60))
    desk.ask(CancelAllOrdersAfter(timeout=10))
    desk.wait(11)
    order = desk.order("buy", "0.1", "20000.0")
    desk.wait(60)
    assert order.status == "new"


def test_switch_that_fell_due_in_maintenance_fires_when_the_engine_is_back(desk: Desk) -> None:
    order = desk.order("buy", "0.1", "20000.0")
    desk.ask(CancelAllOrdersAfter(timeout=10))
    desk.venue.set_status("maintenance", desk.now)
    desk.wait(60)
    assert order.status == "new"
    assert desk.ask(CancelAll()).error == "EService:Unavailable"
    assert desk.place("buy", "0.1", "20000.0").error == "EService:Unavailable"
    desk.venue.set_status("online", desk.now)
    desk.updates()
    assert order.status == "canceled"


def test_modes_take_only_what_they_allow(desk: Desk) -> None:
    order = desk.order("buy", "0.1", "20000.0")
    desk.venue.set_status("cancel_only", desk.now)
    assert desk.place("buy", "0.1", "20000.0").error == "EService:Market in cancel_only mode"
    assert desk.ask(CancelOrder(order_id=(order.order_id,))).success
    desk.venue.set_status("post_only", desk.now)
    assert desk.place("buy", "0.1", "20000.0").error == "EService:Market in post_only mode"
    assert desk.place("buy", "0.1", "20000.0", post_only=True).success
    desk.venue.set_status("online", desk.now)
    desk.venue.set_pair_status(BTC, "limit_only", desk.now)
    assert desk.place("sell", "0.1").error == "EService:Market in limit_only mode"
    assert desk.place("sell", "0.1", "40000.0").success


def test_scheduled_order_starts_only_once_the_engine_matches_again(desk: Desk) -> None:
    desk.outside("sell", "1", "30000.0")
    order = desk.order("buy", "1", "30000.0", effective_time=desk.now + 10 * SECOND)
    desk.venue.set_status("cancel_only", desk.now)
    desk.wait(20)
    assert order.status == "pending_new"
    desk.venue.set_status("online", desk.now)
    assert order.status == "filled"


def test_nothing_is_amended_into_a_trade_while_nothing_matches(desk: Desk) -> None:
    desk.outside("sell", "1", "30000.0")
    order = desk.order("buy", "1", "20000.0")
    request = AmendOrder(order_id=order.order_id, limit_price=money("30000.0"))
    edit = EditOrder(order_id=order.order_id, symbol=BTC, limit_price=money("30000.0"))
    for mode in ("cancel_only", "post_only"):
        desk.venue.set_status(mode, desk.now)
        assert desk.ask(request).error == f"EService:Market in {mode} mode"
        assert desk.ask(edit).error == f"EService:Market in {mode} mode"
    desk.venue.set_status("online", desk.now)
    assert desk.ask(request).success
    assert order.status == "filled"


def test_time_passes_before_a_request_is_carried_out(desk: Desk) -> None:
    order = desk.order("buy", "1", "20000.0", time_in_force="gtd", expire_time=desk.now + SECOND)
    desk.now += 2 * SECOND
    assert desk.ask(CancelOrder(order_id=(order.order_id,))).error == "EOrder:Unknown order"
    assert order.status == "expired"


def test_volume_in_another_quote_counts_in_dollars(desk: Desk) -> None:
    desk.tick("30000.0")
    ethereum = desk.venue._floors["ETH/BTC"]
    ethereum.outside_limit("eth", "sell", money("0.05"), money(10), desk.now)
    desk.order("buy", "10", "0.05000", symbol="ETH/BTC")
    assert desk.venue.account("ann").volume_30d(desk.now) == 15_000
    (trade,) = [e for e in desk.executions() if e.exec_type == "trade"]
    assert (trade.fee_asset, trade.fee, trade.fee_usd_equiv) == ("BTC", money("0.002"), money(60))


@pytest.mark.parametrize(("tier", "adds"), [("starter", 60), ("intermediate", 125), ("pro", 180)])
def test_engine_counter_refuses_beyond_its_threshold(tier: str, adds: int) -> None:
    desk = Desk(tier=tier)
    for _ in range(adds):
        response = desk.place("buy", "0.1", "20000.0", time_in_force="ioc")
        assert response.success, response.error
    assert desk.place("buy", "0.1", "20000.0", time_in_force="ioc").error == "EOrder:Rate limit exceeded"
    assert desk.place("buy", "1", "1000.00", symbol="ETH/USD", time_in_force="ioc").success
    desk.wait(3)
    assert desk.place("buy", "0.1", "20000.0", time_in_force="ioc").success


def test_cancel_is_never_refused_but_young_orders_cost_more(desk: Desk) -> None:
    young, old = (desk.order("buy", "0.1", "20000.0") for _ in range(2))
    desk.ask(CancelOrder(order_id=(young.order_id,)))
    assert desk.venue.rate_counter("ann", BTC, desk.now) == 10  # two adds and 8 for a fresh cancel
    desk.wait(300)
    desk.ask(CancelOrder(order_id=(old.order_id,)))
    assert desk.venue.rate_counter("ann", BTC, desk.now) == 0


def test_refused_order_is_charged_too(desk: Desk) -> None:
    desk.place("buy", "0.00001", "20000.0")
    assert desk.venue.rate_counter("ann", BTC, desk.now) == 1


def test_open_orders_are_capped_in_each_pair() -> None:
    desk = Desk(tier="starter")
    for _ in range(60):
        desk.order("buy", "0.001", "20000.0")
        desk.wait(2)
    assert desk.place("buy", "0.001", "20000.0").error == "EOrder:Orders limit exceeded"


def test_rest_counter_drains_and_is_each_keys_own(desk: Desk) -> None:
    limited = Desk(tier="starter")
    answers = [limited.venue.admit_rest("ann", "Balance", limited.now) for _ in range(16)]
    assert answers == [None] * 15 + ["EAPI:Rate limit exceeded"]
    assert limited.venue.admit_rest("ann", "AddOrder", limited.now) is None
    assert limited.venue.admit_rest("ann", "Balance", limited.now, "another key") is None
    assert limited.venue.admit_rest("ann", "Balance", limited.now + 10 * SECOND) is None


def test_fees_fall_with_traded_volume(desk: Desk) -> None:
    desk.outside("sell", "100", "30000.0")
    desk.outside("buy", "100", "29999.0")
    first = desk.order("buy", "0.4")
    assert first.taker_rate == Decimal("0.004")
    assert desk.order("sell", "0.4").taker_rate == Decimal("0.0035")  # beyond 10,000 USD
    desk.wait(31 * 86_400)
    assert desk.order("buy", "0.1").taker_rate == Decimal("0.004")
