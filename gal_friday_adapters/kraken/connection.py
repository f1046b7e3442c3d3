"""Websockets through picows: whole text messages to a listener, from whichever event loop runs.

The library answers protocol pings; whether a silent line is dead is the listener's business.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from functools import cache

from picows import WSCloseCode, WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from gal_friday_core import __version__
from gal_friday_core.errors import ExchangeError
from gal_friday_core.ports import Connection, Listener

LONGEST_MESSAGE = 8 * 1024 * 1024
"""Bytes; the largest real message, the list of all instruments, is a third of a megabyte."""


# It tells of every connection at INFO, in its own words; who opens one says so in ours.
logging.getLogger("picows").setLevel(logging.WARNING)

_TEXT, _CONTINUATION, _CLOSE = WSMsgType.TEXT, WSMsgType.CONTINUATION, WSMsgType.CLOSE


class PicowsTransport:
    """Opens public or private lines. `open_s` bounds name lookup, TCP, TLS and handshake together.

    Certificates are read when it is made: 28 ms that would hold up the event loop at each reconnect of a line.
    """

    def __init__(self, *, open_s: float = 10.0, ssl_context: ssl.SSLContext | None = None) -> None:
        self._open_s = open_s
        self._ssl = ssl_context or _trusted()

    async def connect(self, url: str, listener: Listener) -> Connection:
        """Raises ExchangeError naming the address where nobody answers as a websocket in time."""
        line = _Line(listener)
        try:
            async with asyncio.timeout(self._open_s):
                await ws_connect(
                    lambda: line,
                    url,
                    ssl_context=self._ssl,
                    websocket_handshake_timeout=self._open_s,  # ends a line that our own limit has given up
                    max_frame_size=LONGEST_MESSAGE,
                    max_redirects=0,
                    extra_headers={"User-Agent": f"gal-friday/{__version__}"},
                )
        except (OSError, TimeoutError, WSError) as error:
            line.abandon()
            raise ExchangeError(f"cannot open {url}: {_reason(error)}") from error
        return line


class _Line(WSListener):
    """One connection, on both sides of the library: it hears picows and answers as `Connection`."""

    def __init__(self, listener: Listener) -> None:
        self._listener: Listener | None = listener
        self._deliver: Callable[[bytes], None] = listener.on_message
        self._transport: WSTransport | None = None
        self._parts: list[bytes] = []
        self._why = "closed by the other side"

    def send(self, message: bytes) -> None:
        if self._transport is not None:
            self._transport.send(WSMsgType.TEXT, message)

    def close(self) -> None:
        if self._transport is not None:
            self._why = "closed here"
            self._transport.disconnect(graceful=False)

    def abandon(self) -> None:
        """Nobody waits for this line any more: not even its end is told."""
        self._listener = None
        self._deliver = _unheard
        self.close()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind is _TEXT and frame.fin:
            self._deliver(frame.get_payload_as_bytes())
        elif kind in {_TEXT, _CONTINUATION}:
            self._assemble(frame)
        elif kind is _CLOSE:
            self._why = f"closed by the other side: {frame.get_close_code()} {frame.get_close_reason() or ''}"
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        del transport
        self._transport = None
        listener, self._listener = self._listener, None
        if listener is not None:
            self._deliver = _unheard
            listener.on_closed(self._why.strip())

    def _assemble(self, frame: WSFrame) -> None:
        """A message that came in several frames."""
        self._parts.append(frame.get_payload_as_bytes())
        if sum(map(len, self._parts)) > LONGEST_MESSAGE:
            self._why = f"a message of more than {LONGEST_MESSAGE} bytes"
            self._parts.clear()
            self.close()
        elif frame.fin:
            whole, self._parts = b"".join(self._parts), []
            self._deliver(whole)


@cache
def _trusted() -> ssl.SSLContext:
    """Checks host names, and certificates by those that the system trusts."""
    return ssl.create_default_context()


def _unheard(raw: bytes) -> None:
    """What comes after the end is nobody's."""


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else "no answer in time"
