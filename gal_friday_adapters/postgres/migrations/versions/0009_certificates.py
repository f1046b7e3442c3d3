"""Signed certificates, and no production without one: what a model showed, as it was judged, for good.

Staging asks for the verdict of the walk-forward, production for the latest certificate; an override, which is
audited, passes both. A model that leaves production may always be watched in staging.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLE = (
    """
    create table model_certificate (
        seq bigint generated always as identity primary key,
        model_id text not null references model_version,
        document bytea not null check (octet_length(document) between 2 and 1048576),
        signature bytea not null check (octet_length(signature) = 64),
        key_id text not null check (key_id ~ '^[0-9a-f]{64}$'),
        created_at timestamptz not null default clock_timestamp()
    )
    """,
    "create index certificate_of_model on model_certificate (model_id, seq desc)",
    """
    create trigger append_only before update or delete or truncate on model_certificate
        for each statement execute function refuse_change()
    """,
)

# What the database can tell of a certificate; whether its signature verifies, the registry finds out.
_CHECK = """
    create or replace function check_stage_event() returns trigger language plpgsql as $$
    declare
        version record;
        told jsonb;
    begin
        new.previous_stage := (select stage from stage_current where model_id = new.model_id);
        if new.override then
            return new;
        end if;
        select * into version from model_version where model_id = new.model_id;
        if new.stage = 'staging' and new.previous_stage is distinct from 'production' and not version.passed then
            raise exception 'model % did not pass its validation gates: staging needs an override',
                new.model_id using errcode = 'integrity_constraint_violation';
        end if;
        if new.stage = 'production' then
            told := (select convert_from(document, 'UTF8')::jsonb from model_certificate
                     where model_id = new.model_id order by seq desc limit 1);
            if (told -> 'passed' = 'true' and told ->> 'artifact_sha256' = version.artifact
                and told ->> 'model_type' = version.model_type) is not true
            then
                raise exception 'model % has no certificate that passed: production needs an override',
                    new.model_id using errcode = 'integrity_constraint_violation';
            end if;
        end if;
        return new;
    end $$
"""

# Replacing a function forgets its search path.
_OWN_TABLES_ONLY = """
    do $$
    begin
        execute format('alter function check_stage_event() set search_path = pg_catalog, %I, pg_temp',
                       current_schema());
    end $$
"""

# `grant_roles()` learns of the tables that came after it, so that whoever calls it later grants them too.
_GRANT = """
    do $$
    declare
        old constant text := pg_get_functiondef('grant_roles()'::regprocedure);
        new constant text := replace(old, '%1$s.stage_event to %2$I',
                                     '%1$s.stage_event, %1$s.trial, %1$s.model_certificate to %2$I');
    begin
        if new = old then
            raise exception 'grant_roles() is not the one that this migration knows';
        end if;
        execute new;
    end $$
"""


def upgrade() -> None:
    for statement in (*TABLE, _CHECK, _OWN_TABLES_ONLY, _GRANT):
        op.execute(statement)
    op.execute("select grant_roles()")
