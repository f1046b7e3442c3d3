"""An event loop of which everything follows from a seed: virtual time, no sockets, no threads, no processes.

Nothing waits: when nobody is ready, time jumps to the next timer. Which of two timers that fall due together comes
first is drawn from the seed. Whatever runs belongs to a life (`LIFE`, a context variable that tasks and timers
inherit): ending a life stops all that belongs to it between two steps, as `kill -9` would, without a `finally`.
"""

import asyncio
import contextvars
import random
import sys
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from heapq import heappop, heappush
from typing import Any, TypeVar

T = TypeVar("T")

WORLD = 0
"""The life of what is not the engine: network, exchange, database, operator. It never ends."""
LIFE: contextvars.ContextVar[int] = contextvars.ContextVar("LIFE", default=WORLD)
TOGETHER_S = 1e-6
"""Timers this close fall due together."""
RESOLUTION_S = 1e-9
ROUNDS = 100
"""Of cancelling what is left of a world."""
_never_ended: list[asyncio.Task[Any]] = []
"""Tasks that outlived that: collecting one that hangs inside C code's own waiting may end the process."""
_FORBIDDEN = (
    "socket.__new__",
    "socket.connect",
    "socket.bind",
    "socket.getaddrinfo",
    "subprocess.Popen",
    "os.system",
    "os.fork",
    "os.posix_spawn",
    "_thread.start_new_thread",
    "_thread.start_joinable_thread",
)


class SimulationStuckError(RuntimeError):
    """Nobody is ready and no timer runs: whoever waits, waits for ever."""


class ForbiddenError(RuntimeError):
    """Something simulated reached for the real world."""


class SimTask(asyncio.Task[T]):
    """A task whose place in a set follows from the order in which tasks were made, not from its address."""

    def __init__(self, work: Coroutine[Any, Any, T], number: int, **options: Any) -> None:
        self._number = number
        super().__init__(work, **options)

    def __hash__(self) -> int:
        return self._number


class _Soon(asyncio.Handle):
    """As the base, but without asking for debug mode each time: a world makes ten thousand of them."""

    __slots__ = ()

    def __init__(self, callback: Any, args: Any, loop: "SimLoop", context: Any) -> None:
        self._context = contextvars.copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = self._source_traceback = None


class _Timer(asyncio.TimerHandle):
    """As the base, likewise; one that is cancelled stays among the timers until its time has come."""

    __slots__ = ()

    def __init__(self, when: float, callback: Any, args: Any, loop: "SimLoop", context: Any) -> None:
        self._context = contextvars.copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = self._scheduled = False
        self._repr = self._source_traceback = None
        self._when = when

    def cancel(self) -> None:
        self._cancelled = True
        self._callback, self._args = None, ()


