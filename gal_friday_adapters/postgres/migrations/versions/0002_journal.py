"""The journal: one append-only table a record, idempotent by (session, kind, key), and the sessions."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    create table sessions (
        session_id uuid primary key,
        mode text not null check (mode <> ''),
        started_ns bigint not null,
        config_hash text not null,
        code_version text not null,
        model_override jsonb,
        recorded_at timestamptz not null default now()
    )
    """,
    """
    create table journal (
        seq bigint generated always as identity primary key,
        session uuid not null references sessions,
        ts_ns bigint not null,
        kind text not null check (kind <> ''),
        key text not null check (key <> ''),
        record jsonb not null,
        recorded_at timestamptz not null default clock_timestamp(),
        unique (session, kind, key)
    )
    """,
    "create index journal_in_order on journal (session, seq)",
    """
    create trigger append_only before update or delete or truncate on sessions
        for each statement execute function refuse_change()
    """,
    """
    create trigger append_only before update or delete or truncate on journal
        for each statement execute function refuse_change()
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
