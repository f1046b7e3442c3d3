"""One HTTP request to Kraken, and what an answer or its absence means: nothing here knows orders.

Every outcome is either the raw result or a `Refusal`; `NO_ANSWER`, `NOT_KRAKEN` and `HTTP_…` are codes of ours for
what did not come from the exchange itself.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import msgspec

from gal_friday_core import __version__
from gal_friday_core.errors import ConfigError, ContractError
from gal_friday_core.kraken.error_codes import Kind, Refusal, errors_of, refusal
from gal_friday_core.kraken.rest_shapes import Envelope, read
from gal_friday_core.kraken.signing import secret_bytes, sign

LONGEST_ANSWER = 16 * 1024 * 1024
"""Bytes; the largest real answer, all of AssetPairs, is under one megabyte."""
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_TOO_MANY, _REQUEST_TIMEOUT, _OK = 429, 408, 200
_FORM, _JSON = "application/x-www-form-urlencoded", "application/json"
Outcome = msgspec.Raw | Refusal


@dataclass(frozen=True, slots=True)
class Credentials:
    """An API key of Kraken. Neither half is ever shown. Raises ConfigError where the secret is not base64."""

    key: str = field(repr=False)
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        secret_bytes(self.secret)


class RestCalls:
    """Makes requests over one connection pool. `timeout_s` bounds connecting, sending and reading together."""

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self._url = checked_url(url)
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def get(self, path: str, query: Mapping[str, str]) -> Outcome:
        """A public call."""
        target = f"{self._url}{path}?{urlencode(query)}" if query else f"{self._url}{path}"
        return await self._ask("GET", target, b"", {})

    async def post(
        self, path: str, fields: Mapping[str, Any], nonce: int, keys: Credentials, *, as_json: bool
    ) -> Outcome:
        """A private call: form fields, or a JSON object where lists are nested. The bytes signed are those sent."""
        asked = {"nonce": str(nonce)} | dict(fields)
        body = msgspec.json.encode(asked) if as_json else urlencode(asked).encode()
        headers = {
            "API-Key": keys.key,
            "API-Sign": sign(path, str(nonce), body, keys.secret),
            "Content-Type": _JSON if as_json else _FORM,
        }
        return await self._ask("POST", f"{self._url}{path}", body, headers)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> Outcome:
        try:
            async with asyncio.timeout(self._timeout_s):
                status, answer = await self._request(method, target, body, headers)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return Refusal("UNREACHABLE", "UNREACHABLE", f"cannot connect: {_words(error)}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Refusal("NO_ANSWER", "UNKNOWN_OUTCOME", f"no answer: {_words(error)}")
        return _outcome(status, answer)

    async def _request(
        self, method: str, target: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        """Status and body of the answer. A simulation puts its own network here."""
        async with self._opened().request(
            method, target, data=body or None, headers=headers, allow_redirects=False
        ) as response:
            return response.status, await _limited(response)

    def _opened(self) -> aiohttp.ClientSession:
        """The pool; made at the first call, since it belongs to the loop that runs then."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers={"User-Agent": f"gal-friday/{__version__}"},
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._timeout_s / 2),
                auto_decompress=True,
            )
        return self._session


def checked_url(url: str) -> str:
    """The base address without a slash at its end. Raises ConfigError where keys would travel unencrypted."""
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise ConfigError(f"{url}: keys are sent over https only, or to this machine itself")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
        raise ConfigError(f"{url!r} is no base address of Kraken's REST, such as https://api.kraken.com")
    return url.rstrip("/")


async def _limited(response: aiohttp.ClientResponse) -> bytes:
    """The body, as far as anyone will ever need it."""
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > LONGEST_ANSWER:
            break
    return b"".join(parts)


def _outcome(status: int, body: bytes) -> Outcome:
    """What an HTTP answer says. An error page with status 200 is no answer of Kraken's, and says nothing."""
    try:
        envelope = read(body, Envelope)
    except ContractError:
        return _foreign(status, body)
    errors = errors_of(envelope.error)
    if errors:
        return min(
            map(refusal, errors), key=lambda found: found.certain
        )  # one that leaves the outcome open counts
    if status != _OK or not bytes(envelope.result):
        return _foreign(status, body)
    return msgspec.Raw(bytes(envelope.result))


def _foreign(status: int, body: bytes) -> Refusal:
    """Something between us and the exchange answered, or half of the exchange's answer came."""
    if status == _OK:
        what = "a page" if body.lstrip()[:1] == b"<" else "no whole answer"
        return Refusal(
            "NOT_KRAKEN", "UNKNOWN_OUTCOME", f"got {what} of {len(body)} bytes instead of Kraken's JSON"
        )
    kind: Kind = "UNKNOWN_OUTCOME"
    if status == _TOO_MANY:
        kind = "RATE_LIMIT"
    elif 300 <= status < 500 and status != _REQUEST_TIMEOUT:
        kind = "REFUSED"
    return Refusal(f"HTTP_{status}", kind, f"HTTP status {status}")


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
