"""Connections of whoever executes runs to Dagster's own database."""

import dagster as dg

STATEMENT_TIMEOUT_MS = 60_000


def keep_connections(instance: dg.DagsterInstance) -> None:
    """Let storage keep its connections, as in the web server: by default every question makes a new one."""
    instance.optimize_for_webserver(
        statement_timeout=STATEMENT_TIMEOUT_MS, pool_recycle=3_600, max_overflow=20
    )
