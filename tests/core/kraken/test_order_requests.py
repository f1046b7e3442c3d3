import json
from decimal import Decimal
from urllib.parse import parse_qs, urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_core.errors import ExchangeError
from gal_friday_core.kraken import order_requests as say
from gal_friday_core.kraken.order_requests import OrderName
from gal_friday_core.orders import Amendment, Order
from gal_friday_core.times import from_iso
from tests.core.kraken.orders import CLIENT_ID, NOW, limit, orders

TOKEN = "a token"


def params(raw: bytes) -> dict:
    return json.loads(raw, parse_float=Decimal, parse_int=Decimal)["params"]


def added(order: Order) -> dict:
    return params(say.add_order(order, token=TOKEN, req_id=1))


def test_an_order_is_the_guides_example():
    order = limit(stop_price=Decimal("28410.5"), post_only=True, deadline=NOW + 500_000_000)
    raw = say.add_order(order, token=TOKEN, req_id=7)
    assert json.loads(raw, parse_float=str) == {
        "method": "add_order",
        "params": {
            "order_type": "limit",
            "side": "buy",
            "order_qty": "1.2",
            "symbol": "BTC/USD",
            "limit_price": 28440,
            "time_in_force": "gtc",
            "post_only": True,
            "cl_ord_id": CLIENT_ID,
            "fee_preference": "quote",
            "deadline": "2026-03-01T12:00:00.500Z",
            "conditional": {"order_type": "stop-loss", "trigger_price": "28410.5"},
            "token": TOKEN,
        },
        "req_id": 7,
    }


@given(orders())
def test_numbers_are_said_exactly_and_never_with_an_exponent(order: Order):
    raw = say.add_order(order, token=TOKEN, req_id=1)
    assert f'"order_qty":{order.quantity:f}'.encode() in raw
    assert params(raw)["order_qty"] == order.quantity
    assert f"volume={order.quantity:f}" in urlencode(say.add_order_form(order, "XBTUSD"))


def test_the_smallest_quantity_has_all_its_zeros():
    assert b'"order_qty":0.00000001,' in say.add_order(limit(quantity=Decimal("1E-8")), token=TOKEN, req_id=1)
    assert say.add_order_form(limit(quantity=Decimal("1E-8")), "XBTUSD")["volume"] == "0.00000001"


@given(orders())
def test_our_own_notions_are_not_said_and_fees_are_asked_for_in_quote(order: Order):
    said, form = added(order), say.add_order_form(order, "XBTUSD")
    assert {"reduce_only", "margin", "leverage", "signal_id"}.isdisjoint(said.keys() | form.keys())
    assert said["fee_preference"] == "quote"
    assert form["oflags"].split(",")[0] == "fciq"
    assert ("conditional" in said) == ("close[price]" in form) == (order.stop_price is not None)


def test_a_plus_sign_survives_the_form():
    trailing = limit(
        order_type="TRAILING_STOP_LIMIT",
        side="SELL",
        limit_price=None,
        trailing_offset=Decimal(100),
        limit_offset=Decimal(50),
    )
    form = say.add_order_form(trailing, "XBTUSD")
    assert parse_qs(urlencode(form))["price"] == ["+100"]
    assert (form["price2"], added(trailing)["limit_price"]) == ("-50", -50)


def test_a_buys_trailing_limit_lies_above_its_trigger():
    trailing = limit(
        order_type="TRAILING_STOP_LIMIT",
        limit_price=None,
        trailing_offset=Decimal(100),
        limit_offset=Decimal(50),
    )
    assert (say.add_order_form(trailing, "XBTUSD")["price2"], added(trailing)["limit_price"]) == ("+50", 50)


@pytest.mark.parametrize(
    ("changed", "needed"),
    [
        ({"quantity": Decimal(0)}, "a quantity above zero"),
        ({"limit_price": None}, "a limit price"),
        ({"order_type": "STOP_LOSS"}, "a trigger price"),
        ({"order_type": "TRAILING_STOP"}, "a trailing offset"),
        ({"order_type": "TRAILING_STOP_LIMIT", "trailing_offset": Decimal(1)}, "a limit offset"),
        ({"order_type": "ICEBERG"}, "a display quantity"),
        ({"display_quantity": Decimal(1)}, "no display quantity"),
        ({"time_in_force": "GTD"}, "a time to expire"),
        ({"order_type": "MARKET", "post_only": True}, "no post-only flag"),
    ],
)
def test_an_order_that_cannot_be_said_is_refused_before_anything_is_sent(changed: dict, needed: str):
    order = limit(**changed)
    for attempt in (
        lambda: say.add_order(order, token=TOKEN, req_id=1),
        lambda: say.add_order_form(order, "XBTUSD"),
    ):
        with pytest.raises(ExchangeError, match=needed) as refused:
            attempt()
        assert refused.value.code == "INVALID_ORDER"


