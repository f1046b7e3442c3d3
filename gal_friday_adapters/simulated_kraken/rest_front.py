"""What REST answers to one request, whatever carried it here: bytes of a JSON envelope."""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl

from gal_friday_adapters.simulated_kraken.endpoints import PrivateCall
from gal_friday_adapters.simulated_kraken.exchange import Exchange
from gal_friday_adapters.simulated_kraken.fields import Fields
from gal_friday_adapters.simulated_kraken.permissions import DENIED
from gal_friday_adapters.simulated_kraken.private_rest import PrivateRest
from gal_friday_adapters.simulated_kraken.public_rest import PublicRest
from gal_friday_adapters.simulated_kraken.signing import Keyring
from gal_friday_adapters.simulated_kraken.text import encode
from gal_friday_core.errors import ExchangeError
from gal_friday_core.venue.error_texts import INVALID_ARGUMENTS

MOST_FIELDS = 1000
"""Of a form body."""
PUBLIC, PRIVATE = "/0/public/", "/0/private/"


class RestFront:
    """One for all requests."""

    def __init__(self, exchange: Exchange, keyring: Keyring) -> None:
        self._exchange = exchange
        self._keyring = keyring
        self._public = PublicRest(exchange.directory, exchange.markets, exchange.system_status)
        self._private = PrivateRest(exchange)

    def public(self, method: str, values: Mapping[str, Any]) -> bytes:
        """The answer to a public method; `values` are those of query and body."""
        try:
            result = self._public.answer(method, Fields(values), self._exchange.now_ns())
        except ExchangeError as refusal:
            return _refused(refusal)
        return encode({"error": [], "result": result})

    def private(self, method: str, body: bytes, content_type: str, headers: tuple[str, str]) -> bytes | None:
        """The answer to a private method, None where a fault takes it; `headers` are API-Key and API-Sign."""
        now_ns = self._exchange.now_ns()
        try:
            account, values = self._authenticated(method, body, content_type, headers, now_ns)
            self._exchange.admit(account, method, headers[0])
            result = self._private.answer(method, PrivateCall(account, Fields(values), now_ns))
        except ExchangeError as refusal:
            return _refused(refusal)
        return None if result is None else encode({"error": [], "result": result})

    def _authenticated(
        self, method: str, body: bytes, content_type: str, headers: tuple[str, str], now_ns: int
    ) -> tuple[str, dict[str, Any]]:
        values, readable = body_values(body, content_type)
        nonce = str(values.get("nonce", ""))
        account, error = self._keyring.check(PRIVATE + method, nonce, body, headers, now_ns)
        if error or not readable:
            raise ExchangeError(error or INVALID_ARGUMENTS)
        if not self._keyring.permits(headers[0], method):
            raise ExchangeError(DENIED)
        return account, values


def body_values(raw: bytes, content_type: str) -> tuple[dict[str, Any], bool]:
    """Parameters of a form or JSON body, and whether it could be read."""
    if content_type == "application/json":
        try:
            values = json.loads(raw, parse_float=Decimal)
        except (ValueError, RecursionError, InvalidOperation):
            return {}, False
        return (values, True) if isinstance(values, dict) else ({}, False)
    try:
        fields = parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        return {}, False
    return _gathered(fields), True


def _gathered(fields: list[tuple[str, str]]) -> dict[str, Any]:
    """A field that is sent several times is a list."""
    values: dict[str, Any] = {}
    for name, value in fields:
        if name not in values:
            values[name] = value
        elif isinstance(values[name], list):
            values[name].append(value)
        else:
            values[name] = [values[name], value]
    return values


def _refused(refusal: ExchangeError) -> bytes:
    return encode({"error": [str(refusal)]})
