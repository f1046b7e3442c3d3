"""Strands: what alpha, decision maker and trader tell each other, and the inbox of each (004 and its errata).

A strand's tags put it into inboxes in the transaction that writes it; the notification is a hint only, empty, and
once a transaction. Deadlines are the server's. Which table may say which tag stands in the triggers; who may write
which table in 0015.

Writing is the hot path, so each strand is looked at once: whom it is about and what it answers are columns that the
server makes of the tags, a table has one check, and an inbox two indexes.
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


BLANKS = r"E' \t\n\r\f\v'"


def said(word: str) -> str:
    """What a tag of the form WORD:VALUE says; null where there is none."""
    first = f"""jsonb_path_query_first(tags, 'strict $[*] ? (@ starts with "{word}:")', '{{}}', true)"""
    return f"substr({first} #>> '{{}}', {len(word) + 2})"


# Whose orders a strand is about, which alpha says it, and what it answers: in the tags, and as columns of the server's.
USUAL = {"account": "main", "sender": "alpha"}
ALPHAS = {
    "account": f"coalesce({said('account')}, '{USUAL['account']}')",
    "sender": f"coalesce({said('from')}, '{USUAL['sender']}')",
    "original": said("original_strand"),
}
MADE = {
    "ad_strands": ALPHAS,
    "dm_strands": {**ALPHAS, "sender": said("from")},
    "tr_strands": {**ALPHAS, "sender": said("from")},
}

# Of whose journal which lines the others were told: written with the strand, under the fence of the session's lease. All
# lines up to the one that is marked `through` were.
TOLD = (
    """
    create table strand_told (
        session uuid not null references sessions,
        line bigint not null,
        kind text not null check (kind <> ''),
        strand text,
        fence bigint,
        through boolean not null default false,
        told_at timestamptz not null default clock_timestamp(),
        primary key (session, line)
    )
    """,
    "create unique index told_through on strand_told (session) where through",
    """
    create trigger fenced before insert on strand_told
        for each row when (new.fence is not null) execute function refuse_stale_fence()
    """,
)


def well_named(column: str) -> str:
    well = f"length({column}) between 1 and 100 and {column} = btrim({column}, {BLANKS})"
    return f"{column} = '{USUAL[column]}' or {well}" if column in USUAL else well


def strands_table(table: str, new_id: str) -> str:
    documents = "".join(f"{name} jsonb, " for name in DOCUMENTS[table])
    numbers = "".join(f"{column}, " for column in COLUMNS[table])
    made = "".join(f"{name} text generated always as ({how}) stored, " for name, how in MADE[table].items())
    objects = "".join(f" and jsonb_typeof({name}) = 'object'" for name in DOCUMENTS[table])
    names = "".join(f" and ({well_named(name)})" for name in MADE[table])
    return f"""
        create table {table} (
            id text primary key default {new_id},
            module text not null default '{MODULE[table]}',
            kind text not null,
            symbol text, timeframe text, session_bucket text, regime text,
            {numbers}
            {documents}
            {made}
            tags jsonb not null default '[]',
            created_at timestamptz not null default clock_timestamp(),
            updated_at timestamptz not null default clock_timestamp(),
            constraint {table}_form check (
                id <> '' and kind <> '' and module = '{MODULE[table]}' and jsonb_typeof(tags) = 'array'
                {objects} {names})
        )
    """


def inbox_table(inbox: str) -> str:
    return f"""
        create table {inbox} (
            seq bigint generated always as identity,
            account text not null,
            recipient text not null,
            sender text,
            source text not null,
            strand_id text not null,
            tag text not null,
            high boolean not null,
            deadline timestamptz,
            state text not null default 'waiting',
            worker text,
            attempts integer not null default 0,
            due_at timestamptz not null default 'epoch',
            error text,
            added_at timestamptz not null default clock_timestamp(),
            ended_at timestamptz,
            primary key (strand_id, recipient, tag),
            constraint {inbox}_form check (
                attempts >= 0 and case
                    when ended_at is null then state = 'waiting' or (state = 'claimed' and worker is not null)
                    else state in ('done', 'expired', 'failed') end)
        ) with (fillfactor = 80)
    """


def listed(words: list[str] | tuple[str, ...]) -> str:
    return ", ".join(f"'{word}'" for word in words)


# What waits, which a claim leaves as it is; what answers a strand; what is old. And what may be said once only: one plan
# a signal of an alpha, one verdict and one order to the trader a plan.
INDEXES = (
    *(
        f"create index waiting_in_{inbox} on {inbox} (account, recipient, high desc, seq) where ended_at is null"
        for inbox in INBOXES
    ),
    *(
        f"create index answers_in_{table} on {table} (original) where original is not null"
        for table in ("ad_strands", "tr_strands")
    ),
    *(
        f"create index written_in_{table} on {table} using brin (created_at) with (autosummarize)"
        for table in ROUTES
    ),
    """
    create unique index one_plan_a_signal on ad_strands ((trading_plan ->> 'signal_id'), account, sender)
        where kind = 'signal'
    """,
    """
    create unique index one_answer_a_plan on dm_strands
        (original, kind, (case when kind in ('decision', 'execution_plan') then '' else id end))
        where original is not null
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


