"""Who may do what: roles to be members of, functions that nobody's search path leads astray.

The roles belong to the whole server and cannot log in. Where the migrating user may not create roles, an
administrator does, and calls `grant_roles()`; a migration that adds tables calls it again.
"""

from alembic import op
from sqlalchemy import text

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Without this, whoever may make temporary tables could show a trigger a `model_version` of their own, or an
# `engine_lease`, and pass the gate or the fence.
_OWN_TABLES_ONLY = """
    do $$
    declare each text;
    begin
        foreach each in array array[
            'refuse_change()', 'refuse_direct_change()', 'check_stage_event()', 'apply_stage_event()',
            'refuse_stale_fence()', 'take_engine_lease(uuid, text)']
        loop
            execute format('alter function %s set search_path = pg_catalog, %I, pg_temp', each, current_schema());
            execute format('revoke execute on function %s from public', each);
        end loop;
    end $$
"""

# These two write what their callers may not write by themselves.
_ON_BEHALF = (
    "alter function apply_stage_event() security definer",
    "alter function take_engine_lease(uuid, text) security definer",
)

_GRANT = """
    create function grant_roles() returns text[] language plpgsql set search_path = pg_catalog, pg_temp as $$
    declare
        here constant text := {schema};
        reader constant text := 'gal_friday_reader';
        engine constant text := 'gal_friday_engine';
        pipeline constant text := 'gal_friday_pipeline';
        role text;
        found text[] := '{}';
    begin
        foreach role in array array[reader, engine, pipeline] loop
            if not exists (select from pg_roles where rolname = role) then
                begin
                    execute format('create role %I nologin', role);
                exception
                    when duplicate_object or unique_violation then null;  -- another database was quicker
                    when insufficient_privilege then
                        raise notice 'role % is missing: create it, then call grant_roles()', role;
                        continue;
                end;
            end if;
            found := found || role;
            execute format('grant usage on schema %s to %I', here, role);
            execute format('revoke create on schema %s from public', here);
            execute format('grant select on all tables in schema %s to %I', here, role);
            execute format('alter default privileges in schema %s grant select on tables to %I', here, role);
        end loop;
        if engine = any (found) then
            execute format('grant insert on %1$s.sessions, %1$s.journal to %2$I', here, engine);
            execute format('grant insert, delete on %s.log_entries to %I', here, engine);
            execute format('grant execute on function %s.take_engine_lease(uuid, text) to %I', here, engine);
        end if;
        if pipeline = any (found) then
            execute format('grant insert on %1$s.artifact, %1$s.artifact_signature, %1$s.model_type,
                            %1$s.model_version, %1$s.metric, %1$s.stage_event to %2$I', here, pipeline);
            execute format('grant update (lock_version) on %s.model_type to %I', here, pipeline);
        end if;
        return found;
    end $$
"""


def upgrade() -> None:
    op.execute(_OWN_TABLES_ONLY)
    for statement in _ON_BEHALF:
        op.execute(statement)
    # As a literal of an identifier, quoted by the server itself.
    schema = op.get_bind().execute(text("select quote_literal(quote_ident(current_schema()))")).scalar_one()
    op.execute(_GRANT.replace("{schema}", schema))
    op.execute("revoke execute on function grant_roles() from public")
    op.execute("select grant_roles()")
