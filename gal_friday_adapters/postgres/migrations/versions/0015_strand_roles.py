"""Who may write which strands, and how long they are kept.

A login of each module is an engine's, and may besides write its own table and claim from its own inbox; nothing
more. Ids and times are not among the columns that it may write: those are the server's.
"""

from alembic import op
from sqlalchemy import text

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_COMMON = "kind, symbol, timeframe, session_bucket, regime, tags"
WRITES = {
    "alpha": (
        f"ad_strands {_COMMON}, sig_sigma, sig_confidence, sig_direction, trading_plan, signal_pack, dsi_evidence,"
        " regime_context, event_context, module_intelligence, curator_feedback"
    ),
    "dm": (
        f"dm_strands {_COMMON}, dm_alpha, dm_budget, dm_decision, risk_metrics, portfolio_impact, asymmetries,"
        " curator_decisions"
    ),
    "trader": (
        f"tr_strands {_COMMON}, tr_execution, tr_outcome, tr_venue_performance, tr_slippage, tr_latency, tr_fills"
    ),
}
"""The table of each module, and the columns that it fills."""
_CLAIMS = "state, worker, attempts, due_at, error, ended_at"

_GRANT = """
    create function grant_strand_roles() returns text[] language plpgsql set search_path = pg_catalog, pg_temp as $$
    declare
        here constant text := {schema};
        said record;
        found text[] := '{}';
    begin
        for said in values {writes} loop
            if not exists (select from pg_roles where rolname = said.column1) then
                begin
                    execute format('create role %I nologin', said.column1);
                exception
                    when duplicate_object or unique_violation then null;  -- another database was quicker
                    when insufficient_privilege then
                        raise notice 'role % is missing: create it, then call grant_roles()', said.column1;
                        continue;
                end;
            end if;
            found := found || said.column1;
            begin
                execute format('grant gal_friday_engine to %I', said.column1);
            exception
                when insufficient_privilege or undefined_object then
                    raise notice '% cannot be made a member of gal_friday_engine here: an administrator must', said.column1;
            end;
            execute format('grant usage on schema %s to %I', here, said.column1);
            execute format('grant select on all tables in schema %s to %I', here, said.column1);
            execute format('grant insert (%s) on %s.%I to %I', said.column3, here, said.column2, said.column1);
            execute format('grant update ({claims}) on %s.%I to %I', here, said.column4, said.column1);
            execute format('grant insert, update on %s.strand_modules to %I', here, said.column1);
            if said.column2 <> 'ad_strands' then
                execute format('grant insert on %s.strand_told to %I', here, said.column1);
            end if;
            if said.column2 = 'dm_strands' then
                execute format('grant execute on function %s.clean_strands(integer) to %I', here, said.column1);
            end if;
        end loop;
        return found;
    end $$
"""

# `grant_roles()` grants these too, whoever calls it later.
_GRANT_ALL = """
    do $$
    declare
        old constant text := pg_get_functiondef('grant_roles()'::regprocedure);
        new constant text := replace(old, 'return found;', format('return found || %s.grant_strand_roles();', {schema}));
    begin
        if new = old then
            raise exception 'grant_roles() is not the one that this migration knows';
        end if;
        execute new;
    end $$
"""

