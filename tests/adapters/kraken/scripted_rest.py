"""An HTTP server that answers as its script says: Kraken's answers, and everything that is none."""

import asyncio
import json
from collections.abc import Callable
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl

from aiohttp import web

from gal_friday_adapters.kraken.rest import KrakenRest, kraken_rest
from gal_friday_adapters.kraken.rest_calls import Credentials
from gal_friday_adapters.kraken.rest_line import RestClock, RestPatience

SECRET = "ZGVtby1zZWNyZXQ="
KEYS = Credentials("the-key", SECRET)
NOW_NS = 1_772_366_400_000_000_000
PAIRS = {
    "XXBTZUSD": {
        "altname": "XBTUSD",
        "wsname": "XBT/USD",
        "base": "XXBT",
        "quote": "ZUSD",
        "pair_decimals": 1,
        "lot_decimals": 8,
        "ordermin": "0.0001",
    }
}


def result(value: object) -> web.Response:
    return web.Response(text=json.dumps({"error": [], "result": value}), content_type="application/json")


def error(*texts: str) -> web.Response:
    return web.Response(text=json.dumps({"error": list(texts)}), content_type="application/json")


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0)

    def clock(self) -> RestClock:
        return RestClock(
            now_ns=lambda: NOW_NS, timer=lambda: self.seconds, jitter=lambda: 1.0, sleep=self.sleep
        )


class ScriptedKraken:
    """`script[method]` holds answers in turn, the last one for ever; `asked` what was asked, `nonces` in order."""

    def __init__(self) -> None:
        self.script: dict[str, list[object]] = {"AssetPairs": [result_of(PAIRS)]}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.nonces: list[int] = []
        self.url = ""

    def answers(self, method: str, *answers: object) -> None:
        self.script[method] = list(answers)

    def count(self, method: str) -> int:
        return sum(asked == method for asked, _ in self.asked)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        body = await request.text()
        fields = json.loads(body) if request.content_type == "application/json" else dict(parse_qsl(body))
        self.asked.append((method, fields))
        if "nonce" in fields:
            self.nonces.append(int(fields["nonce"]))
        script = self.script[method]
        answer = script.pop(0) if len(script) > 1 else script[0]
        answer = answer(request) if callable(answer) else answer
        return await answer if asyncio.iscoroutine(answer) else answer


def result_of(value: object) -> Callable[[web.Request], web.Response]:
    return lambda _: result(value)


def error_of(*texts: str) -> Callable[[web.Request], web.Response]:
    return lambda _: error(*texts)


def page(status: int = 200, text: str = "<html><body>Just a moment…</body></html>"):
    return lambda _: web.Response(status=status, text=text, content_type="text/html")


async def cut(request: web.Request) -> web.Response:
    """The connection breaks before a byte of the answer."""
    request.transport.abort()
    return web.Response()


async def half(request: web.Request) -> web.StreamResponse:
    """The connection breaks within the answer."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"error":[],"result":{"txid":["O')
    request.transport.close()
    return response


async def never(_: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError


@asynccontextmanager
async def scripted(time: Time | None = None, keys: Credentials | None = KEYS, **patience: object):
    """A scripted exchange and a client for it."""
    kraken = ScriptedKraken()
    application = web.Application()
    application.router.add_route("*", "/0/{side}/{method}", kraken.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    kraken.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    nonces = iter(range(1, 10_000))
    rest = client(kraken.url, time or Time(), keys, lambda: next(nonces), **patience)
    try:
        yield kraken, rest
    finally:
        await rest.close()
        await runner.cleanup()


def client(
    url: str, time: Time, keys: Credentials | None, nonce: Callable[[], int], **patience
) -> KrakenRest:
    return kraken_rest(
        url, keys, clock=time.clock(), nonce=nonce, tier="pro", patience=RestPatience(**patience)
    )
