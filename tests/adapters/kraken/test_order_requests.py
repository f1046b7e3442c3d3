"""What we say of an order is understood by the simulated exchange, and means the same on both of its fronts."""

import json
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given

from gal_friday_adapters.simulated_kraken import v2_orders
from gal_friday_adapters.simulated_kraken.fields import Fields
from gal_friday_adapters.simulated_kraken.names import Directory
from gal_friday_adapters.simulated_kraken.rest_orders import RestOrders, unfolded
from gal_friday_core.kraken import order_requests as say
from gal_friday_core.kraken.order_requests import OrderName
from gal_friday_core.orders import Amendment, Order
from gal_friday_core.venue.listings import DEMO_LISTINGS
from gal_friday_core.venue.requests import AddOrder, AmendOrder, BatchAdd, CancelOrder
from tests.core.kraken.orders import CLIENT_ID, NOW, limit, orders

REST = RestOrders(Directory(DEMO_LISTINGS))


def over_websocket(raw: bytes) -> Any:
    message = json.loads(raw, parse_float=Decimal)
    return v2_orders.parse(message["method"], Fields(message["params"]))


def form(fields: dict[str, str]) -> Fields:
    return Fields(unfolded(dict(parse_qsl(urlencode(fields)))))


@given(orders())
def test_an_order_means_the_same_over_websocket_and_rest(order: Order):
    socket = over_websocket(say.add_order(order, token="t", req_id=1))
    rest = REST.add(form(say.add_order_form(order, "XBTUSD")), NOW)
    assert isinstance(socket, AddOrder)
    assert socket == rest


@given(orders())
def test_an_order_is_understood_as_it_was_meant(order: Order):
    heard = over_websocket(say.add_order(order, token="t", req_id=1))
    assert (heard.symbol, heard.side, heard.order_qty) == ("BTC/USD", order.side.lower(), order.quantity)
    assert heard.order_type.replace("-", "_").upper() == order.order_type
    assert heard.cl_ord_id == order.client_order_id
    assert (heard.post_only, heard.display_qty) == (order.post_only, order.display_quantity)
    assert heard.trigger_price == (order.trailing_offset or order.trigger_price)
    assert heard.time_in_force.upper() == order.time_in_force
    stop = None if heard.conditional is None else heard.conditional.trigger_price
    assert stop == order.stop_price


@given(orders(), orders())
def test_a_batch_means_the_same_over_websocket_and_rest(first: Order, second: Order):
    socket = over_websocket(say.batch_add([first, second], token="t", req_id=1, validate=True))
    rest = REST.add_batch(Fields(say.add_batch_body([first, second], "XBTUSD", validate=True)), NOW)
    assert isinstance(socket, BatchAdd)
    assert socket == rest


@pytest.mark.parametrize("name", [OrderName("O1"), OrderName(client_order_id=CLIENT_ID)])
def test_amending_and_cancelling_mean_the_same_on_both_fronts(name: OrderName):
    change = Amendment(quantity=Decimal("0.5"), limit_price=Decimal("20000.1"), trigger_price=Decimal(3))
    amended = over_websocket(say.amend_order(name, change, token="t", req_id=1, deadline=NOW))
    assert isinstance(amended, AmendOrder)
    assert amended == REST.amend(form(say.amend_form(name, change, deadline=NOW)))
    cancelled = over_websocket(say.cancel_order([name], token="t", req_id=1))
    assert isinstance(cancelled, CancelOrder)
    assert cancelled == REST.cancel(form(say.cancel_form(name)))


def test_validating_only_is_understood_on_both_fronts():
    assert over_websocket(say.add_order(limit(), token="t", req_id=1, validate=True)).validate
    assert REST.add(form(say.add_order_form(limit(), "XBTUSD", validate=True)), NOW).validate
