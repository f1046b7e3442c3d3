"""What an operator asks of the strands: how deep each inbox is, who listens, what failed, one plan's story; and a second try.

Reads with fixed statements. `retry` alone changes something: a strand that is marked `error:processing_failed` waits again.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gal_friday_adapters.postgres.database import Connection, Database
from gal_friday_core.errors import ConfigError

Row = Mapping[str, Any]

_DEPTHS = """
select '{inbox}' as inbox, account, recipient,
    count(*) filter (where state = 'waiting') as waiting,
    count(*) filter (where state = 'claimed') as claimed,
    count(*) filter (where state = 'done') as done,
    count(*) filter (where state = 'expired') as expired,
    count(*) filter (where state = 'failed') as failed,
    count(*) filter (where high and state = 'waiting') as urgent,
    extract(epoch from clock_timestamp() - min(added_at) filter (where state in ('waiting', 'claimed')))::float8 as oldest_s,
    percentile_disc(0.99) within group (order by extract(epoch from ended_at - added_at) * 1000)
        filter (where state = 'done' and ended_at > clock_timestamp() - interval '1 hour')::float8 as p99_ms
from {inbox} group by account, recipient
"""
_FAILED = """
select '{inbox}' as inbox, account, recipient, source, strand_id, tag, attempts, error, ended_at
from {inbox} where state = 'failed'
"""
_HANDLED = """
select '{inbox}' as inbox, recipient, tag, state, attempts, worker, error, deadline, added_at, ended_at
from {inbox} where strand_id = %(strand)s
"""
_RETRY = """
update {inbox} set state = 'waiting', ended_at = null, worker = null, attempts = 0, due_at = '-infinity', error = null
where strand_id = %(strand)s and state = 'failed' returning source
"""
# A plan that failed was refused, a command that failed was reported as never carried out: whoever asked has gone on.
_ANSWERED = """
select d.id from dm_strands d
where d.kind = 'decision' and d.original = %(strand)s
union all
select t.id from dm_strands c
    join tr_strands t on t.kind = 'execution' and t.original = %(original)s
where c.id = %(strand)s and c.kind = 'execution_plan'
limit 1
"""
_UNMARK = """
update {source} set tags = tags - 'error:processing_failed', updated_at = clock_timestamp() where id = %(strand)s
"""
INBOXES: Final = ("alpha_inbox", "dm_inbox", "trader_inbox")
SOURCES: Final = ("ad_strands", "dm_strands", "tr_strands")


def _over(parts: Sequence[str], statement: str, named: str) -> str:
    """One statement for all tables of a kind; the names are this module's own."""
    return " union all ".join(statement.replace(named, part) for part in parts)


_ALL_DEPTHS: Final = _over(INBOXES, _DEPTHS, "{inbox}") + " order by inbox, account, recipient"
_ALL_FAILED: Final = _over(INBOXES, _FAILED, "{inbox}") + " order by ended_at desc limit %(most)s"
_RETRIES: Final = tuple(_RETRY.replace("{inbox}", inbox) for inbox in INBOXES)
_UNMARKED: Final = {source: _UNMARK.replace("{source}", source) for source in SOURCES}
_MODULES: Final = """
select module, account, name, worker, started_at,
    extract(epoch from clock_timestamp() - seen_at)::float8 as silent_s
from strand_modules order by module, account, name
"""
HELD: Final = """
    exists (
        select from pg_locks
        where locktype = 'advisory' and granted and objsubid = 1
            and database = (select oid from pg_database where datname = current_database())
            and classid::bigint << 32 | objid::bigint = ('x' || left(replace(l.account::text, '-', ''), 16))::bit(64)::bigint
    )
"""
"""Whether a process has the lock of a lease `l` now."""
_LEASES: Final = f"""
select l.account::text as session, run.record ->> 'role' as role, run.record ->> 'name' as name,
    run.record -> 'series' as series, l.holder, l.token, l.taken_at, {HELD} as held
from engine_lease l left join lateral (
    select record from journal where session = l.account and kind = 'RUN' order by seq desc limit 1
) run on true
order by l.taken_at desc
"""  # noqa: S608 - words of ours
_ROW: Final = """
    select '{source}' as source, id, module, kind, symbol, tags, created_at, jsonb_strip_nulls(to_jsonb({source})) as strand
    from {source}
"""
_BY_ID: Final = _over(SOURCES, _ROW + " where id = %(strand)s", "{source}")
_ANSWERS: Final = _over(SOURCES, _ROW + " where original = %(strand)s", "{source}") + " order by created_at"
_ALL_HANDLED: Final = _over(INBOXES, _HANDLED, "{inbox}") + " order by inbox, tag"
_ORIGINAL = "original_strand:"


