"""Experiments: what was designed, who was served, what came of it, and who decided so.

`experiment_event` is append-only and the truth; `experiment_current` follows it. One experiment at a time may
split the traffic of a series; any number may watch it.
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TABLES = (
    """
    create table experiment (
        experiment_id uuid primary key,
        name text not null unique check (name <> ''),
        series text not null check (series <> ''),
        mode text not null check (mode in ('shadow', 'split')),
        design jsonb not null check (jsonb_typeof(design) = 'object'),
        hash_key text not null check (length(hash_key) between 16 and 64),
        created_at timestamptz not null default clock_timestamp()
    )
    """,
    """
    create table experiment_variant (
        experiment_id uuid not null references experiment,
        place smallint not null check (place >= 0),
        name text not null check (name <> ''),
        model_id text not null references model_version,
        primary key (experiment_id, place),
        unique (experiment_id, name),
        unique (experiment_id, model_id)
    )
    """,
    """
    create table experiment_event (
        seq bigint generated always as identity primary key,
        experiment_id uuid not null references experiment,
        action text not null check (action in
            ('CREATED', 'STARTED', 'TRAFFIC_ASSIGNED', 'VARIANT_STOPPED', 'STOPPED', 'COMPLETED')),
        state text not null check (state in ('CREATED', 'RUNNING', 'STOPPED', 'COMPLETED')),
        variant text,
        actor text not null check (actor <> ''),
        reason text not null check (reason <> ''),
        details jsonb not null default '{}' check (jsonb_typeof(details) = 'object'),
        at timestamptz not null default clock_timestamp(),
        foreign key (experiment_id, variant) references experiment_variant (experiment_id, name)
    )
    """,
    "create index event_of_experiment on experiment_event (experiment_id, seq)",
    """
    create table experiment_current (
        experiment_id uuid primary key references experiment,
        series text not null,
        mode text not null,
        state text not null
    )
    """,
    """
    create unique index one_split on experiment_current (series) where state = 'RUNNING' and mode = 'split'
    """,
    """
    create table experiment_assignment (
        experiment_id uuid not null references experiment,
        unit text not null check (unit <> ''),
        at_ns bigint not null,
        variant text not null,
        propensity jsonb not null check (jsonb_typeof(propensity) = 'object'),
        primary key (experiment_id, unit),
        foreign key (experiment_id, variant) references experiment_variant (experiment_id, name)
    )
    """,
    # NaN = NaN is true in PostgreSQL, so this comparison does keep it out.
    """
    create table experiment_outcome (
        experiment_id uuid not null references experiment,
        unit text not null check (unit <> ''),
        variant text not null,
        at_ns bigint not null,
        value double precision not null
            check (value <> 'NaN' and value < 'Infinity' and value > '-Infinity'),
        recorded_at timestamptz not null default clock_timestamp(),
        primary key (experiment_id, unit, variant),
        foreign key (experiment_id, variant) references experiment_variant (experiment_id, name)
    )
    """,
)

# A running experiment has one event after another; what ended never begins again.
FUNCTIONS = (
    """
    create function check_experiment_event() returns trigger language plpgsql as $$
    declare
        known text;
    begin
        perform pg_advisory_xact_lock(hashtextextended(new.experiment_id::text, 0));
        known := (select state from experiment_current where experiment_id = new.experiment_id);
        if (coalesce(known, ''), new.state) not in
            (('', 'CREATED'), ('CREATED', 'RUNNING'), ('CREATED', 'STOPPED'),
             ('RUNNING', 'RUNNING'), ('RUNNING', 'STOPPED'), ('RUNNING', 'COMPLETED'))
            or (known = 'RUNNING' and new.action = 'STARTED')
        then
            raise exception 'experiment % is %: it cannot become %',
                new.experiment_id, coalesce(known, 'not created'), new.state
                using errcode = 'integrity_constraint_violation';
        end if;
        return new;
    end $$
    """,
    """
    create function apply_experiment_event() returns trigger language plpgsql security definer as $$
    begin
        insert into experiment_current (experiment_id, series, mode, state)
            select experiment_id, series, mode, new.state from experiment where experiment_id = new.experiment_id
            on conflict (experiment_id) do update set state = excluded.state;
        perform pg_notify('experiment_changed', new.experiment_id::text);
        return null;
    end $$
    """,
)

_APPEND_ONLY = """
    do $$
    declare each text;
    begin
        foreach each in array array[
            'experiment', 'experiment_variant', 'experiment_event', 'experiment_assignment', 'experiment_outcome']
        loop
            execute format('create trigger append_only before update or delete or truncate on %I
                            for each statement execute function refuse_change()', each);
        end loop;
    end $$
"""

TRIGGERS = (
    """
    create trigger follows_events before insert or update or delete or truncate on experiment_current
        for each statement execute function refuse_direct_change()
    """,
    """
    create trigger checked before insert on experiment_event
        for each row execute function check_experiment_event()
    """,
    """
    create trigger applied after insert on experiment_event
        for each row execute function apply_experiment_event()
    """,
)

_OWN_TABLES_ONLY = """
    do $$
    declare each text;
    begin
        foreach each in array array['check_experiment_event()', 'apply_experiment_event()'] loop
            execute format('alter function %s set search_path = pg_catalog, %I, pg_temp', each, current_schema());
            execute format('revoke execute on function %s from public', each);
        end loop;
    end $$
"""

# `grant_roles()` learns of the tables that came after it, so that whoever calls it later grants them too.
_GRANT = """
    do $$
    declare
        old constant text := pg_get_functiondef('grant_roles()'::regprocedure);
        new constant text := replace(old, '%1$s.stage_event, ',
            '%1$s.stage_event, %1$s.experiment, %1$s.experiment_variant, %1$s.experiment_event, '
            '%1$s.experiment_assignment, %1$s.experiment_outcome, ');
    begin
        if new = old then
            raise exception 'grant_roles() is not the one that this migration knows';
        end if;
        execute new;
    end $$
"""


def upgrade() -> None:
    for statement in (*TABLES, *FUNCTIONS, *TRIGGERS, _APPEND_ONLY, _OWN_TABLES_ONLY, _GRANT):
        op.execute(statement)
    op.execute("select grant_roles()")