_UNANSWERED = """
    exists (select from {inbox} i where i.strand_id = s.id and i.state in ('waiting', 'claimed'))
"""
# An order to the trader is finished when a report of its end was written, which names it or its plan; one that was
# given up, at once.
_RUNNING = """
    s.kind = 'execution_plan' and exists (select from trader_inbox i where i.strand_id = s.id and i.state = 'done')
    and not exists (
        select from tr_strands t
        where t.original in (s.id, s.original)
            and t.tr_outcome ->> 'order_status' in ('FILLED', 'CANCELED', 'REJECTED', 'EXPIRED', 'ERROR'))
"""
# A line that waits to be told keeps those behind it; of the others the last one that goes stays, and stands for all.
_FORGET = """
    create function forget_told(before timestamptz) returns void language plpgsql as $$
    declare
        whose uuid;
        upto bigint;
        waits bigint;
    begin
        for whose in select distinct session from strand_told loop
            select min(j.seq) into waits from journal j
                where j.session = whose and j.kind in (select t.kind from strand_told t where t.session = whose)
                    and j.seq > coalesce((select t.line from strand_told t where t.session = whose and t.through), 0)
                    and not exists (select from strand_told t where t.session = whose and t.line = j.seq);
            select max(t.line) into upto from strand_told t
                where t.session = whose and t.told_at < before and (waits is null or t.line < waits);
            delete from strand_told t where t.session = whose and t.line < upto;
            update strand_told t set through = true where t.session = whose and t.line = upto and not t.through;
        end loop;
    end $$
"""
# What refers to another goes first. The row of an inbox outlives its strand: feedback on a position that is held
# for months still finds the alpha that asked, and what was delivered once is not delivered again.
_CLEAN = f"""
    create function clean_strands(days integer) returns bigint language plpgsql security definer as $$
    declare
        before timestamptz;
        gone bigint;
        removed bigint := 0;
    begin
        if days is null or days < 1 then
            raise exception 'strands are kept for a day at least, not %', days using errcode = 'check_violation';
        end if;
        before := clock_timestamp() - make_interval(days => days);
        delete from dm_strands s where s.created_at < before
            and not {_UNANSWERED.format(inbox="alpha_inbox")} and not {_UNANSWERED.format(inbox="trader_inbox")}
            and not ({_RUNNING});
        get diagnostics gone = row_count;
        removed := removed + gone;
        delete from tr_strands s where s.created_at < before
            and not {_UNANSWERED.format(inbox="alpha_inbox")} and not {_UNANSWERED.format(inbox="dm_inbox")}
            and not exists (select from dm_strands d
                where d.id = s.original and d.kind = 'execution_plan');
        get diagnostics gone = row_count;
        removed := removed + gone;
        delete from ad_strands s where s.created_at < before
            and not {_UNANSWERED.format(inbox="dm_inbox")}
            and not exists (select from dm_strands d where d.original = s.id);
        get diagnostics gone = row_count;
        removed := removed + gone;
        perform forget_told(before);
        before := clock_timestamp() - make_interval(days => greatest(days, 400));
        delete from alpha_inbox where ended_at < before;
        delete from dm_inbox i where ended_at < before and not exists (select from ad_strands s where s.id = i.strand_id);
        delete from trader_inbox i where ended_at < before and not exists (select from dm_strands s where s.id = i.strand_id);
        return removed;
    end $$
"""

_OWN_TABLES_ONLY = """
    do $$
    begin
        execute format('alter function clean_strands(integer) set search_path = pg_catalog, %I, pg_temp', current_schema());
        execute format('alter function forget_told(timestamptz) set search_path = pg_catalog, %I, pg_temp', current_schema());
    end $$
"""


def _written() -> str:
    rows = []
    for module, writes in WRITES.items():
        table, _, columns = writes.partition(" ")
        rows.append(f"('gal_friday_{module}', '{table}', '{columns}', '{module}_inbox')")
    return ", ".join(rows)


def upgrade() -> None:
    connection = op.get_bind()
    schema = connection.execute(text("select quote_literal(quote_ident(current_schema()))")).scalar_one()
    grant = _GRANT.replace("{writes}", _written()).replace("{claims}", _CLAIMS)
    for statement in (
        _FORGET,
        _CLEAN,
        _OWN_TABLES_ONLY,
        grant.replace("{schema}", schema),
        "revoke execute on function clean_strands(integer), forget_told(timestamptz), grant_strand_roles() from public",
        _GRANT_ALL.replace("{schema}", schema),
        "select grant_roles()",
    ):
        connection.exec_driver_sql(statement.replace("%", "%%"))
