"""What happened in a world, in words that a reader can follow, and one number that two runs can be compared by."""

import hashlib
import logging
from collections.abc import Callable, MutableSequence
from typing import Self

LOGGERS = ("gal_friday_live", "gal_friday_adapters", "gal_friday_core")


class Trace:
    """Lines in the order of events; `now` gives seconds since the world began, `where` who is at work."""

    def __init__(self, now: Callable[[], float], where: Callable[[], str]) -> None:
        self._now = now
        self._where = where
        self.lines: MutableSequence[str] = []

    def __call__(self, who: str, what: str) -> None:
        self.lines.append(f"{self._now():11.6f} {self._where():>9} {who:<9} {what}")

    @property
    def digest(self) -> str:
        """Equal for two runs only where every line is."""
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()


class TraceHandler(logging.Handler):
    """The product's own log lines among the events."""

    def __init__(self, trace: Trace) -> None:
        super().__init__(logging.INFO)
        self._trace = trace
        self._before: dict[str, tuple[int, bool]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            message += f" ({type(record.exc_info[1]).__name__}: {record.exc_info[1]})"
        self._trace("log", f"{record.levelname} {record.name.rpartition('.')[2]}: {message}")

    def __enter__(self) -> Self:
        for name in LOGGERS:
            logger = logging.getLogger(name)
            self._before[name] = (logger.level, logger.propagate)
            logger.setLevel(logging.INFO)
            logger.propagate = False
            logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        for name, (level, propagate) in self._before.items():
            logger = logging.getLogger(name)
            logger.removeHandler(self)
            logger.setLevel(level)
            logger.propagate = propagate
