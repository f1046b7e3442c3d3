"""The model registry: immutable versions, one production model per type, an audit that is the truth.

`stage_event` is append-only, and `stage_current` can be changed by its trigger alone: whatever writes a
stage, through whatever door, leaves its event, passes the gate and wakes the listeners.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    """
    create table artifact (
        sha256 text primary key check (sha256 ~ '^[0-9a-f]{64}$'),
        size bigint not null check (size > 0),
        created timestamptz not null default now()
    )
    """,
    """
    create table model_type (
        name text primary key check (name ~ '^[A-Za-z0-9][A-Za-z0-9_./=:+-]{0,127}$'),
        lock_version bigint not null default 0,
        created timestamptz not null default now()
    )
    """,
    """
    create table model_version (
        model_id text primary key,
        model_type text not null references model_type,
        version integer not null check (version > 0),
        artifact text not null references artifact,
        schema_hash text not null,
        data_version text not null,
        code_version text not null,
        config_hash text not null,
        passed boolean not null,
        reasons jsonb not null check (jsonb_typeof(reasons) = 'array'),
        metadata jsonb not null check (jsonb_typeof(metadata) = 'object'),
        created_at timestamptz not null default now(),
        unique (model_type, version),
        unique (model_type, artifact),
        unique (model_id, model_type),
        check (model_id = model_type || '@v' || version)
    )
    """,
    # NaN = NaN is true in PostgreSQL, so this comparison does keep it out.
    """
    create table metric (
        model_id text not null references model_version,
        name text not null,
        value double precision not null
            check (value <> 'NaN' and value < 'Infinity' and value > '-Infinity'),
        primary key (model_id, name)
    )
    """,
    """
    create table stage_current (
        model_id text primary key,
        model_type text not null,
        stage text not null check (stage in ('development', 'staging', 'production', 'archived')),
        foreign key (model_id, model_type) references model_version (model_id, model_type)
    )
    """,
    "create unique index one_production on stage_current (model_type) where stage = 'production'",
    # clock_timestamp, not now(): events follow one another inside a transaction that waited for a lock.
    """
    create table stage_event (
        seq bigint generated always as identity primary key,
        model_id text not null,
        model_type text not null,
        stage text not null check (stage in ('development', 'staging', 'production', 'archived')),
        previous_stage text,
        actor text not null check (actor <> ''),
        reason text not null check (reason <> ''),
        override boolean not null,
        evidence jsonb not null default '{}' check (jsonb_typeof(evidence) = 'object'),
        lock_version bigint not null,
        ts timestamptz not null default clock_timestamp(),
        foreign key (model_id, model_type) references model_version (model_id, model_type)
    )
    """,
    "create index stage_event_of_model on stage_event (model_id, seq)",
)

FUNCTIONS = (
    """
    create function refuse_change() returns trigger language plpgsql as $$
    begin
        raise exception '% is append-only: % refused', tg_table_name, tg_op
            using errcode = 'integrity_constraint_violation';
    end $$
    """,
    """
    create function refuse_direct_change() returns trigger language plpgsql as $$
    begin
        if tg_op in ('INSERT', 'UPDATE') and pg_trigger_depth() > 1 then
            return null;
        end if;
        raise exception '% follows stage_event: direct % refused', tg_table_name, tg_op
            using errcode = 'integrity_constraint_violation';
    end $$
    """,
    # The previous stage is what the database knows, never what the writer claims.
    """
    create function check_stage_event() returns trigger language plpgsql as $$
    begin
        new.previous_stage := (select stage from stage_current where model_id = new.model_id);
        if new.stage in ('staging', 'production') and not new.override
            and not (select passed from model_version where model_id = new.model_id)
        then
            raise exception 'model % did not pass its validation gates: % needs an override',
                new.model_id, new.stage using errcode = 'integrity_constraint_violation';
        end if;
        return new;
    end $$
    """,
    """
    create function apply_stage_event() returns trigger language plpgsql as $$
    begin
        insert into stage_current (model_id, model_type, stage)
            values (new.model_id, new.model_type, new.stage)
            on conflict (model_id) do update set stage = excluded.stage;
        if 'production' in (new.stage, coalesce(new.previous_stage, '')) then
            perform pg_notify('model_promoted', new.model_type);
        end if;
        return null;
    end $$
    """,
)

TRIGGERS = (
    """
    create trigger append_only before update or delete or truncate on artifact
        for each statement execute function refuse_change()
    """,
    """
    create trigger append_only before update or delete or truncate on model_version
        for each statement execute function refuse_change()
    """,
    """
    create trigger append_only before update or delete or truncate on metric
        for each statement execute function refuse_change()
    """,
    """
    create trigger append_only before update or delete or truncate on stage_event
        for each statement execute function refuse_change()
    """,
    """
    create trigger follows_events before insert or update or delete or truncate on stage_current
        for each statement execute function refuse_direct_change()
    """,
    """
    create trigger checked before insert on stage_event
        for each row execute function check_stage_event()
    """,
    """
    create trigger applied after insert on stage_event
        for each row execute function apply_stage_event()
    """,
)


def upgrade() -> None:
    for statement in (*TABLES, *FUNCTIONS, *TRIGGERS):
        op.execute(statement)
