"""Strands: what alpha, decision maker and trader tell each other, and the inbox of each (004 and its errata).

A strand's tags put it into inboxes in the transaction that writes it; the notification is a hint only, empty, and
once a transaction. Deadlines are the server's. Which table may say which tag stands in the triggers; who may write
which table in 0015.
"""

from alembic import op
from sqlalchemy import text

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

COLUMNS = {
    "ad_strands": ("sig_sigma float8", "sig_confidence float8", "sig_direction text"),
    "dm_strands": (),
    "tr_strands": (),
}
DOCUMENTS = {
    "ad_strands": (
        "trading_plan", "signal_pack", "dsi_evidence", "regime_context", "event_context", "module_intelligence",
        "curator_feedback",
    ),
    "dm_strands": (
        "dm_alpha", "dm_budget", "dm_decision", "risk_metrics", "portfolio_impact", "asymmetries", "curator_decisions",
    ),
    "tr_strands": (
        "tr_execution", "tr_outcome", "tr_venue_performance", "tr_slippage", "tr_latency", "tr_fills",
    ),
}  # fmt: skip
MODULE = {"ad_strands": "alpha", "dm_strands": "dm", "tr_strands": "trader"}
ROUTES = {
    "ad_strands": {"dm_inbox": ("dm:evaluate_plan",)},
    "dm_strands": {"alpha_inbox": ("alpha:decision_feedback",), "trader_inbox": ("trader:execute_plan",)},
    "tr_strands": {"alpha_inbox": ("alpha:execution_feedback",), "dm_inbox": ("dm:execution_feedback",)},
}
"""The allow-list: who may say what, and whose inbox hears it."""
INBOXES = ("alpha_inbox", "dm_inbox", "trader_inbox")

# The server's own since PostgreSQL 18; before, the same made of the clock and of chance.
NATIVE_ID = "uuidv7()::text"
OWN_ID = (
    "encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) placing substring(int8send("
    "floor(extract(epoch from clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6), 52, 1), 53, 1), 'hex')::uuid::text"
)

MODULES = """
    create table strand_modules (
        module text not null check (module in ('alpha', 'dm', 'trader')),
        account text not null check (account <> ''),
        name text not null check (name <> ''),
        worker text not null check (worker <> ''),
        started_at timestamptz not null default clock_timestamp(),
        seen_at timestamptz not null default clock_timestamp(),
        primary key (module, account, name)
    )
"""

# The number changes when older code could no longer read or write the tables.
PROTOCOL = (
    "create table strand_protocol (version integer primary key)",
    "insert into strand_protocol values (1)",
)


def strands_table(table: str, new_id: str) -> str:
    documents = "".join(
        f"{name} jsonb check (jsonb_typeof({name}) = 'object'), " for name in DOCUMENTS[table]
    )
    numbers = "".join(f"{column}, " for column in COLUMNS[table])
    return f"""
        create table {table} (
            id text primary key default {new_id} check (id <> ''),
            module text not null default '{MODULE[table]}' check (module = '{MODULE[table]}'),
            kind text not null check (kind <> ''),
            symbol text, timeframe text, session_bucket text, regime text,
            {numbers}
            {documents}
            tags jsonb not null default '[]' check (jsonb_typeof(tags) = 'array'),
            created_at timestamptz not null default clock_timestamp(),
            updated_at timestamptz not null default clock_timestamp()
        )
    """


def inbox_table(inbox: str) -> str:
    tags = [tag for routes in ROUTES.values() for tag in routes.get(inbox, ())]
    sources = [table for table, routes in ROUTES.items() if inbox in routes]
    return f"""
        create table {inbox} (
            seq bigint generated always as identity primary key,
            account text not null,
            recipient text not null,
            sender text,
            source text not null check (source in ({listed(sources)})),
            strand_id text not null,
            tag text not null check (tag in ({listed(tags)})),
            high boolean not null,
            deadline timestamptz,
            state text not null default 'waiting'
                check (state in ('waiting', 'claimed', 'done', 'expired', 'failed')),
            worker text,
            attempts integer not null default 0 check (attempts >= 0),
            due_at timestamptz not null default 'epoch',
            error text,
            added_at timestamptz not null default clock_timestamp(),
            ended_at timestamptz,
            unique (strand_id, tag, recipient),
            check ((state in ('waiting', 'claimed')) = (ended_at is null)),
            check ((state = 'claimed') <= (worker is not null))
        ) with (fillfactor = 80)
    """


