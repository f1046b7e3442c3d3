"""Every statement that strands need, made once of words that stand here: a message can never become one.

Strands go in as one JSON document, so a statement is the same for one and for many.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from gal_friday_core.strands.strands import KINDS, Table
from gal_friday_core.strands.tags import Module

INBOXES: Final[Mapping[Module, str]] = {"alpha": "alpha_inbox", "dm": "dm_inbox", "trader": "trader_inbox"}

PROTOCOL: Final = "select version from strand_protocol"
"""Which form the tables have."""

_SERVERS = ("id", "module", "created_at", "updated_at")
_KIND_OF = {"sig_sigma": "float8", "sig_confidence": "float8"}
_TEXTS = ("kind", "symbol", "timeframe", "session_bucket", "regime", "sig_direction")


def _columns(table: Table) -> tuple[str, ...]:
    """Those that a module fills itself."""
    return tuple(name for name in KINDS[table].__struct_fields__ if name not in _SERVERS)


_ONCE: Final[Mapping[Table, str]] = {
    "ad_strands": "on conflict ((trading_plan ->> 'signal_id'), account, sender) where kind = 'signal' do nothing",
    "dm_strands": (
        "on conflict (original, kind, (case when kind in ('decision', 'execution_plan') then '' else id end)) "
        "where original is not null do nothing"
    ),
    "tr_strands": "",
}
"""The index that holds what may be said once (0014)."""


def _insert(table: Table, once: str) -> str:
    columns = _columns(table)
    names = ", ".join(columns)
    typed = ", ".join(
        f"{name} {_KIND_OF.get(name, 'text' if name in _TEXTS else 'jsonb')}" for name in columns
    )
    given = names.replace("tags", "coalesce(tags, '[]')")  # what is as it always is does not travel
    return (
        f"insert into {table} ({names}) select {given} from jsonb_to_recordset(%(strands)s::jsonb) as said({typed}) "  # noqa: S608 - words of ours
        f"{once} returning id"
    )


SAY: Final[Mapping[Table, str]] = {table: _insert(table, "") for table in KINDS}
"""Ids of what was written, in the order given; none of it, and an error, where the protocol lets it be said once and it was."""
WRITE: Final[Mapping[Table, str]] = {table: _insert(table, _ONCE[table]) for table in KINDS}
"""Ids of what was written, in the order given; what the protocol lets be said once, and was said, is left out."""

SAID_BEFORE: Final[Mapping[Table, str]] = {
    "ad_strands": (
        "select id from ad_strands where kind = 'signal' and trading_plan ->> 'signal_id' = %(signal)s "
        "and account = %(account)s and sender = %(sender)s"
    ),
    "dm_strands": (
        "select id from dm_strands where kind = %(kind)s and kind in ('decision', 'execution_plan') "
        "and original = %(original)s"
    ),
    "tr_strands": "select id from tr_strands where false",
}
"""The strand that stands in the way of one that was left out."""

READ: Final[Mapping[Table, str]] = {
    table: f"select to_jsonb(s) as strand from {table} s where id = %(id)s"  # noqa: S608 - words of ours
    for table in KINDS
}
_RECENT: Final = "select to_jsonb(s) as strand from {table} s where {narrow} tags @> %(tags)s::jsonb order by id desc limit %(limit)s"
RECENT: Final[Mapping[Table, str]] = {table: _RECENT.format(table=table, narrow="") for table in KINDS}
"""The newest first, which is what ids are in the order of: found from the end."""
ANSWERING: Final[Mapping[Table, str]] = {
    table: _RECENT.format(table=table, narrow="original = %(original)s and") for table in KINDS
}
"""The same of those that answer one strand."""

REGISTER: Final = """
insert into strand_modules (module, account, name, worker) values (%(module)s, %(account)s, %(name)s, %(worker)s)
on conflict (module, account, name) do update set worker = excluded.worker, started_at = clock_timestamp(),
    seen_at = clock_timestamp()
