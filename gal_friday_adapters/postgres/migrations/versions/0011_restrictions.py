"""What a model may do while it drifts: steps of the ladder that were taken, and their release.

Rows are only ever added; a listener of the registry is told of each, as of a change of stage.
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    create table model_restriction (
        seq bigint generated always as identity primary key,
        model_type text not null references model_type,
        model_id text not null references model_version,
        step text not null check (step in ('note', 'shrink', 'shadow_only', 'roll_back', 'halt', 'release')),
        size_factor numeric not null check (size_factor between 0 and 1),
        reason text not null check (reason <> ''),
        actor text not null check (actor <> ''),
        evidence jsonb not null default '{}' check (jsonb_typeof(evidence) = 'object'),
        at timestamptz not null default clock_timestamp()
    )
    """,
    "create index restriction_of_model on model_restriction (model_id, seq)",
    """
    create trigger append_only before update or delete or truncate on model_restriction
        for each statement execute function refuse_change()
    """,
    """
    create function tell_of_restriction() returns trigger language plpgsql as $$
    begin
        perform pg_notify('model_promoted', new.model_type);
        return null;
    end $$
    """,
    """
    create trigger told after insert on model_restriction
        for each row execute function tell_of_restriction()
    """,
)

_OWN_TABLES_ONLY = """
    do $$
    begin
        execute format('alter function tell_of_restriction() set search_path = pg_catalog, %I, pg_temp',
                       current_schema());
        revoke execute on function tell_of_restriction() from public;
    end $$
"""

# `grant_roles()` learns of the tables that came after it, so that whoever calls it later grants them too.
_GRANT = """
    do $$
    declare
        old constant text := pg_get_functiondef('grant_roles()'::regprocedure);
        new constant text := replace(old, '%1$s.stage_event, ', '%1$s.stage_event, %1$s.model_restriction, ');
    begin
        if new = old then
            raise exception 'grant_roles() is not the one that this migration knows';
        end if;
        execute new;
    end $$
"""


def upgrade() -> None:
    for statement in (*STATEMENTS, _OWN_TABLES_ONLY, _GRANT):
        op.execute(statement)
    op.execute("select grant_roles()")
