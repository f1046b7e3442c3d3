"""The standard library's logging into the `LoggerService`: every module logs as usual, and it arrives in one place."""

import logging
from collections.abc import Callable
from typing import Any

LineTaker = Callable[[str, str, str, dict[str, Any] | None, Any], None]
"""`LoggerService.log`: level, message, source module, context, exception."""

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class LogBridge(logging.Handler):
    """Hands records on. What the log's own threads log is only counted, else a failing destination would feed itself."""

    def __init__(self, take: LineTaker, is_own_thread: Callable[[int], bool]) -> None:
        super().__init__()
        self.suppressed = 0
        self._take = take
        self._is_own_thread = is_own_thread
        self._level_before: int | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread is not None and self._is_own_thread(record.thread):
            self.suppressed += 1
            return
        extra = {name: value for name, value in vars(record).items() if name not in _PLAIN}
        level = logging.getLevelName(_step(record.levelno))
        self._take(level, _message(record), record.name, extra or None, record.exc_info)

    def install(self, level: str) -> None:
        """Hear every logger from this level up; a second call changes nothing."""
        root = logging.getLogger()
        if self in root.handlers:
            return
        self._level_before = root.level
        root.setLevel(level)
        root.addHandler(self)

    def remove(self) -> None:
        """Put the root logger back as it was; a second call changes nothing."""
        if self._level_before is not None:
            root = logging.getLogger()
            root.removeHandler(self)
            root.setLevel(self._level_before)
            self._level_before = None


def _step(level: int) -> int:
    """The standard level at or below a number, DEBUG at least."""
    return max(min(level // 10 * 10, logging.CRITICAL), logging.DEBUG)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError) as error:
        return f"{record.msg} (its arguments do not fit: {error})"
