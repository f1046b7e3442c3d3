"""Lets an engine hear its record again, and compares all that it says with what it said then, byte by byte."""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, NoReturn, TypeVar

import msgspec

from gal_friday_core.errors import DataError, StorageError
from gal_friday_core.ports import Listener
from gal_friday_core.times import SECOND_NS, to_iso
from gal_friday_live.flight import record
from gal_friday_live.flight.island import Island
from gal_friday_live.flight.record import FlightRecord, Record, Step
from gal_friday_live.flight.recorder import Program
from gal_friday_live.flight.values import NEVER, THREAD, Form, read_error
from gal_friday_live.intents import KIND as ORDER_INTENT

T = TypeVar("T")
SHOWN = 2_000
"""Characters of a difference that are told."""
_INTO = {record.SERVER: "market line", record.HEARD: "account line"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The first thing that the engine said otherwise. `then` or `now` is empty where there was, or is, nothing."""

    step: int
    time: str
    let_in: str
    what: str
    then: str
    now: str

    def __str__(self) -> str:
        then, now = (text[:SHOWN] or "nothing" for text in (self.then, self.now))
        return f"step {self.step} at {self.time}, after {self.let_in}: {self.what}: then {then}; now {now}"


@dataclass(slots=True)
class Replayed:
    """`compared` counts what was said alike, by what it is. `ended` says why the replay went no further, if it did
    not come to the record's end; `unread` how many readings were asked for that the record does not have.
    """

    steps: int = 0
    first_ns: int = 0
    last_ns: int = 0
    compared: Counter[str] = field(default_factory=Counter)
    difference: Difference | None = None
    ended: str = ""
    unread: int = 0
    code_then: str = ""
    code_now: str = ""

    @property
    def alike(self) -> bool:
        return self.difference is None and not self.ended

    @property
    def orders(self) -> int:
        """Order intents that were made alike."""
        return self.compared[f"journal {ORDER_INTENT}"]

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "alike": self.alike,
            "steps": self.steps,
            "from": to_iso(self.first_ns),
            "to": to_iso(self.last_ns),
            "orders": self.orders,
            "compared": dict(sorted(self.compared.items())),
            "difference": None if self.difference is None else asdict(self.difference),
            "ended": self.ended,
            "unread": self.unread,
            "code_then": self.code_then,
            "code_now": self.code_now,
        }


class Player:
    """The `Outside` of a replayed engine. `program` is set before `play`."""

    def __init__(self, flight: FlightRecord) -> None:
        self._flight = flight
        self.island = Island(self)
        self.program: Program | None = None
        self.replayed = Replayed()
        self._read: dict[str, deque[Any]] = {}
        self._last: dict[str, Any] = {}
        self._expected: deque[Record] = deque()
        self._asked: dict[int, tuple[asyncio.Future[Any], Form]] = {}
        self._called: dict[int, asyncio.Task[Any]] = {}
        self._lines: dict[int, tuple[Listener, bool]] = {}
        self._step = Step(Record("", 0))
        self._over = False

    def play(self) -> Replayed:
        """To the record's end, or the first difference. Raises DataError for a record that cannot be read."""
        replayed, epoch_ns = self.replayed, 0
        try:
            for step in self._steps():
                replayed.steps += 1
                replayed.first_ns = epoch_ns = epoch_ns or self._epoch_ns()
                replayed.last_ns = step.let_in.ts_ns
                self._play(step, (step.let_in.ts_ns - epoch_ns) / SECOND_NS)
                if replayed.difference is not None or replayed.ended:
                    break
        finally:
            self._end()
        return replayed

    # What the engine has of the world

    def reading(self, name: str, read: Callable[[], T], form: Form | None = None) -> T:
        """What it read then; once more the last where the record has no further one."""
        del read
        found = self._read.get(name)
        if found:
            self._last[name] = found.popleft()
        elif not self._over:
            self.replayed.unread += 1
        if name not in self._last:
            self._differs(f"reading {name}", "", "asked for")
            raise DataError(f"the record has no reading of {name}")
        value = self._last[name]
        if isinstance(value, dict) and value.keys() == {"error", "text", "code"}:
            raise read_error(value)
        return value if form is None else form.read(value)  # type: ignore[no-any-return]

    def tell(self, what: str, told: Any) -> None:
        self._say(record.TELL, what, msgspec.json.encode(told))

    async def ask(self, what: str, asked: Any, work: Callable[[], Awaitable[T]], form: Form) -> T:
        del work
        if self._over:
            _refuse(what, form)
            return form.read(None)  # type: ignore[no-any-return]
        number = self._say(record.ASK, what, msgspec.json.encode(asked))
        answer: asyncio.Future[T] = self.island.create_future()
        self._asked[number] = (answer, form)
        return await answer

    def beside(self, work: Callable[[], object]) -> None:
        """It was done then."""

    def hide(self, secret: str) -> None:
        """There are no secrets in a record."""

    def line(self, listener: Listener, *, public: bool) -> int:
        """Lines are numbered in the order in which they are opened."""
        self._lines[len(self._lines) + 1] = (listener, public)
        return len(self._lines)

    def sent(self, line: int, message: bytes) -> None:
        public = self._lines[line][1]
        self._say(record.CLIENT if public else record.SAID, f"to the {_kind(public)}", message)

    # The island's shore

    async def in_thread(self, func: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        return await self.ask("thread", None, partial(_nobody, func, args), THREAD)

    def from_thread(self, callback: Callable[[], Any]) -> None:
        """No threads here."""

    # How

    @property
    def _running(self) -> Program:
        assert self.program is not None
        return self.program

    def _end(self) -> None:
        """What the record left open is closed; what is said now is compared with nothing."""
        self._over = True
        self.island.step(0.0, lambda: self._call(0, {"name": "close", "args": []}))
        self.island.bury()

    def _steps(self) -> Iterator[Step]:
        return self._flight.steps()

    def _epoch_ns(self) -> int:
        return next(iter(self._flight.session)).ts_ns

    def _play(self, step: Step, now_s: float) -> None:
        self._step = step
        self._read = {name: deque(values) for name, values in step.read.items()}
        self._expected = deque(step.spoken)
        self.island.step(now_s, partial(self._begin, step.let_in))
        if self._expected and self.replayed.difference is None:
            left = self._expected[0]
            self._differs(_named(left), self._text(left), "")

    def _begin(self, let_in: Record) -> None:
        number = let_in.connection
        match let_in.kind:
            case record.SERVER | record.HEARD:
                self._line(number).on_message(let_in.message)
            case record.CLOSE:
                self._line(number).on_closed(let_in.reason)
            case record.ANSWER:
                self._answer(number, self._flight.attached.read(let_in.message))
            case record.CALL:
                self._call(number, self._flight.attached.read(let_in.message))
            case record.NOW:
                called = self._flight.attached.read(let_in.message)
                self._running.do(called["name"], *called["args"])
            case record.CANCEL:
                self._called[number].cancel()
            case record.FOREIGN:
                self.replayed.ended = "a thread called the engine, and nobody wrote down by what"

    def _line(self, number: int) -> Listener:
        return self._lines[number][0]

    def _answer(self, number: int, told: dict[str, Any]) -> None:
        answer, form = self._asked.pop(number)
        if answer.done():
            return
        if "is" in told:
            answer.set_result(form.read(told["is"]))
        else:
            answer.set_exception(read_error(told))

    def _call(self, number: int, called: dict[str, Any]) -> None:
        task = self.island.create_task(self._running.perform(called["name"], *called["args"]))
        task.add_done_callback(lambda task: task.cancelled() or task.exception())
        self._called[number] = task

    def _say(self, kind: str, what: str, text: bytes) -> int:
        """Compare with what was said then; the number that it had."""
        if self._over or self.replayed.difference is not None:
            return 0
        if not self._expected:
            self._differs(what, "", text.decode())
            return 0
        then = self._expected.popleft()
        told = self._text(then)
        if (then.kind, told) != (kind, text.decode()) or then.reason not in {what, ""}:
            self._differs(
                what if then.reason in {what, ""} else f"{_named(then)} became {what}", told, text.decode()
            )
        self.replayed.compared[what] += 1
        return then.connection

    def _text(self, said: Record) -> str:
        """As it was said, whether it stands in the record or beside it."""
        if said.kind in {record.CLIENT, record.SAID} or record.ATTACHED.encode() not in said.message[:20]:
            return said.message.decode()
        return msgspec.json.encode(self._flight.attached.read(said.message)).decode()

    def _differs(self, what: str, then: str, now: str) -> None:
        if self.replayed.difference is None and not self._over:
            let_in = self._step.let_in
            self.replayed.difference = Difference(
                step=self.replayed.steps, time=to_iso(let_in.ts_ns), let_in=_INTO.get(let_in.kind, let_in.kind),
                what=what, then=then, now=now,
            )  # fmt: skip


def _refuse(what: str, form: Form) -> None:
    if form is not NEVER:
        raise StorageError(f"{what}: the replay is over")


def _kind(public: bool) -> str:
    return "market line" if public else "account line"


def _named(said: Record) -> str:
    return said.reason or f"to the {_kind(said.kind == record.CLIENT)}"


async def _nobody(func: Callable[..., Any], args: tuple[Any, ...]) -> NoReturn:
    raise AssertionError(f"{func} {args} is not done in a replay")
