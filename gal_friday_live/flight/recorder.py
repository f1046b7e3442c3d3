"""Runs an engine on an island of the running event loop, and writes down all that is let in and all that it says."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol, TypeVar

import msgspec

from gal_friday_adapters.sessions.writer import SessionWriter
from gal_friday_core.errors import GalFridayError, StorageError
from gal_friday_core.ports import Listener
from gal_friday_core.times import SECOND_NS
from gal_friday_live.flight import record
from gal_friday_live.flight.island import Island
from gal_friday_live.flight.record import Attached, Head
from gal_friday_live.flight.values import THREAD, Form, write_error

T = TypeVar("T")
CAN_BE_TOLD = (GalFridayError, OSError, TimeoutError)
"""What goes wrong outside and is the engine's to handle."""
ESCAPED_SLASH = r"\\/"
"""As a text stands in the record which the exchange wrote with its slashes escaped."""
MOST_SECRETS = 32
"""Tokens of lines; the eldest are long out of use."""

LOST = b"null"
"""In the place of what could not be kept; a hole in the record says so."""

log = logging.getLogger(__name__)


class Program(Protocol):
    """What runs on the island. Its calls come from outside by their names."""

    async def perform(self, name: str, *args: Any) -> Any: ...

    def do(self, name: str, *args: Any) -> Any: ...


