"""A recorded session in the place of a socket: the live client hears it, at any speed, and cannot tell.

The player owns time. Before it hands over a record it moves the clock there, waking on the way whoever of
the client was waiting, and after it awaits that the sink has digested it: a replay at full speed is exact,
and two replays are the same. What the client asks is not answered but by the record, except pings: whether
the line was alive is told by the record's own `close`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import msgspec

from gal_friday_adapters.sessions.records import CLOSE, CONNECT, GAP, SERVER, Record
from gal_friday_adapters.sessions.session_time import MovedClock, SessionTime
from gal_friday_core.ports import Connection, Feed, Listener, MarketSink, Transport
from gal_friday_core.times import SECOND_NS

LONGEST_SILENCE_NS = 60 * SECOND_NS
"""A record so long after the one before means that nobody recorded in between: the line counts as down."""
BREATH = 64
"""Records between two turns for other tasks of the process in a replay at full speed."""
_MARKET = (b'{"channel":"book"', b'{"channel":"trade"', b'{"channel":"ticker"', b'{"channel":"heartbeat"')
"""Messages that no client answers."""


class _Ping(msgspec.Struct):
    method: str = ""
    req_id: int | None = None


_PING = msgspec.json.Decoder(_Ping)
_BLANKS = (b"{ ", b'{"channel": ', b'{"method": ')
_INSTRUMENTS = b'{"channel":"instrument","type":"snapshot"'


class _Line:
    """One recorded line while it is up, and the client on it, if one is."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.client: _Client | None = None


class _Client:
    """The client's end; what it sends is only looked at."""

    def __init__(self, listener: Listener, line: _Line) -> None:
        self._listener: Listener | None = listener
        self._line = line

    def hear(self, raw: bytes) -> None:
        if self._listener is not None:
            self._listener.on_message(raw)

    def send(self, message: bytes) -> None:
        try:
            ping = _PING.decode(message)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if ping.method == "ping":
            pong = msgspec.json.encode({"method": "pong", "req_id": ping.req_id})
            asyncio.get_running_loop().call_soon(self.hear, pong)

    def close(self) -> None:
        self.end("closed here")

    def end(self, reason: str) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            self._line.client = None
            listener.on_closed(reason)


class SessionTransport:
    """Gives clients the lines that a session recorded. `unheard` counts messages that nobody was there for."""

    def __init__(self, time: SessionTime) -> None:
        self._time = time
        self._up: dict[int, _Line] = {}
        self._waiting: list[tuple[Listener, asyncio.Future[Connection]]] = []
        self._instruments = b""
        self.unheard = 0
        self.heard = 0

    async def connect(self, url: str, listener: Listener) -> Connection:
        """Returns once the record has a line up; after the session's end that is never."""
        del url  # there is one session
        free = next((line for line in self._up.values() if line.client is None), None)
        if free is not None:
            free.client = _Client(listener, free)
            if self._instruments:  # said before this client came: without it no book is understood
                asyncio.get_running_loop().call_soon(free.client.hear, self._instruments)
            return free.client
        waiting: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._waiting.append((listener, waiting))
        return await waiting

    async def take(self, record: Record) -> None:
        """Let happen what a record says."""
        if record.kind == SERVER:
            line = self._up.get(record.connection) or await self._raise_line(record.connection)
            message = _as_kraken_writes(record.message)
            if message.startswith(_INSTRUMENTS):
                self._instruments = message
            if line.client is None:
                self.unheard += 1
                return
            self.heard += 1
            line.client.hear(message)
            if not message.startswith(_MARKET):
                await self._time.settle()
        elif record.kind == CONNECT:
            await self.drop_line(record.connection, "the recording began anew")
            await self._raise_line(record.connection)
        elif record.kind == CLOSE:
            await self.drop_line(record.connection, record.reason or "closed by the other side")

    async def drop_line(self, number: int, reason: str) -> None:
        line = self._up.pop(number, None)
        if line is not None and line.client is not None:
            line.client.end(reason)
            await self._time.settle()

    async def drop_all(self, reason: str) -> None:
        for number in tuple(self._up):
            await self.drop_line(number, reason)

    async def _raise_line(self, number: int) -> _Line:
        """The line is up; whoever waits for one gets it before anything is said on it."""
        line = self._up[number] = _Line(number)
        await self._time.settle()
        while self._waiting and line.client is None:
            listener, waiting = self._waiting.pop(0)
            if not waiting.done():
                line.client = _Client(listener, line)
                waiting.set_result(line.client)
        await self._time.settle()
        return line


