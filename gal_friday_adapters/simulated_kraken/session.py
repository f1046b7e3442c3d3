"""One websocket connection: what waits to be sent, heartbeats, and the faults that strike its frames."""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import ClientConnectionResetError, WSMsgType

from gal_friday_adapters.bell import Bell
from gal_friday_adapters.simulated_kraken.wire_faults import WireFaults

HEARTBEAT_S = 1.0
HEARTBEAT = b'{"channel":"heartbeat"}'
LONGEST_QUEUE = 20_000
"""A client that leaves more than this unread is cut off, as Kraken does with slow readers."""

_BOOK = b'{"channel":"book"'
_CHECKSUM = b'"checksum":'


@dataclass(slots=True)
class Subscription:
    """What a connection listens to; `sequence` counts the messages of a private one."""

    channel: str
    symbol: str = ""
    variant: int = 0
    account: str = ""
    options: dict[str, object] = field(default_factory=dict)
    sequence: int = 0

    @property
    def topic(self) -> tuple[str, str, int]:
        return (self.channel, self.account or self.symbol, self.variant)


class Socket(Protocol):
    """What a session writes to: aiohttp's websocket, or one that is simulated."""

    async def send_frame(self, message: bytes, opcode: WSMsgType, /) -> None: ...


class Abortable(Protocol):
    """The connection beneath it."""

    def abort(self) -> None: ...


class Session:
    """Sends in order, one frame after the other; `send` never waits."""

    def __init__(
        self,
        number: int,
        socket: Socket,
        transport: Abortable | None,
        faults: WireFaults,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.number = number
        self.subscriptions: dict[tuple[str, str, int], Subscription] = {}
        self.accounts: dict[str, str] = {}
        """Whose each token is that a private subscription was made with here: it holds as long as the connection."""
        self.half_open = False
        self._socket = socket
        self._transport = transport
        self._faults = faults
        self._sleep = sleep
        self._queue: deque[bytes] = deque()
        self._more = Bell()
        self._cut = False

    def send(self, message: bytes) -> None:
        if len(self._queue) >= LONGEST_QUEUE:
            self._cut = True
        else:
            self._queue.append(message)
        self._more.ring()

    def strikes(self, kind: str) -> bool:
        """Whether a fault of that kind takes effect here and now."""
        return self._faults.strikes(kind)

    async def write(self) -> None:
        """Send what is queued until the connection ends; a heartbeat after each second without a frame."""
        try:
            while await self._waited():
                while self._queue:
                    if not await self._deliver(self._queue.popleft()):
                        return
        except (ClientConnectionResetError, ConnectionError):
            return  # the client went away: the reader notices and ends the session

    async def _waited(self) -> bool:
        await self._more.wait(HEARTBEAT_S)
        if not self._more.rung and self.subscriptions:
            self._queue.append(HEARTBEAT)
        self._more.hush()
        if self._cut:
            self._abort()
        return not self._cut

    async def _deliver(self, message: bytes) -> bool:
        if self.half_open:
            return True
        delay = self._faults.delay_s()
        if delay:
            await self._sleep(delay)
        if message is not HEARTBEAT and self._struck():
            return not self._cut
        if message.startswith(_BOOK) and self._faults.strikes("checksum"):
            message = flipped(message)
        await self._socket.send_frame(message, WSMsgType.TEXT)
        return True

    def _struck(self) -> bool:
        """Whether a fault takes the connection before this frame."""
        if self._faults.strikes("half_open"):
            self.half_open = True
        elif self._faults.strikes("disconnect"):
            self.lose()
        return self.half_open or self._cut

    def lose(self) -> None:
        """End the connection without a close frame, as a lost network does."""
        self._cut = True
        self._abort()

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def flipped(message: bytes) -> bytes:
    """The same book message with one digit of its checksum changed.

    >>> flipped(b'{"channel":"book","data":[{"checksum":120}]}')
    b'{"channel":"book","data":[{"checksum":121}]}'
    """
    start = message.index(_CHECKSUM) + len(_CHECKSUM)
    end = start
    while message[end : end + 1].isdigit():
        end += 1
    digit = (message[end - 1] - 0x30 + 1) % 10
    return message[: end - 1] + bytes([digit + 0x30]) + message[end:]
