"""Where log lines go: console, files, database, each behind an outbox of its own."""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TextIO

import msgspec

from gal_friday_adapters.log_files import RotatingFile
from gal_friday_adapters.outbox import Outbox
from gal_friday_adapters.postgres.log_table import LogLine, LogTable
from gal_friday_core.config import LoggingConfig
from gal_friday_core.errors import ConfigError, DataError
from gal_friday_core.times import to_iso

FILE_NAME = "gal-friday"
MEBIBYTE = 1 << 20
Trouble = Callable[[str, str], None]


class Destination(Protocol):
    """Takes batches of lines on its outbox's thread, and is closed there."""

    def write(self, lines: Sequence[LogLine]) -> None: ...

    def close(self) -> None: ...


def destinations(
    settings: LoggingConfig,
    *,
    run: str,
    directory: Path,
    database_url: str | None,
    console: TextIO | None,
    on_trouble: Trouble,
) -> Iterator[Outbox[LogLine]]:
    """The configured ones, not started. Raises ConfigError for a database destination without a database."""
    makers: dict[str, Callable[[], Destination]] = {
        "console": lambda: Console(console or sys.stderr),
        "files": lambda: LogFiles(directory, settings, run),
        "database": lambda: _table(settings, database_url, run),
    }
    for name in dict.fromkeys(settings.destinations):
        made = makers[name]()
        yield Outbox(name, made.write, limit=settings.queue, on_trouble=on_trouble, release=made.close)


def _table(settings: LoggingConfig, database_url: str | None, run: str) -> LogTable:
    if database_url is None:
        raise ConfigError("logging.destinations names the database, but this run has none: leave it out")
    return LogTable(database_url, run=run, keep_days=settings.keep_days)


class Console:
    """Lines for people, on a stream that may be closed at any time."""

    def __init__(self, stream: TextIO) -> None:
        from structlog.dev import ConsoleRenderer, plain_traceback  # slow, and not needed without a console

        self._stream = stream
        self._render = ConsoleRenderer(
            colors=not stream.closed and stream.isatty(), exception_formatter=plain_traceback, pad_event_to=0
        )

    def write(self, lines: Sequence[LogLine]) -> None:
        """Raises DataError where the stream is gone: those lines cannot be shown any more."""
        try:
            self._stream.write("".join(f"{self._rendered(line)}\n" for line in lines))
            self._stream.flush()
        except (OSError, ValueError) as error:
            raise DataError(f"the console takes no lines: {error}") from error

    def close(self) -> None:
        """The stream belongs to whoever opened it."""

    def _rendered(self, line: LogLine) -> str:
        values: dict[str, Any] = {
            **(line.context or {}),
            "timestamp": f"{to_iso(line.ts_ns)[:23]}Z",
            "level": line.level.lower(),
            "event": line.message,
            "logger": line.source_module,
        }
        if line.exception:
            values["exception"] = line.exception
        return str(self._render(None, line.level.lower(), values))


class LogFiles:
    """One JSON object a line."""

    def __init__(self, directory: Path, settings: LoggingConfig, run: str) -> None:
        self._run = run
        self._file = RotatingFile(
            directory, FILE_NAME, max_bytes=settings.file_mib * MEBIBYTE, keep=settings.files_kept
        )

    def write(self, lines: Sequence[LogLine]) -> None:
        """Raises StorageError where the disk refuses; then nothing of the batch was written."""
        self._file.write([self._encoded(line) for line in lines])

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _encoded(self, line: LogLine) -> bytes:
        return msgspec.json.encode(
            {
                "timestamp": to_iso(line.ts_ns),
                "level": line.level,
                "source_module": line.source_module,
                "message": line.message,
                "context": line.context,
                "exception": line.exception,
                "run": self._run,
            }
        )
