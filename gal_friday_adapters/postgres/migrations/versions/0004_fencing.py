"""One engine an account: who holds its lease, and a journal that refuses what a former holder sends."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    create table engine_lease (
        account uuid primary key,
        token bigint not null check (token > 0),
        holder text not null check (holder <> ''),
        taken_at timestamptz not null default clock_timestamp()
    )
    """,
    # Taking a lease waits for the appends under the old token, and none of those begins after it: whoever
    # has the new token reads everything that was ever written under an older one.
    """
    create function take_engine_lease(wanted uuid, by_whom text) returns bigint language plpgsql as $$
    declare taken bigint;
    begin
        perform pg_advisory_xact_lock(7, hashtext(wanted::text));
        insert into engine_lease as held (account, token, holder) values (wanted, 1, by_whom)
        on conflict (account) do update
            set token = held.token + 1, holder = excluded.holder, taken_at = clock_timestamp()
        returning token into taken;
        return taken;
    end $$
    """,
    "alter table journal add column fence bigint",
    """
    create function refuse_stale_fence() returns trigger language plpgsql as $$
    declare present bigint;
    begin
        perform pg_advisory_xact_lock_shared(7, hashtext(new.session::text));
        select token into present from engine_lease where account = new.session;
        if present is distinct from new.fence then
            raise exception 'lease % is out of date: the account is at lease %', new.fence, present
                using errcode = 'GF001';
        end if;
        return new;
    end $$
    """,
    """
    create trigger fenced before insert on journal
        for each row when (new.fence is not null) execute function refuse_stale_fence()
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