"""
SEEN: Final = """
update strand_modules set seen_at = clock_timestamp()
where module = %(module)s and account = %(account)s and name = %(name)s and worker = %(worker)s
"""

CLEAN: Final = "select clean_strands(%(days)s) as removed"


class InboxStatements(msgspec.Struct, frozen=True):
    """The statements of one inbox. A claim is known by its row, its worker and its attempt: the fence."""

    claim: str
    lock: str
    end: str
    again: str
    give_back: str
    take_over: str
    depth: str
    took: str


def _inbox(inbox: str) -> InboxStatements:
    """`claim` takes what is due, the urgent first; what failed before comes alone, so that it harms no others.

    All of them look at what has not ended, in the one index that has it: a claim changes nothing that is indexed. Rows are
    named by an array, never joined: whatever the planner knows of the table, each is looked up.
    """
    mine = "i.account = %(account)s and i.recipient = %(name)s and i.ended_at is null"
    these = f"{mine} and i.high = any ('{{false,true}}')"
    return InboxStatements(
        claim=f"""
            with due as (
                select seq, attempts, high from {inbox} i where {mine} and due_at <= clock_timestamp()
                order by high desc, seq limit %(limit)s for update skip locked
            ), placed as (
                select seq, attempts, row_number() over urgency as place, first_value(attempts) over urgency as first
                from due window urgency as (order by high desc, seq)
            )
            update {inbox} i set state = 'claimed', worker = %(worker)s, attempts = i.attempts + 1,
                due_at = clock_timestamp() + make_interval(secs => %(lease_s)s)
            where {these} and i.seq = any (array(
                select seq from placed where place = 1 or (first = 0 and attempts = 0)))
            returning i.seq, i.source, i.strand_id, i.tag, i.high, i.attempts, i.sender
        """,  # noqa: S608 - words of ours
        lock=f"""
            select seq, attempts, extract(epoch from deadline - clock_timestamp())::float8 as remaining_s,
                case source
                    when 'ad_strands' then (select to_jsonb(s) from ad_strands s where s.id = strand_id)
                    when 'dm_strands' then (select to_jsonb(s) from dm_strands s where s.id = strand_id)
                    when 'tr_strands' then (select to_jsonb(s) from tr_strands s where s.id = strand_id)
                end as strand
            from (select set_config('synchronous_commit', 'on', true)) durable, {inbox} i
            where {these} and seq = any (%(seqs)s) and state = 'claimed' and worker = %(worker)s and attempts = %(attempts)s
            order by high desc, seq for update of i
        """,  # noqa: S608 - words of ours
        end=f"""
            update {inbox} i set state = said.state, error = said.error, ended_at = clock_timestamp()
            from jsonb_to_recordset(%(ends)s::jsonb) as said(seq bigint, state text, error text)
            where {these} and i.seq = any (%(seqs)s) and i.seq = said.seq and i.state = 'claimed' and i.worker = %(worker)s
        """,  # noqa: S608 - words of ours
        again=f"""
            update {inbox} i set state = 'waiting', error = said.error,
                due_at = clock_timestamp() + make_interval(secs => said.after_s)
            from jsonb_to_recordset(%(again)s::jsonb) as said(seq bigint, error text, after_s float8)
            where {these} and i.seq = any (%(seqs)s) and i.seq = said.seq and i.state = 'claimed' and i.worker = %(worker)s
        """,  # noqa: S608 - words of ours
        give_back=f"""
            update {inbox} i set state = 'waiting', attempts = greatest(attempts - 1, 0), due_at = clock_timestamp()
            where {mine} and state = 'claimed' and worker = %(worker)s
        """,  # noqa: S608 - words of ours
        take_over=f"""
            update {inbox} i set state = 'waiting', due_at = clock_timestamp() where {these} and i.seq = any (array(
                select seq from {inbox} i where {mine} and state = 'claimed' and worker <> %(worker)s
                for update skip locked))
        """,  # noqa: S608 - words of ours
        depth=f"""
            select count(*) as waiting, extract(epoch from clock_timestamp() - min(added_at))::float8 as oldest_s
            from {inbox} i where {mine}
        """,  # noqa: S608 - words of ours
        took=f"""
            select percentile_disc(array[0.5, 0.99]) within group (order by took) as times from (
                select extract(epoch from ended_at - added_at)::float8 as took
                from (select * from {inbox} order by strand_id desc limit 2000) latest
                where account = %(account)s and recipient = %(name)s and state = 'done'
            ) done
        """,  # noqa: S608 - words of ours
    )


INBOX: Final[Mapping[Module, InboxStatements]] = {module: _inbox(table) for module, table in INBOXES.items()}
