"""Answers the methods of websocket v2: ping, subscribe, unsubscribe and the order methods."""

import json
from decimal import Decimal, InvalidOperation
from typing import Any

from gal_friday_adapters.simulated_kraken import v2_orders
from gal_friday_adapters.simulated_kraken.exchange import Exchange
from gal_friday_adapters.simulated_kraken.fields import Fields
from gal_friday_adapters.simulated_kraken.session import Session
from gal_friday_adapters.simulated_kraken.subscribing import Subscribing, account_of
from gal_friday_adapters.simulated_kraken.text import encode, micro_iso
from gal_friday_core.errors import ExchangeError
from gal_friday_core.venue.error_texts import UNKNOWN_ORDER
from gal_friday_core.venue.requests import (
    Added,
    Amended,
    BatchAdded,
    Cancelled,
    Edited,
    Response,
    SwitchSet,
)

MALFORMED = "Malformed request"
UNKNOWN_METHOD = "Method not found"

Answer = dict[str, Any]


class V2Methods:
    """One for all connections; `answer` sends every answer itself, so that order and number are right."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._subscribing = Subscribing(exchange)

    def answer(self, session: Session, raw: str | bytes) -> None:
        """Answer one message of a client. Whatever is wrong with it becomes an error answer."""
        in_ns = self._exchange.now_ns()
        message = _parsed(raw)
        if message is None:
            session.send(encode({"error": MALFORMED, "success": False}))
            return
        method = message.get("method")
        frame = _Frame(session, message, in_ns, self._exchange)
        if method == "ping":
            frame.pong()
            return
        params = message.get("params") or {}
        if not isinstance(method, str) or not isinstance(params, dict):
            frame.refuse(MALFORMED)
            return
        try:
            self._act(method, Fields(params), frame)
        except ExchangeError as refusal:
            frame.refuse(str(refusal))

    def _act(self, method: str, fields: Fields, frame: "_Frame") -> None:
        if method in {"subscribe", "unsubscribe"}:
            for result in self._subscribing.act(method, frame.session, fields):
                if "error" in result:
                    frame.refuse(result["error"], symbol=result.get("symbol"))
                else:
                    frame.accept(result["result"])
                for follow_up in result.get("then", ()):
                    follow_up()
            return
        if method not in v2_orders.METHODS:
            raise ExchangeError(UNKNOWN_METHOD)
        self._order(method, fields, frame)

    def _order(self, method: str, fields: Fields, frame: "_Frame") -> None:
        account = account_of(self._exchange, frame.session, fields)
        request = v2_orders.parse(method, fields)
        response = self._exchange.trade(account, request, "websocket")
        if response is None:
            frame.session.lose()
            return
        frame.answer_order(response)
        self._exchange.advance()


class _Frame:
    """The answer to one message: method, req_id and times are those of the question."""

    def __init__(self, session: Session, message: dict[str, Any], in_ns: int, exchange: Exchange) -> None:
        self.session = session
        self._message = message
        self._in_ns = in_ns
        self._exchange = exchange

    def pong(self) -> None:
        self._send({"method": "pong"})

    def accept(self, result: Answer) -> None:
        self._send({"method": self._message["method"], "result": result, "success": True})

    def refuse(self, error: str, symbol: str | None = None) -> None:
        answer: Answer = {"error": error, "method": self._message.get("method"), "success": False}
        if symbol is not None:
            answer["symbol"] = symbol
        self._send(answer)

    def answer_order(self, response: Response) -> None:
        if response.error is not None or response.result is None:
            self.refuse(response.error or UNKNOWN_ORDER)
            return
        result = response.result
        if isinstance(result, Cancelled) and self._message["method"] == "cancel_order":
            self._answer_cancels(result)
        else:
            self.accept(order_result(result, str(self._message["method"])))

    def _answer_cancels(self, result: Cancelled) -> None:
        """Cancelling several orders answers once for each."""
        for order_id in result.order_ids:
            self.accept({"order_id": order_id})
        for _ in result.unknown:
            self.refuse(UNKNOWN_ORDER)

    def _send(self, answer: Answer) -> None:
        if isinstance(self._message.get("req_id"), (int, Decimal)):
            answer["req_id"] = self._message["req_id"]
        answer["time_in"] = micro_iso(self._in_ns)
        answer["time_out"] = micro_iso(self._exchange.now_ns())
        self.session.send(encode(answer))


def order_result(result: object, method: str) -> Answer:
    """The `result` object of an order method's answer."""
    if isinstance(result, Added):
        return _added(result)
    if isinstance(result, Amended):
        shape = {"amend_id": result.amend_id, "order_id": result.order_id}
        return shape | ({"cl_ord_id": result.cl_ord_id} if result.cl_ord_id else {})
    if isinstance(result, Edited):
        return {"order_id": result.order_id, "original_order_id": result.original_order_id}
    if isinstance(result, BatchAdded):
        return {"orders": [_batch_item(response) for response in result.responses]}
    if isinstance(result, SwitchSet):
        trigger = micro_iso(result.trigger_time) if result.trigger_time is not None else "0"
        return {"currentTime": micro_iso(result.current_time), "triggerTime": trigger}
    assert isinstance(result, Cancelled), method
    return {"count": result.count}


def _added(result: Added) -> Answer:
    shape: Answer = {"order_id": result.order_id} if result.order_id else {}
    if result.cl_ord_id is not None:
        shape["cl_ord_id"] = result.cl_ord_id
    if result.order_userref is not None:
        shape["order_userref"] = result.order_userref
    return shape


def _batch_item(response: Response) -> Answer:
    if isinstance(response.result, Added):
        return _added(response.result) | {"success": True}
    return {"success": False, "error": response.error}


def _parsed(raw: str | bytes) -> dict[str, Any] | None:
    try:
        message = json.loads(raw, parse_float=Decimal, parse_constant=Decimal)
        escaped = "\\u" in raw if isinstance(raw, str) else b"\\u" in raw
        if escaped or not raw.isascii():  # half a character could not be sent back
            json.dumps(message, ensure_ascii=False, default=str).encode()
    except (ValueError, RecursionError, InvalidOperation):
        return None
    return message if isinstance(message, dict) else None
