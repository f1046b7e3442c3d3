"""What Dagster remembers, kept from growing without end: its event log and its runs, on PostgreSQL.

Dagster forgets ticks of schedules and sensors by itself (`retention`), and nothing else. Here the lines of finished
runs go after some days, and whole runs later, once each of their assets has been made so often since that its plots
are full without them. What an asset said of itself last always stays: others read it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import dagster as dg
import sqlalchemy as sql
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable as Checks
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable as Events
from dagster._core.storage.runs.schema import RunsTable as Runs

FINISHED = [
    status.value
    for status in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
]
MADE = dg.DagsterEventType.ASSET_MATERIALIZATION.value
LASTING = [
    MADE,
    *(
        kind.value
        for kind in (
            dg.DagsterEventType.ASSET_OBSERVATION,
            dg.DagsterEventType.ASSET_CHECK_EVALUATION,
            dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
            dg.DagsterEventType.ASSET_FAILED_TO_MATERIALIZE,
            dg.DagsterEventType.STEP_FAILURE,
            dg.DagsterEventType.RUN_START,
            dg.DagsterEventType.RUN_SUCCESS,
            dg.DagsterEventType.RUN_FAILURE,
            dg.DagsterEventType.RUN_CANCELED,
        )
    ),
]
"""What came of a run, and why; the rest are its lines: what each step did when."""

PLOTTED = 500
"""Of each asset and partition, so many of the newest materialisations keep their runs."""

ROWS_AT_ONCE = 10_000
RUNS_AT_ONCE = 20_000
"""In one tidying; the next one goes on."""


def drop_lines(instance: dg.DagsterInstance, before: datetime) -> int:
    """Delete the lines of runs that had ended by then, and what they printed; the number of rows."""
    with _connection(instance) as connection:
        ended = _ended(connection, before)
        old = sql.select(Events.c.id).where(
            Events.c.run_id.in_(sql.select(Runs.c.run_id).where(*_had_ended(before))),
            Events.c.dagster_event_type.is_(None) | Events.c.dagster_event_type.not_in(LASTING),
        )
        rows = _deleted(connection, old)
    for run_id in ended:
        instance.compute_log_manager.delete_logs(prefix=[run_id])
    return rows


def drop_runs(instance: dg.DagsterInstance, before: datetime) -> int:
    """Delete runs that had ended by then with all that they left in Dagster, but those that something still needs."""
    with _connection(instance) as connection:
        needed = _needed(connection)
        runs = [run_id for run_id in _ended(connection, before) if run_id not in needed][:RUNS_AT_ONCE]
    for run_id in runs:
        instance.delete_run(run_id)
        with _connection(instance) as connection:
            connection.execute(sql.delete(Checks).where(Checks.c.run_id == run_id))
    return len(runs)


def size(instance: dg.DagsterInstance) -> dict[str, Any]:
    """How much there is: rows and bytes of the event log with its indexes, runs, and bytes of the whole database."""
    asked = {
        "event_rows": sql.select(sql.func.count()).select_from(Events),
        "runs": sql.select(sql.func.count()).select_from(Runs),
        "event_bytes": sql.select(sql.func.pg_total_relation_size(Events.name)),
        "database_bytes": sql.select(sql.func.pg_database_size(sql.func.current_database())),
    }
    with _connection(instance) as connection:
        return {name: connection.execute(question).scalar_one() for name, question in asked.items()}


def _connection(instance: dg.DagsterInstance) -> Any:
    """Runs and events are in one database: `instance` writes it so."""
    return instance.event_log_storage.index_connection()  # type: ignore[attr-defined] # of every SQL storage


def _had_ended(before: datetime) -> tuple[Any, Any]:
    return Runs.c.status.in_(FINISHED), Runs.c.end_time < before.timestamp()


def _ended(connection: sql.Connection, before: datetime) -> list[str]:
    """Ids, the oldest first."""
    return list(
        connection.execute(sql.select(Runs.c.run_id).where(*_had_ended(before)).order_by(Runs.c.id)).scalars()
    )


def _needed(connection: sql.Connection) -> set[str]:
    """Runs of the newest materialisations of every asset and partition, and of the newest verdict of every check."""
    age = sql.func.row_number().over(
        partition_by=(Events.c.asset_key, Events.c.partition), order_by=Events.c.id.desc()
    )
    made = sql.select(Events.c.run_id, age.label("age")).where(Events.c.dagster_event_type == MADE).subquery()
    verdict = sql.func.row_number().over(
        partition_by=(Checks.c.asset_key, Checks.c.check_name, Checks.c.partition),
        order_by=Checks.c.id.desc(),
    )
    checked = sql.select(Checks.c.run_id, verdict.label("age")).subquery()
    wanted = (
        sql.select(made.c.run_id).where(made.c.age <= PLOTTED),
        sql.select(checked.c.run_id).where(checked.c.age == 1),
    )
    return {run_id for question in wanted for run_id in connection.execute(question).scalars()}


def _deleted(connection: sql.Connection, old: Any) -> int:
    """Delete rows of the event log, in parts: each is one short statement."""
    rows = 0
    while ids := _part(connection, old):
        connection.execute(sql.delete(Events).where(Events.c.id.in_(ids)))
        rows += len(ids)
    return rows


def _part(connection: sql.Connection, old: Any) -> Sequence[int]:
    return connection.execute(old.order_by(Events.c.id).limit(ROWS_AT_ONCE)).scalars().all()