class SimLoop(asyncio.BaseEventLoop):
    """`steps` counts what ran of each life; `after_step` is told of each step of a life that is not the world's."""

    # What `BaseEventLoop` calls its queue, in every version from 3.11 to 3.13.
    _ready: deque[Any]
    _stopping: bool

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._now = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timers_made = 0
        self._chance = random.Random(f"loop {seed}")  # noqa: S311 - a simulation is drawn from its seed
        self._ended: set[int] = set()
        self._frozen: dict[int, list[asyncio.Handle]] = {}
        self._dropped: list[asyncio.Handle] = []
        self._tasks: list[SimTask[Any]] = []
        self._made = 0
        self._prune_at = 1_000
        self._burying = False
        self.steps: Counter[int] = Counter()
        self.problems: list[str] = []
        self.after_step: Callable[[int], None] | None = None
        self.set_task_factory(self._task)  # type: ignore[arg-type]
        self.set_exception_handler(self._on_problem)

    # Time

    def time(self) -> float:
        return self._now

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.Handle:
        handle = _Soon(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        drawn = when + self._chance.random() * TOGETHER_S
        timer = _Timer(drawn, callback, args, self, context)
        self._timers_made += 1
        heappush(self._timers, (drawn, self._timers_made, timer))
        return timer

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        drawn = self._now + delay + self._chance.random() * TOGETHER_S  # as `call_at`, without the call
        timer = _Timer(drawn, callback, args, self, context)
        self._timers_made += 1
        heappush(self._timers, (drawn, self._timers_made, timer))
        return timer

    def hold_up(self, seconds: float) -> None:
        """Whoever runs now does so for that long, while everybody else waits."""
        self._now += seconds

    # Lives

    def end(self, life: int) -> None:
        """Nothing of this life takes another step."""
        self._ended.add(life)

    def freeze(self, life: int) -> None:
        """Nothing of this life takes another step until `thaw`: its machine is paused, and does not know it."""
        self._frozen.setdefault(life, [])

    def thaw(self, life: int) -> None:
        """All that it waited for has come at once."""
        self._ready.extend(self._frozen.pop(life, ()))

    def bury(self) -> None:
        """Cancel everything that is left, and let it end: what happens then is of no consequence."""
        self._burying = True
        for life in tuple(self._frozen):
            self.thaw(life)
        self.after_step = None
        self._ready.extend(self._dropped)
        self._dropped.clear()
        # What never began begins: cancelled before, the work within it would never be awaited.
        self.run_until_complete(asyncio.sleep(0))
        for _ in range(ROUNDS):
            waiting: list[asyncio.Task[Any]] = [task for task in self._tasks if not task.done()]
            waiting = waiting or list(asyncio.all_tasks(self))
            if not waiting:
                break
            for task in waiting:
                task.cancel()
            self.run_until_complete(asyncio.sleep(1.0))
        _never_ended.extend(waiting)
        self._tasks.clear()

    # How

    def _task(
        self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T], **options: Any
    ) -> asyncio.Task[T]:
        self._made += 1
        task = SimTask(work, self._made, loop=loop, **options)
        self._tasks.append(task)
        if len(self._tasks) > self._prune_at:
            self._tasks = [one for one in self._tasks if not one.done()]
            self._prune_at = len(self._tasks) + 1_000
        return task

    def _run_once(self) -> None:
        """What `BaseEventLoop` does, with time that jumps instead of a selector that waits."""
        ready, timers = self._ready, self._timers
        if not ready and not self._stopping:
            self._jump()
        end = self._now + RESOLUTION_S
        while timers and timers[0][0] <= end:
            ready.append(heappop(timers)[2])
        ended, frozen, steps = self._ended, self._frozen, self.steps
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:  # noqa: SLF001 - `cancelled()` without the call
                continue
            life = handle._context.get(LIFE, WORLD)  # noqa: SLF001 - whose step it is
            if life in ended and not self._burying:
                self._dropped.append(handle)
                continue
            if frozen and life in frozen:
                frozen[life].append(handle)
                continue
            steps[life] += 1
            handle._run()  # noqa: SLF001 - as the loop this replaces
            if life != WORLD and self.after_step is not None:
                self.after_step(life)

    def _jump(self) -> None:
        """To the time of the next timer."""
        timers = self._timers
        while timers and timers[0][2]._cancelled:  # noqa: SLF001 - as above
            heappop(timers)
        if not timers:
            raise SimulationStuckError("nobody is ready and no timer runs")
        self._now = max(self._now, timers[0][0])

    def _on_problem(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not self._burying:
            error = context.get("exception")
            self.problems.append(f"{context.get('message')}: {type(error).__name__}: {error}")

    # What there is not

    def _write_to_self(self) -> None:
        """Nobody sleeps in a selector."""

    def _process_events(self, _event_list: object) -> None:
        raise ForbiddenError("a simulated loop has no selector")

    def run_in_executor(  # type: ignore[override]
        self, _executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """What would run in a thread runs here, a moment later."""
        done = self.create_future()

        def run() -> None:
            if done.cancelled():
                return
            try:
                done.set_result(func(*args))
            except Exception as error:  # noqa: BLE001 - handed to whoever awaits it, as an executor does
                done.set_exception(error)

        self.call_later(self._chance.random() * 1e-3, run)
        return done


_guarding = False


def _forbid(event: str, args: tuple[Any, ...]) -> None:
    if _guarding and event in _FORBIDDEN:
        raise ForbiddenError(f"{event} {args!r:.100} while simulated")


_hooked: list[bool] = []


@contextmanager
def no_real_world() -> Generator[None]:
    """While this is open no socket, thread or process can be made."""
    global _guarding  # noqa: PLW0603 - an audit hook stays for good, so it must be told
    if not _hooked:
        sys.addaudithook(_forbid)
        _hooked.append(True)
    _guarding = True
    try:
        yield
    finally:
        _guarding = False
