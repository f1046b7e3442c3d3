"""Every way to a model is a retraining: by schedule, by corrected candles, by a run of its own. And what may begin an experiment."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

STATEMENTS = (
    "alter table retraining_run drop constraint retraining_run_cause_check",
    """
    alter table retraining_run add constraint retraining_run_cause_check check (cause in
        ('drift', 'decay', 'age', 'data', 'operator', 'schedule', 'correction', 'run'))
    """,
    # As before, but that an action leads to the one state that it is about, and only STARTED begins anything.
    """
    create or replace function check_experiment_event() returns trigger language plpgsql as $$
    declare
        known text;
    begin
        perform pg_advisory_xact_lock(hashtextextended(new.experiment_id::text, 0));
        known := (select state from experiment_current where experiment_id = new.experiment_id);
        if (coalesce(known, ''), new.action, new.state) not in
            (('', 'CREATED', 'CREATED'),
             ('CREATED', 'STARTED', 'RUNNING'),
             ('CREATED', 'STOPPED', 'STOPPED'),
             ('RUNNING', 'TRAFFIC_ASSIGNED', 'RUNNING'),
             ('RUNNING', 'VARIANT_STOPPED', 'RUNNING'),
             ('RUNNING', 'STOPPED', 'STOPPED'),
             ('RUNNING', 'COMPLETED', 'COMPLETED'))
        then
            raise exception 'experiment % is %: % cannot make it %',
                new.experiment_id, coalesce(known, 'not created'), new.action, new.state
                using errcode = 'integrity_constraint_violation';
        end if;
        return new;
    end $$
    """,
)

# Replacing a function forgets its settings, though not who may call it.
_OWN_TABLES_ONLY = """
    do $$
    begin
        execute format('alter function check_experiment_event() set search_path = pg_catalog, %I, pg_temp',
                       current_schema());
    end $$
"""


def upgrade() -> None:
    for statement in (*STATEMENTS, _OWN_TABLES_ONLY):
        op.execute(statement)