def known(table: str) -> list[str]:
    """Tags without a value that a table may say."""
    own = [tag for tags in ROUTES[table].values() for tag in tags]
    return [*own, "priority:high", "error:processing_failed", "error:expired"]


def all_known(table: str) -> str:
    """As many tags as are known to be among them: each of them is, and stands there once."""
    fixed = [f"(said.tags ? '{tag}')::integer" for tag in known(table)]
    valued = ["said.tags ? ('account:' || said.account)", "said.tags ? ('from:' || said.sender)"]
    valued += ["said.original is not null", f"{said('timeout')} ~ '^[0-9]{{1,8}}$'"]
    counted = [*fixed, *(f"coalesce({each}, false)::integer" for each in valued)]
    return f"jsonb_array_length(said.tags) = {' + '.join(counted)}"


def unknown(table: str) -> str:
    """The first that is not: for the message."""
    right = [f'@ == "{tag}"' for tag in known(table)]
    right += [f'@ starts with "{word}:"' for word in ("original_strand", "account", "from")]
    right += ['@ like_regex "^timeout:[0-9]{1,8}$"']
    path = f"""strict $[*] ? (@.type() != "string" || !({" || ".join(right)}))"""
    return f"coalesce(jsonb_path_query_first(said.tags, '{path}')::text, 'a tag twice')"


def delivery(table: str, inbox: str, rows: str, otherwise: str) -> str:
    """Put what is tagged so into an inbox."""
    (tag,) = ROUTES[table][inbox]
    origin, recipient, sender = "", f"'{inbox.removesuffix('_inbox')}'", "null"
    if inbox == "alpha_inbox":
        origin, recipient, sender = _ALPHAS, "alphas.recipient", "origin.sender"
    elif table == "ad_strands":
        sender = "said.sender"
    elif inbox == "trader_inbox":
        sender = _SENDER
    return f"""
        insert into {inbox} (account, recipient, sender, source, strand_id, tag, high, deadline)
        select said.account, {recipient}, {sender}, '{table}', said.id, '{tag}', said.tags ? 'priority:high',
            clock_timestamp() + make_interval(secs => ({said("timeout")})::integer)
        from {rows} said {origin}
        where said.tags ? '{tag}'
        {otherwise};
        if found then
            perform pg_notify('{tag.replace(":", "_")}', '');
        end if;
    """


def trigger_function(name: str, table: str, rows: str, otherwise: str = "") -> str:
    deliveries = "".join(delivery(table, inbox, rows, otherwise) for inbox in ROUTES[table])
    return f"""
        create function {name}() returns trigger language plpgsql security definer as $$
        declare
            strand text;
            word text;
        begin
            select said.id, {unknown(table)} into strand, word from {rows} said where not ({all_known(table)}) limit 1;
            if found then
                raise exception '{table} may not say % (strand %)', word, strand using errcode = 'check_violation';
            end if;
            {deliveries}
            return null;
        end $$
    """


def triggers(table: str) -> tuple[str, ...]:
    """A whole statement's new rows at once; of an update, a row whose tags became others: what was delivered stays so."""
    return (
        trigger_function(f"deliver_{table}", table, "added"),
        trigger_function(
            f"deliver_tagged_{table}",
            table,
            "(select new.*)",
            "on conflict (strand_id, recipient, tag) do nothing",
        ),
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
    for statement in (MODULES, *PROTOCOL, *TOLD, *tables, *INDEXES, *delivered, *MARKS, OWN_TABLES_ONLY):
        # As it stands: a colon before a word is no parameter here, nor a per cent sign.
        connection.exec_driver_sql(statement.replace("%", "%%"))
