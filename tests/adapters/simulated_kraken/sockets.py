"""A plain websocket client that takes the simulated exchange at its word."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from gal_friday_adapters.simulated_kraken.server import SimulatedKraken

Message = dict[str, Any]


class Listener:
    """Stands where a connection would, and keeps what is sent to it."""

    def __init__(self) -> None:
        self.number = 1
        self.sent: list[bytes] = []
        self.subscriptions: dict[object, object] = {}
        self.accounts: dict[str, str] = {}

    def send(self, message: bytes) -> None:
        self.sent.append(message)

    def strikes(self, kind: str) -> bool:
        return False

    def lose(self) -> None:
        raise AssertionError("nothing here may cost a client its line")


class Socket:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.raw = socket
        self.heard: list[Message] = []

    async def ask(self, method: str, req_id: int | None = None, **params: Any) -> None:
        message: Message = {"method": method, "params": params}
        await self.raw.send_json(message if req_id is None else message | {"req_id": req_id})

    async def hear(self, wanted: Callable[[Message], bool] = lambda _: True) -> Message:
        """The next message that is wanted."""
        async with asyncio.timeout(10):
            while True:
                message = json.loads(await self.raw.receive_str())
                self.heard.append(message)
                if wanted(message):
                    return message

    async def answer(self, method: str, req_id: int | None = None, **params: Any) -> Message:
        """The answer to a method."""
        await self.ask(method, req_id, **params)
        return await self.hear(lambda message: message.get("method") == method or "error" in message)

    async def channel(self, channel: str) -> Message:
        """The next message of a channel."""
        return await self.hear(lambda message: message.get("channel") == channel)


@asynccontextmanager
async def connected(kraken: SimulatedKraken, path: str = "/v2") -> AsyncIterator[Socket]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{kraken.socket_url}{path}") as socket,
    ):
        yield Socket(socket)
