"""Every configuration that was ever tried on a question, so that nobody forgets how often luck had a chance."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    create table trial (
        series text not null,
        label_hash text not null,
        schema_hash text not null,
        data_version text not null,
        trial text not null check (trial ~ '^[0-9a-f]{64}$'),
        status text not null check (status in ('complete', 'failed')),
        document jsonb not null,
        created timestamptz not null default now(),
        primary key (series, label_hash, schema_hash, data_version, trial, status)
    )
    """,
    """
    create trigger append_only before update or delete or truncate on trial
        for each statement execute function refuse_change()
    """,
    """
    do $$
    begin
        if exists (select from pg_roles where rolname = 'gal_friday_pipeline') then
            grant insert on trial to gal_friday_pipeline;
        end if;
    end $$
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
    op.execute("select grant_roles()")
