"""Log lines beside the journal: not append-only, since old ones are deleted."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    create table log_entries (
        id bigint generated always as identity primary key,
        ts_ns bigint not null,
        level text not null check (level in ('DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL')),
        source_module text not null,
        message text not null,
        context jsonb,
        exception text,
        run text not null,
        recorded_at timestamptz not null default now()
    )
    """,
    "create index log_entries_in_time on log_entries (ts_ns)",
    "create index log_entries_troubles on log_entries (ts_ns) where level in ('WARNING', 'ERROR', 'CRITICAL')",
    "create index log_entries_recorded on log_entries using brin (recorded_at)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
