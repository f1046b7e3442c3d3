"""The simulated exchange on a port of this machine: REST v0 and websocket v2, as Kraken's hosts serve them.

One port stands for three hosts: `/0/public/*` and `/0/private/*` for api.kraken.com, `/v2` for ws.kraken.com
and ws-auth.kraken.com (public and private channels both; `/private/v2` and `/auth/v2` are the same). Binds to
the loopback address only.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Self

import msgspec
from aiohttp import WSMsgType, web

from gal_friday_adapters.simulated_kraken import public_feed
from gal_friday_adapters.simulated_kraken.exchange import Exchange
from gal_friday_adapters.simulated_kraken.pacing import TICK_S, Pace
from gal_friday_adapters.simulated_kraken.rest_front import RestFront, body_values
from gal_friday_adapters.simulated_kraken.scaled_time import ScaledTime
from gal_friday_adapters.simulated_kraken.session import Session
from gal_friday_adapters.simulated_kraken.signing import Keyring
from gal_friday_adapters.simulated_kraken.text import encode
from gal_friday_adapters.simulated_kraken.v2_methods import V2Methods
from gal_friday_core.errors import ExchangeError

HOST = "127.0.0.1"
SOCKET_PATHS = ("/v2", "/v2/private", "/private/v2", "/auth/v2")

log = logging.getLogger(__name__)


class SimulatedKraken:
    """Serves one exchange. `async with` starts and stops it; `url` and `socket_url` say where it is."""

    def __init__(
        self,
        exchange: Exchange,
        keyring: Keyring,
        *,
        port: int = 0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        about: Mapping[str, Any] | None = None,
        scaled: ScaledTime | None = None,
    ) -> None:
        """`about` is what `/simulation` says, and what time it is by `scaled`, if the exchange's time runs at a speed of
        its own: Kraken has no such address, so nobody takes this for it.
        """
        self.exchange = exchange
        self.keyring = keyring
        self._about = dict(about or {})
        self._scaled = scaled
        self._port = port
        self._sleep = sleep
        self._rest = RestFront(exchange, keyring)
        self._methods = V2Methods(exchange)
        self._sockets: set[web.WebSocketResponse] = set()
        self._connections = 0
        self._runner: web.AppRunner | None = None
        self._market: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The base address of REST."""
        return f"http://{HOST}:{self._port}"

    @property
    def socket_url(self) -> str:
        """The base address of the websocket, without its path."""
        return f"ws://{HOST}:{self._port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Bind and begin. Raises ExchangeError where the port is taken."""
        application = web.Application()
        application.router.add_get("/simulation", self._answer_about)
        application.router.add_route("*", "/0/public/{method}", self._answer_public)
        application.router.add_post("/0/private/{method}", self._answer_private)
        for path in SOCKET_PATHS:
            application.router.add_get(path, self._talk)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, self._port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise ExchangeError(
                f"cannot listen on {HOST}:{self._port} ({error.strerror}): give another --port"
            ) from error
        self._port = self._runner.addresses[0][1]
        if self._scaled is not None:  # nobody has seen it yet, and making it took a while
            self._scaled.go_on(self.exchange.reached_ns, self._scaled.speed)
        self.exchange.advance()
        self._market = asyncio.create_task(self._run_market())

    def hang_up(self) -> None:
        """Cut every websocket connection, as a lost network does."""
        self.exchange.hub.hang_up()

    async def stop(self) -> None:
        """Close every connection and the port."""
        if self._market is not None:
            self._market.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._market
        for socket in list(self._sockets):
            await socket.close(code=1001, message=b"Going away")
        if self._runner is not None:
            await self._runner.cleanup()

    async def finished(self) -> None:
        """Wait while the market runs. Raises what ended it, if anything did."""
        if self._market is not None:
            await self._market

    async def _run_market(self) -> None:
        """To the present again and again, with turns for whoever asks on the way there."""
        now_s = asyncio.get_running_loop().time
        pace = Pace(1.0 if self._scaled is None else self._scaled.speed, began_s=now_s())
        while True:
            if self.exchange.advance():
                pace.met()
                await self._sleep(TICK_S)
            else:
                await asyncio.sleep(0)
            if (speed := pace.kept_speed(now_s())) is not None:
                self._go_on(speed, pace.asked)

    def _go_on(self, speed: float, asked: float) -> None:
        assert self._scaled is not None, "what goes at the pace of the machine is not slowed"
        if speed < self._scaled.speed:
            log.warning(
                "this machine is too busy for a market at %g times its pace: it goes on at %g times",
                self._scaled.speed, speed,
            )  # fmt: skip
        else:
            log.warning("the market goes on at %g times its pace; %g were asked for", speed, asked)
        self._scaled.go_on(self.exchange.reached_ns, speed)

    async def _answer_about(self, _: web.Request) -> web.Response:
        time = None if self._scaled is None else msgspec.to_builtins(self._scaled.anchors)
        return web.Response(body=encode({**self._about, "time": time}), content_type="application/json")

    async def _answer_public(self, request: web.Request) -> web.Response:
        values: dict[str, Any] = dict(request.query)
        if request.method == "POST":
            body, _ = body_values(await request.read(), request.content_type)
            values |= body
        return await self._late(self._rest.public(request.match_info["method"], values))

    async def _answer_private(self, request: web.Request) -> web.Response:
        raw = await request.read()
        headers = (request.headers.get("API-Key", ""), request.headers.get("API-Sign", ""))
        answer = self._rest.private(request.match_info["method"], raw, request.content_type, headers)
        if answer is None and request.transport is not None:
            request.transport.abort()  # the answer is lost, as in a network failure
        return await self._late(answer or b"")

    async def _late(self, answer: bytes) -> web.Response:
        """The answer, after the delay that a fault may add. HTTP 200 whatever happened: errors are in the envelope."""
        delay = self.exchange.faults.delay_s()
        if delay:
            await self._sleep(delay)
        return web.Response(body=answer, content_type="application/json")

    async def _talk(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False, max_msg_size=1 << 20, autoping=False)
        await socket.prepare(request)
        self._connections += 1
        session = Session(self._connections, socket, request.transport, self.exchange.faults, self._sleep)
        self._sockets.add(socket)
        self.exchange.hub.join(session)
        session.send(encode(public_feed.status(self.exchange.system_status(), session.number)))
        async with _writing(session):
            await self._listen(session, socket)
        self.exchange.hub.leave(session)
        self._sockets.discard(socket)
        return socket

    async def _listen(self, session: Session, socket: web.WebSocketResponse) -> None:
        async for frame in socket:
            if session.half_open:
                continue  # nothing is read and nothing answered, not even a ping
            if frame.type is WSMsgType.PING:
                await socket.pong(frame.data)
            elif frame.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                self._methods.answer(session, frame.data)


@contextlib.asynccontextmanager
async def _writing(session: Session) -> AsyncIterator[None]:
    """The session's writer runs beside its reader, and no longer."""
    writer = asyncio.create_task(session.write())
    try:
        yield
    finally:
        writer.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await writer