def listed(words: list[str] | tuple[str, ...]) -> str:
    return ", ".join(f"'{word}'" for word in words)


# One index each to find what waits, to look through tags, to clean; and what may be said once only: one plan a
# signal of an alpha, one verdict and one order to the trader a plan.
_SAID = """coalesce(jsonb_path_query_first(tags, '$[*] ? (@ starts with "{word}:")'), '""')"""
INDEXES = (
    *(
        f"create index waiting_in_{inbox} on {inbox} (account, recipient, high desc, seq)"
        " where state in ('waiting', 'claimed')"
        for inbox in INBOXES
    ),
    *(f"create index idx_{table}_tags on {table} using gin (tags jsonb_path_ops)" for table in ROUTES),
    *(f"create index idx_{table}_created_at on {table} (created_at desc)" for table in ROUTES),
    f"""
    create unique index one_plan_a_signal on ad_strands
        ((trading_plan ->> 'signal_id'), ({_SAID.format(word="account")}), ({_SAID.format(word="from")}))
        where kind = 'signal'
    """,
    """
    create unique index one_answer_a_plan on dm_strands
        (kind, (jsonb_path_query_first(tags, '$[*] ? (@ starts with "original_strand:")')))
        where kind in ('decision', 'execution_plan')
    """,
)

# `original` names an alpha's plan or what became of it: either is found in the inbox that it went to.
_SENDER = """
    coalesce(
        (select i.sender from dm_inbox i where i.strand_id = said.original and i.tag = 'dm:evaluate_plan'),
        (select i.sender from trader_inbox i where i.strand_id = said.original and i.tag = 'trader:execute_plan'))
"""
# Feedback goes to the alpha that asked; what answers nobody, or a plan long forgotten, to every alpha of the account.
_ALPHAS = f"""
    cross join lateral (select {_SENDER} as sender) origin
    cross join lateral (
        select origin.sender as recipient where origin.sender is not null
        union all
        select m.name from strand_modules m
            where origin.sender is null and m.module = 'alpha' and m.account = said.account
    ) alphas
"""
_WORD = r"'^(timeout:[0-9]{1,8}|(original_strand|account|from):\S(.{0,98}\S)?)$'"


def read_tags(table: str, rows: str) -> str:
    """Each new strand's tags, in one pass over them, in the order in which strands were written."""
    allowed = [tag for tags in ROUTES[table].values() for tag in tags]
    known = listed([*allowed, "priority:high", "error:processing_failed", "error:expired"])
    heard = "".join(f"bool_or(word = '{tag}') as for_{inbox}, " for inbox, (tag,) in ROUTES[table].items())
    return f"""
        select added.id, tags.* from {rows} cross join lateral (
            select {heard}
                bool_or(word = 'priority:high') as high,
                max(substr(word, 9)) filter (where word like 'timeout:%') as timeout_s,
                max(substr(word, 17)) filter (where word like 'original_strand:%') as original,
                coalesce(max(substr(word, 9)) filter (where word like 'account:%'), 'main') as account,
                max(substr(word, 6)) filter (where word like 'from:%') as sender,
                max(coalesce(quote_literal(word), 'null')) filter (
                    where word is null or not (word in ({known}) or word ~ {_WORD})) as wrong
            from jsonb_array_elements_text(added.tags) as word
        ) tags
    """


def delivery(table: str, inbox: str) -> str:
    """Put what is tagged so into an inbox."""
    (tag,) = ROUTES[table][inbox]
    origin, recipient, sender = "", f"'{inbox.removesuffix('_inbox')}'", "null"
    if inbox == "alpha_inbox":
        origin, recipient, sender = _ALPHAS, "alphas.recipient", "origin.sender"
    elif table == "ad_strands":
        sender = "coalesce(said.sender, 'alpha')"
    elif inbox == "trader_inbox":
        sender = _SENDER
    return f"""
        into_{inbox} as (
            insert into {inbox} (account, recipient, sender, source, strand_id, tag, high, deadline)
            select said.account, {recipient}, {sender}, '{table}', said.id, '{tag}', said.high,
                clock_timestamp() + make_interval(secs => said.timeout_s::integer)
            from said {origin}
            where said.for_{inbox} and said.wrong is null
            on conflict (strand_id, tag, recipient) do nothing
            returning 1
        )
    """


