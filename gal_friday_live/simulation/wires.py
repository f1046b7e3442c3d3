"""The network between the engine and the simulated Kraken, in memory: websocket texts and HTTP requests.

A wire keeps its order, as TCP does. What breaks it: a cut (what was on its way to the exchange may still arrive,
after the next connection stands), silence in both directions, frames that arrive mangled. A request may be lost,
arrive late, or lose its answer.
"""

import asyncio
import contextvars
import json
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

import aiohttp
from aiohttp import WSMsgType

from gal_friday_adapters.kraken.rest_calls import RestCalls
from gal_friday_adapters.simulated_kraken import public_feed
from gal_friday_adapters.simulated_kraken.exchange import Exchange
from gal_friday_adapters.simulated_kraken.rest_front import PRIVATE, PUBLIC, RestFront
from gal_friday_adapters.simulated_kraken.session import Session
from gal_friday_adapters.simulated_kraken.signing import Keyring
from gal_friday_adapters.simulated_kraken.text import encode
from gal_friday_adapters.simulated_kraken.v2_methods import V2Methods
from gal_friday_core.errors import ExchangeError
from gal_friday_core.ports import Connection, Listener
from gal_friday_live.simulation.loop import LIFE, WORLD, SimLoop
from gal_friday_live.simulation.trace import Trace

Kind = Literal["public", "private"]
URL = "http://127.0.0.1:1"
PUBLIC_URL, PRIVATE_URL = "ws://127.0.0.1:1/public", "ws://127.0.0.1:1/private"
ORDER_METHODS = (b'"add_order"', b'"amend_order"', b'"cancel_order"', b'"cancel_all"')
BOOK = b'"channel":"book"'
REST_ORDERS = frozenset({"AddOrder", "AmendOrder", "CancelOrder", "CancelAll"})
LINGER_S = 4.0
"""What was sent over a wire that is cut may arrive up to so much later."""
LATE_S = 9.0
"""A request may be on its way for so long: beyond its sender's patience."""
OVERTAKEN_S = 3.0
"""A frame that strays may arrive so much after those that were sent later."""
REFUSED_AFTER_S = 0.3

Sent = Callable[[str, Mapping[str, Any]], None]
"""Hears of each order request at the moment in which its bytes are handed over: its method and its fields."""


@dataclass(slots=True)
class Weather:
    """What the network is like now. Shares are chances from 0 to 1, times seconds."""

    latency_s: float = 0.02
    spread_s: float = 0.005
    mangled: float = 0.0
    mangled_books: float = 0.0
    down: set[str] = field(default_factory=set)
    rest: dict[str, float] = field(default_factory=dict)
    stray: dict[str, float] = field(default_factory=dict)


def unseen(method: str, fields: Mapping[str, Any]) -> None:
    """Nobody looks at what is sent."""


class Network:
    """Carries everything. `weather` may be changed at any time; `sent` looks at each order that goes out."""

    def __init__(
        self, loop: SimLoop, exchange: Exchange, keyring: Keyring, *, chance: random.Random, trace: Trace
    ) -> None:
        self.loop = loop
        self.exchange = exchange
        self.weather = Weather()
        self.trace = trace
        self.sent: Sent = unseen
        self.chance = chance
        self.world = contextvars.copy_context()
        self.methods = V2Methods(exchange)
        self.rest = RestFront(exchange, keyring)
        self.wires: list[Wire] = []
        self._connections = 0

    def delay_s(self) -> float:
        weather = self.weather
        return weather.latency_s + self.chance.expovariate(1.0) * weather.spread_s

    def number(self) -> int:
        self._connections += 1
        return self._connections

    def cut(self, kind: Kind | None = None) -> None:
        """Every connection of that kind breaks."""
        for wire in [wire for wire in self.wires if kind in {None, wire.kind}]:
            wire.cut()

    def silence(self, kind: Kind | None = None) -> None:
        """Every connection of that kind stays up and carries nothing any more."""
        for wire in self.wires:
            if kind in {None, wire.kind}:
                wire.silent = True

    def hang_up(self, life: int) -> None:
        """A life has ended: the machine closes what it had open."""
        for wire in [wire for wire in self.wires if wire.life == life]:
            wire.cut()


class SimTransport:
    """`ports.Transport` over the network."""

    def __init__(self, network: Network) -> None:
        self._network = network

    async def connect(self, url: str, listener: Listener) -> Connection:
        kind: Kind = "public" if url == PUBLIC_URL else "private"
        network = self._network
        await asyncio.sleep(2 * network.delay_s())
        if kind in network.weather.down:
            await asyncio.sleep(REFUSED_AFTER_S)
            raise ExchangeError(f"cannot open {url}: nobody answers")
        return Wire(network, kind, listener)


