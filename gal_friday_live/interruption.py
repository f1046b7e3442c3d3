"""Ctrl-C and SIGTERM as a request that is looked at where stopping is safe.

A handler that raises can strike anywhere: in the middle of the clean-up that another signal began (Polars
raises a KeyboardInterrupt of its own, and Python's follows), or inside a callback that swallows it. So the
signal only leaves a mark, and long work looks at it between its steps.
"""

import signal
from types import FrameType, TracebackType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """A context manager for the main thread; `check` raises KeyboardInterrupt once a stop was asked for."""

    def __init__(self) -> None:
        self.asked = False
        self._previous = {number: signal.getsignal(number) for number in SIGNALS}

    def check(self) -> None:
        if self.asked:
            raise KeyboardInterrupt

    def __enter__(self) -> Self:
        for number in SIGNALS:
            signal.signal(number, self._mark)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _mark(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