class Recorder:
    """The `Outside` of a recorded engine. Made where an event loop runs; `call` has the program do something.

    `hide` keeps a secret out of the record.
    """

    def __init__(self, writer: SessionWriter, head: Head) -> None:
        self._writer = writer
        self._attached = Attached(writer.folder)
        self._loop = asyncio.get_running_loop()
        self._steady_ns = time.monotonic_ns
        self._began_ns = self._steady_ns()
        self._began_s = self._loop.time()
        self._epoch_ns = time.time_ns()
        self.island = Island(self)
        self.program: Program | None = None
        self._stepping = False
        self._waiting: deque[tuple[str, bytes, int, str, Callable[[], Any]]] = deque()
        self._read: dict[str, list[Any]] = {}
        self._spoken: list[tuple[str, bytes, int, str]] = []
        self._numbers = 0
        self._timer: asyncio.TimerHandle | None = None
        self._due: float | None = None
        self._lines: dict[int, bool] = {}
        self._outside: set[asyncio.Task[Any]] = set()
        self._secrets: dict[bytes, bytes] = {}
        self._hidden = 0
        self._closed = False
        writer.record(record.HEAD, self._epoch_ns, self._keep(msgspec.json.encode(head)))

    # What the engine has of the world

    def reading(self, name: str, read: Callable[[], T], form: Form | None = None) -> T:
        """Whoever reads from beside the island is not the engine: that is not written down."""
        if not self._stepping:
            return read()
        readings = self._read.setdefault(name, [])
        try:
            value = read()
        except CAN_BE_TOLD as error:
            readings.append(write_error(error))
            raise
        readings.append(value if form is None else form.write(value))
        return value

    def tell(self, what: str, told: Any) -> None:
        if self._stepping:
            self._speak(record.TELL, told, 0, what)

    async def ask(self, what: str, asked: Any, work: Callable[[], Awaitable[T]], form: Form) -> T:
        number = self._number()
        self._speak(record.ASK, asked, number, what)
        answer: asyncio.Future[T] = self.island.create_future()
        task = self._loop.create_task(_done(work), name=what)
        self._outside.add(task)
        task.add_done_callback(self._outside.discard)
        task.add_done_callback(partial(self._answered, number, answer, form))
        answer.add_done_callback(lambda answer: task.cancel() if answer.cancelled() else None)
        return await answer

    def line(self, listener: Listener, *, public: bool) -> int:
        del listener  # it is told by whoever opens the line
        self._lines[len(self._lines) + 1] = public
        return len(self._lines)

    def sent(self, line: int, message: bytes) -> None:
        kind = record.CLIENT if self._lines[line] else record.SAID
        self._spoken.append((kind, self._clean(message), line, ""))

    # What comes from there

    def heard(self, line: int, raw: bytes, listener: Listener) -> None:
        """A message of the exchange."""
        kind = record.SERVER if self._lines[line] else record.HEARD
        self._let_in(kind, raw, line, "", lambda: listener.on_message(raw))

    def ended(self, line: int, reason: str, listener: Listener) -> None:
        """A line is down."""
        self._let_in(record.CLOSE, b"", line, reason, lambda: listener.on_closed(reason))

    def connecting(self, line: int, url: str) -> None:
        """For whoever reads the record as a session of the market."""
        self._writer.record(record.CONNECT, self._now_ns(), url=url, connection=line)

    def beside(self, work: Callable[[], object]) -> None:
        self._loop.call_soon(work)

    def hide(self, secret: str) -> None:
        self._hidden += 1
        for form in {secret, secret.replace("/", ESCAPED_SLASH)}:
            self._secrets[form.encode()] = f"hidden-{self._hidden}".encode()
        while len(self._secrets) > MOST_SECRETS:
            del self._secrets[next(iter(self._secrets))]

    async def call(self, name: str, *args: Any) -> Any:
        """Have the program do something; what it returns or raises."""
        number, done, tasks = self._number(), self._loop.create_future(), list[asyncio.Task[Any]]()
        self._loop.call_soon(self._called, number, name, args, tasks, done)
        try:
            return await done
        except asyncio.CancelledError:
            if tasks and not tasks[0].done():
                self._let_in(record.CANCEL, b"", number, "", tasks[0].cancel)
            raise

    def now(self, name: str, *args: Any) -> Any:
        """The same at once, of what takes no time."""
        found: list[Any] = []
        asked = self._keep(msgspec.json.encode({"name": name, "args": args}))
        program = self.program
        assert program is not None
        self._let_in(record.NOW, asked, 0, "", lambda: found.append(program.do(name, *args)))
        return found[0]

    def _called(
        self,
        number: int,
        name: str,
        args: tuple[Any, ...],
        tasks: list[asyncio.Task[Any]],
        done: "asyncio.Future[Any]",
    ) -> None:
        asked = msgspec.json.encode({"name": name, "args": args})

        def begin() -> None:
            assert self.program is not None
            task = self.island.create_task(self.program.perform(name, *args), name=name)
            task.add_done_callback(partial(_hand_back, done))
            tasks.append(task)

        self._let_in(record.CALL, self._keep(asked), number, "", begin)

    async def close(self) -> None:
        """Nothing more is let in; what still runs, on the island and for it, ends."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._stepping = True
        self.island.bury()
        self._stepping = False
        for task in self._outside:
            task.cancel()
        await asyncio.gather(*self._outside, return_exceptions=True)

    # The island's shore

    async def in_thread(self, func: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        loop = self._loop

        async def work() -> Any:
            return await loop.run_in_executor(None, func, *args)

        return await self.ask("thread", None, work, THREAD)

    def from_thread(self, callback: Callable[[], Any]) -> None:
        """Nobody knows by what a replay should call it: the record is of no use from here on."""
        self._loop.call_soon_threadsafe(self._let_in, record.FOREIGN, b"", 0, "", callback)

    # How

    def _let_in(self, kind: str, message: bytes, number: int, reason: str, begin: Callable[[], Any]) -> None:
        """Now, or once the present step is over: the engine itself may bring about what is let in."""
        self._waiting.append((kind, message, number, reason, begin))
        if self._stepping:
            return
        while self._waiting and not self._closed:
            self._step(*self._waiting.popleft())
        self._set_timer()

    def _step(self, kind: str, message: bytes, number: int, reason: str, begin: Callable[[], Any]) -> None:
        now_ns = self._now_ns()
        self._stepping = True
        try:
            self.island.step((now_ns - self._epoch_ns) / SECOND_NS, begin)
        finally:
            self._stepping = False
            write = self._writer.record
            write(kind, now_ns, message, connection=number, reason=reason)
            if self._read:
                read, self._read = self._read, {}
                write(record.READ, now_ns, self._keep(msgspec.json.encode(read)))
            spoken, self._spoken = self._spoken, []
            for said, text, of, what in spoken:
                write(said, now_ns, text, connection=of, reason=what)

    def _now_ns(self) -> int:
        return self._epoch_ns + self._steady_ns() - self._began_ns

    def _set_timer(self) -> None:
        due = self.island.next_due()
        if due == self._due and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due, self._timer = due, None
        if due is not None:
            self._timer = self._loop.call_at(self._began_s + due, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._let_in(record.TIME, b"", 0, "", _nothing)

    def _answered(
        self, number: int, answer: "asyncio.Future[Any]", form: Form, task: "asyncio.Task[Any]"
    ) -> None:
        if task.cancelled() or answer.done():
            return
        error = task.exception()
        told = write_error(error) if error is not None else {"is": form.write(task.result())}

        def give() -> None:
            if answer.done():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(task.result())

        text = self._keep(self._clean(msgspec.json.encode(told)))
        self._let_in(record.ANSWER, text, number, "", give)

    def _speak(self, kind: str, told: Any, number: int, what: str) -> None:
        text = self._keep(self._clean(msgspec.json.encode(told)))
        self._spoken.append((kind, text, number, what))

    def _keep(self, text: bytes) -> bytes:
        """What stands for the text in the record; what the disk does not take is a hole, and none of the engine's troubles."""
        try:
            return self._attached.keep(text)
        except StorageError as error:
            if not self._writer.dropped:
                log.warning("%s; no replay goes beyond this", error)
            self._writer.lose()
            return LOST

    def _clean(self, text: bytes) -> bytes:
        for secret, name in self._secrets.items():
            text = text.replace(secret, name)
        return text

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers


async def _done(work: Callable[[], Awaitable[T]]) -> T:
    return await work()


def _hand_back(done: "asyncio.Future[Any]", task: "asyncio.Task[Any]") -> None:
    error = None if task.cancelled() else task.exception()
    if done.done():
        return
    if task.cancelled():
        done.cancel()
    elif error is not None:
        done.set_exception(error)
    else:
        done.set_result(task.result())


def _nothing() -> None:
    """Time passes."""