class Wire:
    """One connection: a `Connection` for the client, socket and transport for the exchange's session."""

    def __init__(self, network: Network, kind: Kind, listener: Listener) -> None:
        self.kind = kind
        self.life = LIFE.get()
        self.silent = False
        self._network = network
        self._listener: Listener | None = listener
        client = contextvars.copy_context()
        self._to_client = _Pipe(network, client, self._deliver)
        self._to_server = _Pipe(network, network.world, self._arrive)
        self._client = client
        self._open = True
        self._held: bytes | None = None  # until the next one has overtaken it
        number = network.number()
        self._session = Session(number, self, self, network.exchange.faults, asyncio.sleep)
        self._writer = network.loop.create_task(self._session.write(), context=network.world)
        network.wires.append(self)
        network.exchange.hub.join(self._session)
        status = public_feed.status(network.exchange.system_status(), number)
        self._session.send(encode(status))
        network.trace("net", f"{kind} wire {number} opens")

    # The client's end

    def send(self, message: bytes) -> None:
        if self._listener is None:
            return
        if any(method in message for method in ORDER_METHODS):
            asked = json.loads(message)
            self._network.sent(asked["method"], asked["params"])
        self._to_server.put(message)

    def close(self) -> None:
        self._end("closed here")

    # The exchange's end

    async def send_frame(self, message: bytes, opcode: WSMsgType, /) -> None:
        del opcode
        if not self._open:
            raise ConnectionError
        network = self._network
        if self._is_mangled(message):
            message = self._mangle(message)
        self._put(message, _drawn(network.weather.stray, network.chance, STRAY))

    def _put(self, message: bytes, fate: str) -> None:
        """On its way to the client, where it may be overtaken by others, or arrive twice."""
        network = self._network
        if fate:
            network.trace("net", f"{self.kind} frame {fate}")
        if fate == "late":
            network.loop.call_later(
                network.chance.random() * OVERTAKEN_S, self._deliver, message, context=self._client
            )
        elif fate == "reordered" and self._held is None:
            self._held = message
            return
        else:
            self._to_client.put(message)
            if fate == "repeated":
                self._to_client.put(message)
        if self._held is not None:
            held, self._held = self._held, None
            self._to_client.put(held)

    def abort(self) -> None:
        self.cut()

    def cut(self) -> None:
        """The connection breaks. What the client sent last may yet arrive."""
        if self._open:
            self._network.trace("net", f"{self.kind} wire {self._session.number} is cut")
        self._end("cut")

    # How

    def _is_mangled(self, message: bytes) -> bool:
        weather, chance = self._network.weather, self._network.chance
        if weather.mangled and chance.random() < weather.mangled:
            return True
        return weather.mangled_books > 0 and BOOK in message and chance.random() < weather.mangled_books

    def _mangle(self, message: bytes) -> bytes:
        self._network.trace("net", f"{self.kind} frame mangled")
        if BOOK in message:  # a digit of it: only the checksum can tell
            places = [place for place, byte in enumerate(message) if 0x30 <= byte <= 0x39]
            place = places[self._network.chance.randrange(len(places))]
            digit = (message[place] - 0x30 + 1) % 10
            return message[:place] + bytes([digit + 0x30]) + message[place + 1 :]
        return message[: len(message) // 2]

    def _deliver(self, message: bytes) -> None:
        if self._listener is not None and not self.silent:
            self._listener.on_message(message)

    def _arrive(self, message: bytes) -> None:
        if not self.silent and not self._session.half_open:
            self._network.methods.answer(self._session, message)

    def _end(self, reason: str) -> None:
        if not self._open:
            return
        network, listener = self._network, self._listener
        self._open, self._listener = False, None
        network.wires.remove(self)
        self._writer.cancel()
        network.exchange.hub.leave(self._session)
        self._to_client.empty()
        self._to_server.linger(LINGER_S)
        if listener is not None:
            network.loop.call_soon(listener.on_closed, reason, context=self._client)


class _Pipe:
    """One direction of a wire: nothing overtakes anything."""

    def __init__(
        self, network: Network, context: contextvars.Context, deliver: Callable[[bytes], None]
    ) -> None:
        self._network = network
        self._context = context
        self._deliver = deliver
        self._under_way: deque[tuple[float, bytes]] = deque()
        self._last = 0.0
        self._running = False

    def put(self, message: bytes) -> None:
        loop = self._network.loop
        self._last = max(self._last, loop.time() + self._network.delay_s())
        self._under_way.append((self._last, message))
        self._go_on()

    def empty(self) -> None:
        self._under_way.clear()

    def linger(self, longest_s: float) -> None:
        """The wire is cut: what is under way is lost, or arrives later."""
        chance = self._network.chance
        kept = [item for item in self._under_way if chance.random() < 0.5]
        late = chance.random() * longest_s
        self._under_way = deque((when + late, message) for when, message in kept)

    def _go_on(self) -> None:
        if self._under_way and not self._running:
            self._running = True
            self._network.loop.call_at(self._under_way[0][0], self._pump, context=self._context)

    def _pump(self) -> None:
        self._running = False
        now = self._network.loop.time()
        while self._under_way and self._under_way[0][0] <= now:
            self._deliver(self._under_way.popleft()[1])
        self._go_on()


class SimCalls(RestCalls):
    """Kraken's REST over the network: only the carrying of one request is not the product's own."""

    def __init__(self, network: Network, *, timeout_s: float) -> None:
        super().__init__(URL, timeout_s=timeout_s)
        self._network = network

    async def _request(
        self, method: str, target: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        network = self._network
        name = urlsplit(target).path.rpartition("/")[2]
        if "rest" in network.weather.down:
            await asyncio.sleep(REFUSED_AFTER_S)
            raise aiohttp.ConnectionTimeoutError
        if name in REST_ORDERS:
            network.sent(name, dict(parse_qsl(body.decode())))
        request = _Request(network, method, target, body, headers)
        return await request.carried()


class _Request:
    """One HTTP request on its way. Its fate is drawn when it is sent."""

    def __init__(
        self, network: Network, method: str, target: str, body: bytes, headers: dict[str, str]
    ) -> None:
        self._network = network
        self._asked = (method, target, body, headers)
        self._name = urlsplit(target).path.rpartition("/")[2]
        self._fate = _drawn(network.weather.rest, network.chance, FATES)
        self._done: asyncio.Future[tuple[int, bytes]] = network.loop.create_future()

    async def carried(self) -> tuple[int, bytes]:
        network = self._network
        if self._fate:
            network.trace("net", f"REST {self._name}: {self._fate}")
        if self._fate != "lost":
            late = network.chance.random() * LATE_S if self._fate == "late" else 0.0
            network.loop.call_later(network.delay_s() + late, self._arrive, context=network.world)
        return await self._done

    def _arrive(self) -> None:
        """At the exchange."""
        method, target, body, headers = self._asked
        parts = urlsplit(target)
        front = self._network.rest
        answer: bytes | None
        if method == "GET":
            answer = front.public(parts.path.removeprefix(PUBLIC), dict(parse_qsl(parts.query)))
        else:
            keys = (headers.get("API-Key", ""), headers.get("API-Sign", ""))
            answer = front.private(
                parts.path.removeprefix(PRIVATE), body, headers.get("Content-Type", ""), keys
            )
        self._network.loop.call_later(
            self._network.delay_s(), self._return, answer, context=self._network.world
        )

    def _return(self, answer: bytes | None) -> None:
        if self._done.done():
            return
        if answer is None or self._fate == "answer lost":
            self._done.set_exception(aiohttp.ServerDisconnectedError())
        elif self._fate == "page":
            self._done.set_result((200, b"<html>One moment, please</html>"))
        elif self._fate == "bad gateway":
            self._done.set_result((502, b""))
        elif self._fate == "half":
            self._done.set_result((200, answer[: len(answer) // 2]))
        else:
            self._done.set_result((200, answer))


STRAY = ("late", "repeated", "reordered")
FATES = ("lost", "late", "answer lost", "page", "bad gateway", "half")


def _drawn(chances: Mapping[str, float], chance: random.Random, fates: Sequence[str]) -> str:
    """A fate by its chance; nothing where it is an ordinary one."""
    if not chances:
        return ""
    drawn = chance.random()
    for fate in fates:
        drawn -= chances.get(fate, 0.0)
        if drawn < 0:
            return fate
    return ""


__all__ = [
    "FATES",
    "PRIVATE_URL",
    "PUBLIC_URL",
    "URL",
    "WORLD",
    "Network",
    "SimCalls",
    "SimTransport",
    "Weather",
]
