"""Retrainings: who asked for one and why, and what became of it. A request counts once a cause and window."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    create table retraining_run (
        run_id uuid primary key,
        model_type text not null references model_type,
        model_id text not null references model_version,
        cause text not null check (cause in ('drift', 'decay', 'age', 'data', 'operator')),
        cause_window text not null check (cause_window <> ''),
        reason text not null check (reason <> ''),
        info jsonb not null default '{}' check (jsonb_typeof(info) = 'object'),
        at timestamptz not null default clock_timestamp(),
        unique (model_type, cause, cause_window)
    )
    """,
    """
    create table retraining_event (
        seq bigint generated always as identity primary key,
        run_id uuid not null references retraining_run,
        state text not null check (state in
            ('REQUESTED', 'HELD_BACK', 'STARTED', 'REFUSED', 'SHADOW', 'READY', 'PROMOTED', 'FAILED')),
        said text not null default '',
        details jsonb not null default '{}' check (jsonb_typeof(details) = 'object'),
        at timestamptz not null default clock_timestamp()
    )
    """,
    "create index event_of_retraining on retraining_event (run_id, seq)",
    *(
        f"""
        create trigger append_only before update or delete or truncate on {table}
            for each statement execute function refuse_change()
        """
        for table in ("retraining_run", "retraining_event")
    ),
)

# `grant_roles()` learns of the tables that came after it, so that whoever calls it later grants them too.
_GRANT = """
    do $$
    declare
        old constant text := pg_get_functiondef('grant_roles()'::regprocedure);
        new constant text := replace(old, '%1$s.stage_event, ',
                                     '%1$s.stage_event, %1$s.retraining_run, %1$s.retraining_event, ');
    begin
        if new = old then
            raise exception 'grant_roles() is not the one that this migration knows';
        end if;
        execute new;
    end $$
"""


def upgrade() -> None:
    for statement in (*STATEMENTS, _GRANT):
        op.execute(statement)
    op.execute("select grant_roles()")