class StrandRecords:
    """Raises StorageError where the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def depths(self) -> Sequence[Row]:
        """Each recipient's inbox: counts by state, seconds that the oldest waits, and how soon strands were handled."""
        return await self._all(_ALL_DEPTHS)

    async def modules(self) -> Sequence[Row]:
        """Who listens, and for how many seconds nothing was heard of each."""
        return await self._all(_MODULES)

    async def leases(self) -> Sequence[Row]:
        """Every session's lease, the newest first, which role ran under it last and on what, and whether a process holds it now."""
        return await self._all(_LEASES)

    async def failed(self, most: int = 20) -> Sequence[Row]:
        """The newest that are marked, with what stood against them."""
        return await self._all(_ALL_FAILED, {"most": most})

    async def story(self, strand: str) -> list[dict[str, Any]]:
        """Everything that goes back to one plan, oldest first, each with what became of it in the inboxes.

        Any strand of the story names it. Raises ConfigError for one that is not there.
        """
        async with self._database.connection() as connection:
            first = await self._beginning(connection, strand)
            told, found = [first], {str(first["id"])}
            for row in told:
                for answer in await _rows(connection, _ANSWERS, {"strand": row["id"]}):
                    if answer["id"] not in found:
                        found.add(str(answer["id"]))
                        told.append(answer)
            told.sort(key=lambda row: row["created_at"])
            return [
                {**row, "handled": await _rows(connection, _ALL_HANDLED, {"strand": row["id"]})}
                for row in told
            ]

    async def retry(self, strand: str) -> int:
        """Have a marked strand handled again; in how many inboxes.

        Raises ConfigError where it is not there or not marked, and for a plan or a command that was answered already: who asked
        has gone on, and would be told the contrary.
        """
        values = {"strand": strand}
        async with self._database.transaction() as connection:
            asked = await _one(connection, strand)
            sources = [
                row["source"] for statement in _RETRIES for row in await _rows(connection, statement, values)
            ]
            if not sources:
                raise ConfigError(
                    f"strand {strand} is not marked as failed: gal-friday strands status lists those that are"
                )
            answers = await _rows(
                connection, _ANSWERED, {**values, "original": original_of(asked["tags"]) or ""}
            )
            if answers:
                raise ConfigError(
                    f"strand {strand} was answered by {answers[0]['id']} when it failed: whoever asked has gone on; "
                    "what still holds is proposed anew"
                )
            await connection.execute(_UNMARKED[sources[0]], values)
        return len(sources)

    async def _beginning(self, connection: Connection, strand: str) -> Row:
        """The strand that all others of the story go back to."""
        seen = set[str]()
        row = await _one(connection, strand)
        while (earlier := original_of(row["tags"])) is not None and earlier not in seen:
            seen.add(earlier)
            try:
                row = await _one(connection, earlier)
            except ConfigError:
                return row  # retention took what it answers
        return row

    async def _all(self, statement: str, values: Row | None = None) -> Sequence[Row]:
        async with self._database.connection() as connection:
            return await _rows(connection, statement, values or {})


def original_of(tags: Sequence[str]) -> str | None:
    """The strand that one with these tags answers, if it answers any.

    >>> original_of(["alpha:decision_feedback", "original_strand:7"])
    '7'
    """
    return next((tag.removeprefix(_ORIGINAL) for tag in tags if tag.startswith(_ORIGINAL)), None)


async def _one(connection: Connection, strand: str) -> Row:
    for row in await _rows(connection, _BY_ID, {"strand": strand}):
        return row
    raise ConfigError(f"no strand {strand}: the ids are those of ad_strands, dm_strands and tr_strands")


async def _rows(connection: Connection, statement: str, values: Row) -> Sequence[Row]:
    cursor = await connection.execute(statement, values)
    return await cursor.fetchall()
