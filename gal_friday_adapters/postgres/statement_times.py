"""How long this process's own statements take, by their text: what a server without pg_stat_statements cannot tell.

Parameters are never kept, and of the text only what our code wrote: values are not part of it.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, Final, Self, TypeVar

import msgspec
import psycopg
from psycopg.abc import Params

MOST_STATEMENTS: Final = 256
"""Texts that are told apart; of more, the one not used for longest is forgotten."""
SAMPLES: Final = 128
Row = TypeVar("Row")


class StatementTime(msgspec.Struct, gc=False):
    """One statement: how often it ran, how long together and at most, and its latest times, all in ns."""

    text: str
    calls: int = 0
    total_ns: int = 0
    longest_ns: int = 0
    latest: deque[int] = msgspec.field(default_factory=lambda: deque(maxlen=SAMPLES))


class StatementTimes:
    """The statements of one `Database`. `calls` and `total_ns` count those too that were forgotten."""

    def __init__(self, timer: Callable[[], int] = time.perf_counter_ns, most: int = MOST_STATEMENTS) -> None:
        self.now = timer
        self.calls = 0
        self.total_ns = 0
        self._most = most
        self._by_text: OrderedDict[str, StatementTime] = OrderedDict()

    def took(self, text: str, duration_ns: int) -> None:
        self.calls += 1
        self.total_ns += duration_ns
        kept = self._by_text.get(text)
        if kept is None:
            kept = self._by_text[text] = StatementTime(text)
            if len(self._by_text) > self._most:
                self._by_text.popitem(last=False)
        else:
            self._by_text.move_to_end(text)
        kept.calls += 1
        kept.total_ns += duration_ns
        kept.longest_ns = max(kept.longest_ns, duration_ns)
        kept.latest.append(duration_ns)

    def slowest(self, count: int) -> list[StatementTime]:
        """Those that took most time together, that first."""
        return sorted(self._by_text.values(), key=lambda kept: -kept.total_ns)[:count]


def timed_cursor(times: StatementTimes) -> type[psycopg.AsyncCursor[Any]]:
    """A cursor class that tells `times` of each statement that it executed, failing ones included."""

    class TimedCursor(psycopg.AsyncCursor[Row]):
        async def execute(
            self,
            query: Any,
            params: Params | None = None,
            *,
            prepare: bool | None = None,
            binary: bool | None = None,
        ) -> Self:
            began = times.now()
            try:
                return await super().execute(query, params, prepare=prepare, binary=binary)
            finally:
                times.took(_text(query), times.now() - began)

    return TimedCursor


def _text(query: object) -> str:
    """What a constant statement says; of one that is composed, only that it is. The pool asks with an empty one."""
    if isinstance(query, str):
        return query or "(is the connection alive?)"
    return query.decode() if isinstance(query, bytes) else "(composed)"
