"""The order methods over REST: requests to the venue, and its answers in REST's shapes."""

from collections.abc import Callable
from typing import Any

from gal_friday_adapters.simulated_kraken import order_shapes
from gal_friday_adapters.simulated_kraken.endpoints import PrivateCall
from gal_friday_adapters.simulated_kraken.exchange import Exchange
from gal_friday_adapters.simulated_kraken.fields import Fields
from gal_friday_adapters.simulated_kraken.rest_orders import RestOrders, switch_seconds, unfolded
from gal_friday_adapters.simulated_kraken.text import fixed, second_iso
from gal_friday_core.errors import ExchangeError
from gal_friday_core.venue.error_texts import UNKNOWN_ORDER
from gal_friday_core.venue.requests import (
    Added,
    Amended,
    BatchAdded,
    CancelAll,
    CancelAllOrdersAfter,
    Cancelled,
    Edited,
    EditOrder,
    Request,
    Response,
    Result,
    SwitchSet,
)

Answer = dict[str, Any]
ORDER_METHODS = frozenset(
    (
        *("AddOrder", "AddOrderBatch", "AmendOrder", "EditOrder", "CancelOrder", "CancelOrderBatch"),
        *("CancelAll", "CancelAllOrdersAfter"),
    )
)


class RestTrading:
    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._requests = RestOrders(exchange.directory)

    def answer(self, method: str, call: PrivateCall) -> Answer | None:
        """None where the request was carried out and a fault takes its answer. Raises ExchangeError."""
        fields = Fields(unfolded(call.fields.values))
        request = self._request(method, fields, call)
        response = self._exchange.trade(call.account, request, "rest")
        self._exchange.advance()
        if response is None:
            return None
        return _shape(_result(response), request, self._exchange)

    def _request(self, method: str, fields: Fields, call: PrivateCall) -> Request:
        requests = self._requests
        readers: dict[str, Callable[[], Request]] = {
            "AddOrder": lambda: requests.add(fields, call.now_ns),
            "AddOrderBatch": lambda: requests.add_batch(fields, call.now_ns),
            "AmendOrder": lambda: requests.amend(fields),
            "EditOrder": lambda: self._edit(fields, call.account),
            "CancelOrder": lambda: requests.cancel(fields),
            "CancelOrderBatch": lambda: requests.cancel_batch(fields),
            "CancelAll": CancelAll,
            "CancelAllOrdersAfter": lambda: CancelAllOrdersAfter(timeout=switch_seconds(fields)),
        }
        return readers[method]()

    def _edit(self, fields: Fields, account: str) -> EditOrder:
        order = self._exchange.order(account, fields.text("txid"))
        if order is None:
            raise ExchangeError(UNKNOWN_ORDER)
        return self._requests.edit(fields, order.asked)


def _result(response: Response) -> Result:
    if response.error is not None or response.result is None:
        raise ExchangeError(response.error or UNKNOWN_ORDER)
    return response.result


def _shape(result: Result, request: Request, exchange: Exchange) -> Answer:
    match result:
        case Added():
            return _added(result)
        case Amended():
            return {"amend_id": result.amend_id}
        case Edited():
            return _edited(result, request, exchange)
        case BatchAdded():
            return {"orders": [_batch_item(response) for response in result.responses]}
        case SwitchSet():
            trigger = second_iso(result.trigger_time) if result.trigger_time is not None else "0"
            return {"currentTime": second_iso(result.current_time), "triggerTime": trigger}
        case Cancelled():
            return _cancelled(result)


def _added(result: Added) -> Answer:
    """With `validate` there is a description and no txid."""
    described = {"order": result.description.order}
    if result.description.close:
        described["close"] = result.description.close
    return {"descr": described} | ({"txid": [result.order_id]} if result.order_id else {})


def _edited(result: Edited, request: Request, exchange: Exchange) -> Answer:
    assert isinstance(request, EditOrder)
    answer: Answer = {"status": "ok", "descr": {"order": result.description.order}}
    if result.order_id:
        listing = exchange.listing(request.symbol)
        answer |= {
            "txid": result.order_id,
            "originaltxid": result.original_order_id,
            "orders_cancelled": 1,
            "price": order_shapes.description(result.description)["price"],
        }
        if request.order_qty is not None:
            answer["volume"] = fixed(request.order_qty, listing.quantity_decimals)
    return answer


def _batch_item(response: Response) -> Answer:
    if not isinstance(response.result, Added):
        return {"error": response.error}
    item: Answer = {"descr": {"order": response.result.description.order}}
    return item | ({"txid": response.result.order_id} if response.result.order_id else {})


def _cancelled(result: Cancelled) -> Answer:
    """Cancelling nothing that exists is an error; otherwise only the number counts."""
    if not result.count and result.unknown:
        raise ExchangeError(UNKNOWN_ORDER)
    return {"count": result.count}