def trigger_function(name: str, table: str, rows: str) -> str:
    inboxes = ROUTES[table]
    hints = "".join(
        f"if put.{inbox} then perform pg_notify('{tag.replace(':', '_')}', ''); end if; "
        for inbox, (tag,) in inboxes.items()
    )
    return f"""
        create function {name}() returns trigger language plpgsql security definer as $$
        declare
            put record;
        begin
            with said as materialized ({read_tags(table, rows)}),
            {", ".join(delivery(table, inbox) for inbox in inboxes)}
            select wrong.id as strand, wrong.wrong,
                {", ".join(f"exists (select from into_{inbox}) as {inbox}" for inbox in inboxes)}
            into put
            from (select 1) once left join lateral (
                select said.id, said.wrong from said where said.wrong is not null limit 1) wrong on true;
            if put.wrong is not null then
                raise exception '{table} may not say % (strand %)', put.wrong, put.strand
                    using errcode = 'check_violation';
            end if;
            {hints}
            return null;
        end $$
    """


def triggers(table: str) -> tuple[str, ...]:
    """A whole statement's new rows at once; of an update, a row whose tags became others."""
    return (
        trigger_function(f"deliver_{table}", table, "added"),
        trigger_function(f"deliver_tagged_{table}", table, "(select new.id as id, new.tags as tags) added"),
        f"""
        create trigger delivered after insert on {table} referencing new table as added
            for each statement execute function deliver_{table}()
        """,
        f"""
        create trigger delivered_when_tagged after update of tags on {table}
            for each row when (new.tags is distinct from old.tags) execute function deliver_tagged_{table}()
        """,
    )


# What is marked is marked in the strand's own table, once; what was done stays done.
MARKS = (
    f"""
    create function mark_strand() returns trigger language plpgsql security definer as $$
    declare
        mark constant text := case new.state when 'expired' then 'error:expired' else 'error:processing_failed' end;
    begin
        {
        "".join(
            f'''
        if new.source = '{table}' then
            update {table} set tags = tags || to_jsonb(mark), updated_at = clock_timestamp()
                where id = new.strand_id and not tags @> to_jsonb(mark);
        end if;'''
            for table in ROUTES
        )
    }
        return null;
    end $$
    """,
    """
    create function refuse_undoing() returns trigger language plpgsql as $$
    begin
        raise exception 'strand % is % already: it cannot become %', old.strand_id, old.state, new.state
            using errcode = 'integrity_constraint_violation';
    end $$
    """,
    *(
        f"""
        create trigger marked after update of state on {inbox} for each row
            when (new.state in ('expired', 'failed') and old.state <> new.state) execute function mark_strand()
        """
        for inbox in INBOXES
    ),
    *(
        f"""
        create trigger final before update of state on {inbox} for each row
            when (old.state in ('done', 'expired') and old.state <> new.state) execute function refuse_undoing()
        """
        for inbox in INBOXES
    ),
)

OWN_TABLES_ONLY = """
    do $$
    declare each text;
    begin
        foreach each in array array[
            'mark_strand()', 'refuse_undoing()',
            'deliver_ad_strands()', 'deliver_dm_strands()', 'deliver_tr_strands()',
            'deliver_tagged_ad_strands()', 'deliver_tagged_dm_strands()', 'deliver_tagged_tr_strands()']
        loop
            execute format('alter function %s set search_path = pg_catalog, %I, pg_temp', each, current_schema());
            execute format('revoke execute on function %s from public', each);
        end loop;
    end $$
"""


def upgrade() -> None:
    version = op.get_bind().execute(text("show server_version_num")).scalar_one()
    new_id = NATIVE_ID if int(version) >= 180_000 else OWN_ID
    tables = [strands_table(table, new_id) for table in ROUTES] + [inbox_table(inbox) for inbox in INBOXES]
    delivered = [statement for table in ROUTES for statement in triggers(table)]
    connection = op.get_bind()
    for statement in (MODULES, *PROTOCOL, *tables, *INDEXES, *delivered, *MARKS, OWN_TABLES_ONLY):
        # As it stands: a colon before a word is no parameter here, nor a per cent sign.
        connection.exec_driver_sql(statement.replace("%", "%%"))