def _as_kraken_writes(message: bytes) -> bytes:
    """Without the blanks that other programs put between a capture's tokens; every digit stays."""
    if not message.startswith(_BLANKS):
        return message
    try:
        return msgspec.json.format(message, indent=-1)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return message


class SessionFeed:
    """A session as a `Feed`: `make_feed` builds the live client on the transport and the time it is given.

    `speed` 1.0 takes as long as the session did, 10.0 a tenth of it, None no longer than the work itself.
    `pause` waits in the real world.
    """

    live = True

    def __init__(
        self,
        session: Iterable[Record],
        clock: MovedClock,
        make_feed: Callable[[Transport, SessionTime], Feed],
        *,
        speed: float | None = None,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._session = session
        self.time = SessionTime(clock)
        self.transport = SessionTransport(self.time)
        self.feed = make_feed(self.transport, self.time)
        self._speed = speed
        self._pause = pause
        self._began: tuple[int, float] | None = None
        self._closing = False
        self.records = 0
        self.gaps = 0

    async def run(self, sink: MarketSink) -> None:
        """Until the session ends or `close`. Raises ExchangeError where the client gives up."""
        client = asyncio.ensure_future(self.feed.run(sink))
        player = asyncio.ensure_future(self._play(sink))
        try:
            await asyncio.wait({client, player}, return_when=asyncio.FIRST_COMPLETED)
            if player.done():
                player.result()
                await self._end()
            if client.done():
                client.result()
            await sink.drained()
        finally:
            for task in (client, player):
                task.cancel()
            await asyncio.gather(client, player, return_exceptions=True)

    async def close(self) -> None:
        self._closing = True
        await self.feed.close()

    async def _end(self) -> None:
        """Close the client while its line still stands, as live; one that waits for a line is left to `run`."""
        await self.feed.close()
        await self.time.settle()
        await self.transport.drop_all("the recorded session is over")

    async def _play(self, sink: MarketSink) -> None:
        await self.time.settle()
        latest_ns: int | None = None
        for record in self._session:
            if self._closing:
                return
            if latest_ns is not None and record.ts_ns - latest_ns > LONGEST_SILENCE_NS:
                await self.transport.drop_all("the recording was interrupted")
                await sink.drained()
            if latest_ns is not None or record.kind == CONNECT:  # a capture of bare messages may be silent
                latest_ns = record.ts_ns
            await self._reach(record.ts_ns, sink)
            self.records += 1
            self.gaps += record.kind == GAP
            await self.transport.take(record)
            await sink.drained()
            if self.records % BREATH == 0:
                await asyncio.sleep(0)

    async def _reach(self, ts_ns: int, sink: MarketSink) -> None:
        """Move time there, waking on the way whoever is due."""
        while (due_ns := self.time.next_due_ns()) is not None and due_ns <= ts_ns:
            await self._keep_pace(due_ns)
            await self.time.wake_next()
            await sink.drained()
        await self._keep_pace(ts_ns)
        self.time.clock.advance_to(ts_ns)

    async def _keep_pace(self, ts_ns: int) -> None:
        if self._speed is None:
            return
        now = asyncio.get_running_loop().time()
        if self._began is None:
            self._began = ts_ns, now
        first_ns, began = self._began
        ahead = began + (ts_ns - first_ns) / SECOND_NS / self._speed - now
        if ahead > 0:
            await self._pause(ahead)
