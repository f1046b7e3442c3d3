"""Recording where the bytes are: a transport around the real one that hears everything and changes nothing."""

from collections.abc import Callable

from gal_friday_adapters.sessions.records import CLIENT, CLOSE, CONNECT, SERVER
from gal_friday_adapters.sessions.writer import SessionWriter
from gal_friday_core.errors import ExchangeError
from gal_friday_core.ports import Clock, Connection, Listener, Transport


class RecordingTransport:
    """Opens lines through `transport` and records each: attempts, messages both ways, ends.

    It is a `Clock` too, for the client on it: while a message is handed over it says the time that was
    written down with it, so that a replay stamps everything as the client did.

    With `renew_after_loss` the line is closed once records were dropped and the writer has caught up: the
    client then opens it anew, and its snapshots make the rest of the session whole. For a process that does
    nothing but record.
    """

    def __init__(
        self, transport: Transport, writer: SessionWriter, clock: Clock, *, renew_after_loss: bool = False
    ) -> None:
        self._transport = transport
        self._writer = writer
        self._clock = clock
        self._renew = renew_after_loss
        self._open: set[int] = set()
        self._stamp_ns: int | None = None

    def now_ns(self) -> int:
        """The time of the message in hand, else the clock's."""
        return self._clock.now_ns() if self._stamp_ns is None else self._stamp_ns

    def hand_over(self, raw: bytes, ts_ns: int, listener: Listener) -> None:
        """One message to the client, with time standing still."""
        self._stamp_ns = ts_ns
        try:
            listener.on_message(raw)
        finally:
            self._stamp_ns = None

    async def connect(self, url: str, listener: Listener) -> Connection:
        number = next(number for number in range(len(self._open) + 1) if number not in self._open)
        self._open.add(number)
        tap = _Tap(listener, number, self._writer, self)
        self._writer.record(CONNECT, self._clock.now_ns(), url=url, connection=number)
        try:
            connection = await self._transport.connect(url, tap)
        except ExchangeError as error:
            tap.ended(str(error))
            raise
        if self._renew:
            tap.renew = connection.close
        return _RecordedLine(connection, tap, url)

    def free(self, number: int) -> None:
        """The connection of this number is no more."""
        self._open.discard(number)


class _Tap:
    """The listener that writes down before it passes on."""

    def __init__(
        self, listener: Listener, number: int, writer: SessionWriter, recording: RecordingTransport
    ) -> None:
        self._listener = listener
        self._number = number
        self._writer = writer
        self._recording = recording
        self._known_loss = writer.dropped
        self.renew: Callable[[], None] | None = None

    def on_message(self, raw: bytes) -> None:
        writer, recording = self._writer, self._recording
        ts_ns = recording.now_ns()
        writer.record(SERVER, ts_ns, raw, connection=self._number)
        recording.hand_over(raw, ts_ns, self._listener)
        if self.renew is not None and writer.dropped > self._known_loss and writer.caught_up:
            self._known_loss = writer.dropped
            self.renew()

    def on_closed(self, reason: str) -> None:
        self.ended(reason)
        self._listener.on_closed(reason)

    def sent(self, message: bytes, url: str) -> None:
        self._writer.record(CLIENT, self._recording.now_ns(), message, url=url, connection=self._number)

    def ended(self, reason: str) -> None:
        self._writer.record(CLOSE, self._recording.now_ns(), connection=self._number, reason=reason)
        self._recording.free(self._number)


class _RecordedLine:
    """The client's end of a recorded line."""

    def __init__(self, connection: Connection, tap: _Tap, url: str) -> None:
        self._connection = connection
        self._tap = tap
        self._url = url

    def send(self, message: bytes) -> None:
        self._tap.sent(message, self._url)
        self._connection.send(message)

    def close(self) -> None:
        self._connection.close()
