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


def _insert(table: Table) -> str:
    columns = _columns(table)
    names = ", ".join(columns)
    typed = ", ".join(
        f"{name} {_KIND_OF.get(name, 'text' if name in _TEXTS else 'jsonb')}" for name in columns
    )
    return (
        f"insert into {table} ({names}) select {names} from jsonb_to_recordset(%(strands)s::jsonb) as said({typed}) "  # noqa: S608 - words of ours
        "on conflict do nothing returning id"
    )


WRITE: Final[Mapping[Table, str]] = {table: _insert(table) for table in KINDS}
"""Ids of what was written, in the order given; what the protocol lets be said once, and was said, is left out."""

_SAID = """coalesce(jsonb_path_query_first({tags}, '$[*] ? (@ starts with "{word}:")'), '""')"""


def _same(word: str) -> str:
    return f"{_SAID.format(tags='tags', word=word)} = {_SAID.format(tags='%(tags)s::jsonb', word=word)}"


SAID_BEFORE: Final[Mapping[Table, str]] = {
    "ad_strands": (
        "select id from ad_strands where kind = 'signal' and trading_plan ->> 'signal_id' = %(signal)s "  # noqa: S608 - words of ours
        f"and {_same('account')} and {_same('from')}"
    ),
    "dm_strands": (
        "select id from dm_strands where kind = %(kind)s and kind in ('decision', 'execution_plan') "  # noqa: S608 - words of ours
        f"and {_same('original_strand')}"
    ),
    "tr_strands": "select id from tr_strands where false",
}
"""The strand that stands in the way of one that was left out."""

READ: Final[Mapping[Table, str]] = {
    table: f"select to_jsonb(s) as strand from {table} s where id = %(id)s"  # noqa: S608 - words of ours
    for table in KINDS
}
RECENT: Final[Mapping[Table, str]] = {
    table: (
        f"select to_jsonb(s) as strand from {table} s where tags @> %(tags)s::jsonb "  # noqa: S608 - words of ours
        "order by created_at desc, id desc limit %(limit)s"
    )
    for table in KINDS
}

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
    """`claim` takes what is due, the urgent first; what failed before comes alone, so that it harms no others."""
    return InboxStatements(
        claim=f"""
            with due as (
                select seq, attempts, high from {inbox}
                where account = %(account)s and recipient = %(name)s and state in ('waiting', 'claimed')
                    and due_at <= clock_timestamp()
                order by high desc, seq limit %(limit)s for update skip locked
            ), placed as (
                select seq, attempts, row_number() over urgency as place, first_value(attempts) over urgency as first
                from due window urgency as (order by high desc, seq)
            )
            update {inbox} i set state = 'claimed', worker = %(worker)s, attempts = i.attempts + 1,
                due_at = clock_timestamp() + make_interval(secs => %(lease_s)s)
            from placed p
            where i.seq = p.seq and (p.place = 1 or (p.first = 0 and p.attempts = 0))
            returning i.seq, i.source, i.strand_id, i.tag, i.high, i.attempts, i.sender
        """,  # noqa: S608 - words of ours
        lock=f"""
            select seq, attempts, extract(epoch from deadline - clock_timestamp())::float8 as remaining_s,
                case source
                    when 'ad_strands' then (select to_jsonb(s) from ad_strands s where s.id = strand_id)
                    when 'dm_strands' then (select to_jsonb(s) from dm_strands s where s.id = strand_id)
                    when 'tr_strands' then (select to_jsonb(s) from tr_strands s where s.id = strand_id)
                end as strand
            from (select set_config('synchronous_commit', 'on', true)) durable, {inbox} held
            where seq = any (%(seqs)s) and state = 'claimed' and worker = %(worker)s and attempts = %(attempts)s
            order by high desc, seq for update of held
        """,  # noqa: S608 - words of ours
        end=f"""
            update {inbox} i set state = said.state, error = said.error, ended_at = clock_timestamp()
            from jsonb_to_recordset(%(ends)s::jsonb) as said(seq bigint, state text, error text)
            where i.seq = said.seq and i.state = 'claimed' and i.worker = %(worker)s
        """,  # noqa: S608 - words of ours
        again=f"""
            update {inbox} i set state = 'waiting', error = said.error,
                due_at = clock_timestamp() + make_interval(secs => said.after_s)
            from jsonb_to_recordset(%(again)s::jsonb) as said(seq bigint, error text, after_s float8)
            where i.seq = said.seq and i.state = 'claimed' and i.worker = %(worker)s
        """,  # noqa: S608 - words of ours
        give_back=f"""
            update {inbox} set state = 'waiting', attempts = greatest(attempts - 1, 0), due_at = clock_timestamp()
            where account = %(account)s and recipient = %(name)s and state = 'claimed' and worker = %(worker)s
        """,  # noqa: S608 - words of ours
        take_over=f"""
            update {inbox} set state = 'waiting', due_at = clock_timestamp() where seq in (
                select seq from {inbox} where account = %(account)s and recipient = %(name)s and state = 'claimed'
                    and worker <> %(worker)s for update skip locked)
        """,  # noqa: S608 - words of ours
        depth=f"""
            select count(*) as waiting, extract(epoch from clock_timestamp() - min(added_at))::float8 as oldest_s
            from {inbox} where account = %(account)s and recipient = %(name)s and state in ('waiting', 'claimed')
        """,  # noqa: S608 - words of ours
        took=f"""
            select percentile_disc(array[0.5, 0.99]) within group (order by took) as times from (
                select extract(epoch from ended_at - added_at)::float8 as took from {inbox}
                where seq > (select max(seq) from {inbox}) - 2000 and account = %(account)s and recipient = %(name)s
                    and state = 'done'
            ) latest
        """,  # noqa: S608 - words of ours
    )


INBOX: Final[Mapping[Module, InboxStatements]] = {module: _inbox(table) for module, table in INBOXES.items()}
