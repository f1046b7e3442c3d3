"""Connections of whoever executes runs, or the daemon, to Dagster's own database."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import dagster as dg
from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError, DisconnectionError

STATEMENT_TIMEOUT_MS = 60_000
LOOKED_FOR = ("_table", "_col", "_cols", "_column")
"""How the names of Dagster's questions after its schema end."""
IDLE_S = 1.0
"""A connection that was not used for longer may have been cut meanwhile, and is tried first."""


def keep_connections(instance: dg.DagsterInstance) -> None:
    """Let storage keep its connections, as in the web server, and what it found out about its schema.

    By default every question makes a connection, and asks first whether the table is there.
    """
    instance.optimize_for_webserver(
        statement_timeout=STATEMENT_TIMEOUT_MS, pool_recycle=3_600, max_overflow=20
    )
    for storage in (instance.run_storage, instance.event_log_storage, instance.schedule_storage):
        _try_first(storage._engine)  # noqa: SLF001 - it has no other door
        for name in dir(type(storage)):
            looks = name.startswith("has_") and name.endswith(LOOKED_FOR)
            if looks and callable(getattr(type(storage), name)):
                setattr(storage, name, _once_true(getattr(storage, name)))


@contextmanager
def remembered_partitions(instance: dg.DagsterInstance) -> Iterator[None]:
    """During a run, ask once whether a partition is there: Dagster does for each month of it."""
    storage = instance.event_log_storage
    storage.has_dynamic_partition = _once_true(storage.has_dynamic_partition)
    try:
        yield
    finally:
        del storage.has_dynamic_partition


def _once_true(question: Callable[..., bool]) -> Callable[..., bool]:
    """Asks no more what was true before."""
    known: set[tuple[Any, ...]] = set()

    @wraps(question)
    def asked(*about: Any) -> bool:
        if about not in known and question(*about):
            known.add(about)
        return about in known

    return asked


def _try_first(engine: Engine) -> None:
    """Replace a connection that is no more rather than fail whoever takes it."""

    @event.listens_for(engine, "checkin")
    def note(_connection: Any, record: Any) -> None:
        record.info["used"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def look(connection: Any, record: Any, _proxy: Any) -> None:
        if time.monotonic() - record.info.get("used", time.monotonic()) <= IDLE_S:
            return
        try:
            engine.dialect.do_ping(connection)
        except (DBAPIError, engine.dialect.loaded_dbapi.Error) as error:
            raise DisconnectionError from error