@pytest.mark.parametrize("client_id", [CLIENT_ID, CLIENT_ID.replace("-", ""), "O-20260505-000001", "a"])
def test_client_ids_that_kraken_takes_pass(client_id: str):
    assert added(limit(client_order_id=client_id))["cl_ord_id"] == client_id


@pytest.mark.parametrize(
    "client_id", ["", f"{CLIENT_ID}-SL", "x" * 19, "with space", 'quo"te', "näme", "back\\slash"]
)
def test_client_ids_that_kraken_would_refuse_are_not_sent(client_id: str):
    with pytest.raises(ExchangeError, match="client order id"):
        added(limit(client_order_id=client_id))


def test_a_batch_takes_orders_of_one_pair_and_the_earliest_deadline():
    first, second = limit(deadline=NOW + 2 * 10**9), limit(client_order_id="b", deadline=NOW + 10**9)
    said = params(say.batch_add([first, second], token=TOKEN, req_id=1))
    assert (said["symbol"], len(said["orders"]), said["deadline"]) == (
        "BTC/USD",
        2,
        "2026-03-01T12:00:01.000Z",
    )
    assert all("symbol" not in order and "deadline" not in order for order in said["orders"])
    body = say.add_batch_body([first, second], "XBTUSD")
    assert (body["pair"], body["deadline"], len(body["orders"])) == ("XBTUSD", "2026-03-01T12:00:01.000Z", 2)


@pytest.mark.parametrize("batch", [[], [limit()], [limit()] * 16, [limit(), limit(trading_pair="ETH/USD")]])
def test_a_batch_of_another_size_or_of_two_pairs_is_refused(batch: list):
    with pytest.raises(ExchangeError, match="2 to 15 orders of one pair"):
        say.batch_add(batch, token=TOKEN, req_id=1)


def test_a_batchs_stop_is_nested_as_json_needs_it():
    body = say.add_batch_body([limit(stop_price=Decimal(20_000)), limit(client_order_id="b")], "XBTUSD")
    assert body["orders"][0]["close"] == {"ordertype": "stop-loss", "price": "20000"}
    assert "close" not in body["orders"][1]
    msgspec.json.encode(body)


def test_an_order_is_named_by_the_exchanges_id_where_it_is_known():
    change = Amendment(quantity=Decimal(1), limit_price=Decimal("20000.5"))
    both, ours = OrderName("O1", CLIENT_ID), OrderName(client_order_id=CLIENT_ID)
    assert params(say.amend_order(both, change, token=TOKEN, req_id=1)) == {
        "order_id": "O1",
        "order_qty": 1,
        "limit_price": Decimal("20000.5"),
        "token": TOKEN,
    }
    assert say.amend_form(both, change) == {"txid": "O1", "order_qty": "1", "limit_price": "20000.5"}
    assert say.cancel_form(ours) == {"cl_ord_id": CLIENT_ID}
    assert params(say.cancel_order([both, ours], token=TOKEN, req_id=1)) == {
        "order_id": ["O1"],
        "cl_ord_id": [CLIENT_ID],
        "token": TOKEN,
    }


def test_what_names_or_changes_nothing_is_refused():
    with pytest.raises(ExchangeError, match="no id"):
        say.cancel_form(OrderName())
    with pytest.raises(ExchangeError, match="changes nothing"):
        say.amend_form(OrderName("O1"), Amendment())
    with pytest.raises(ExchangeError, match="1 to 50 orders"):
        say.cancel_order([], token=TOKEN, req_id=1)
    with pytest.raises(ExchangeError, match="86399"):
        say.cancel_all_orders_after(86_400, token=TOKEN, req_id=1)


@given(st.integers(0, 4 * 10**18))
def test_a_deadline_is_the_time_it_says_rounded_down_to_the_millisecond(ns: int):
    assert from_iso(added(limit(deadline=ns))["deadline"]) == ns - ns % 1_000_000
    assert added(limit(deadline=NOW + 1_999_999))["deadline"] == "2026-03-01T12:00:00.001Z"


def test_a_market_order_has_no_time_in_force_and_no_price():
    order = limit(order_type="MARKET", limit_price=None)
    assert {"time_in_force", "limit_price", "triggers"}.isdisjoint(added(order))
    assert {"timeinforce", "price", "price2"}.isdisjoint(say.add_order_form(order, "XBTUSD"))


def test_executions_are_asked_for_with_orders_fills_and_the_rate_counter():
    asked = params(say.subscribe_executions(token=TOKEN, req_id=1))
    assert asked == {
        "channel": "executions",
        "snap_orders": True,
        "snap_trades": True,
        "order_status": True,
        "ratecounter": True,
        "token": TOKEN,
    }
