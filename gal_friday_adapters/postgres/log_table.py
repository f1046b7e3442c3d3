"""Log lines in PostgreSQL: batches over a connection of the log's own, so that the journal never waits for them.

Synchronous: it is called on an outbox's thread. Lines older than the retention are deleted as batches come.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import psycopg
from psycopg import errors

from gal_friday_adapters.postgres.connect import (
    CONNECT_TIMEOUT_S,
    connection_failed,
    describe,
    libpq_url,
    one_line,
    url_parts,
)
from gal_friday_core.errors import DataError, StorageError

STATEMENT_TIMEOUT_MS: Final = 10_000
PRUNE_EVERY: Final = 200
"""Batches between two deletions of old lines; the first batch makes one."""

_INSERT = """
insert into log_entries (ts_ns, level, source_module, message, context, exception, run)
select line.*, %(run)s
from unnest(%(ts)s::bigint[], %(level)s::text[], %(source)s::text[], %(message)s::text[],
            %(context)s::jsonb[], %(exception)s::text[])
     as line (ts_ns, level, source_module, message, context, exception)
"""

_PRUNE = "delete from log_entries where recorded_at < now() - make_interval(days => %(days)s)"


class LogLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line as every destination gets it: redacted, plain, bounded."""

    ts_ns: int
    level: str
    source_module: str
    message: str
    context: dict[str, Any] | None = None
    exception: str | None = None


class LogTable:
    """The `log_entries` of one database. `run` names the process in each line."""

    def __init__(self, url: str, *, run: str, keep_days: int) -> None:
        url_parts(url)
        self._url = url
        self._run = run
        self._keep_days = keep_days
        self._connection: psycopg.Connection[Any] | None = None
        self._batches = 0

    def write(self, lines: Sequence[LogLine]) -> None:
        """Insert a batch whole. Raises StorageError where it may work later, DataError where it never will."""
        try:
            connection = self._connected()
            if self._batches % PRUNE_EVERY == 0:
                connection.execute(_PRUNE, {"days": self._keep_days})
            connection.execute(_INSERT, self._columns(lines))
        except (errors.DataError, errors.IntegrityError) as error:
            raise DataError(f"{describe(self._url)} refuses log lines: {one_line(error)}") from error
        except psycopg.Error as error:
            self.close()
            raise StorageError(f"{describe(self._url)} failed: {one_line(error)}") from error
        self._batches += 1

    def close(self) -> None:
        """Close the connection; the next `write` makes another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> "psycopg.Connection[Any]":
        if self._connection is None:
            try:
                self._connection = psycopg.connect(
                    libpq_url(self._url),
                    autocommit=True,
                    connect_timeout=CONNECT_TIMEOUT_S,
                    application_name="gal-friday-log",
                    options=f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c synchronous_commit=off",
                )
            except psycopg.Error as error:
                raise connection_failed(error, self._url) from error
        return self._connection

    def _columns(self, lines: Sequence[LogLine]) -> dict[str, Any]:
        return {
            "ts": [line.ts_ns for line in lines],
            "level": [line.level for line in lines],
            "source": [_storable(line.source_module) for line in lines],
            "message": [_storable(line.message) for line in lines],
            "context": [_json(line.context) for line in lines],
            "exception": [_storable(line.exception) if line.exception else None for line in lines],
            "run": self._run,
        }


def _storable(text: str) -> str:
    """PostgreSQL's text has no NUL."""
    return text.replace("\0", "\ufffd")


def _json(context: dict[str, Any] | None) -> str | None:
    if context is None:
        return None
    text = msgspec.json.encode(context).decode()
    if "\\u0000" not in text:
        return text
    cleaned: str = msgspec.json.encode(_without_nul(context)).decode()
    return cleaned


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, dict):
        return {_storable(name): _without_nul(inner) for name, inner in value.items()}
    return [_without_nul(inner) for inner in value] if isinstance(value, list) else value
