"""What became of plans, out of the strands: read-only, for those who learn from it. Entry point: `StrandFeedback`.

Retention removes finished strands, so whoever needs them for longer keeps what is read here.
"""

from typing import Final

from gal_friday_adapters.postgres.database import Database
from gal_friday_core.strands.feedback import Decision, Execution, Row, decision_of, execution_of

# A verdict and a report name their plan by the tag `original_strand:ID`, which is a column too (0014).
_DECISIONS: Final = """
select to_jsonb(a) as plan, to_jsonb(d) as verdict,
    (extract(epoch from a.created_at) * 1000000)::bigint * 1000 as planned_ns,
    (extract(epoch from d.created_at) * 1000000)::bigint * 1000 as decided_ns
from ad_strands a
    left join dm_strands d on d.kind = 'decision' and d.original = a.id
where a.kind = 'signal' and a.symbol = %(pair)s and a.timeframe = %(interval)s
    and a.created_at >= to_timestamp(%(start)s::float8) and a.created_at < to_timestamp(%(end)s::float8)
order by a.created_at, a.id
"""
_EXECUTIONS: Final = """
select to_jsonb(t) as report, to_jsonb(a) as plan,
    (extract(epoch from a.created_at) * 1000000)::bigint * 1000 as planned_ns,
    (extract(epoch from d.created_at) * 1000000)::bigint * 1000 as decided_ns,
    (extract(epoch from t.created_at) * 1000000)::bigint * 1000 as reported_ns,
    (extract(epoch from (t.tr_execution ->> 'timestamp_exchange')::timestamptz) * 1000000)::bigint * 1000 as exchange_ns
from tr_strands t
    left join ad_strands a on a.kind = 'signal' and a.id = t.original
    left join dm_strands d on d.kind = 'decision' and d.original = a.id
where t.kind = 'execution' and t.symbol = %(pair)s and coalesce(a.timeframe, t.timeframe) = %(interval)s
    and t.created_at >= to_timestamp(%(start)s::float8) and t.created_at < to_timestamp(%(end)s::float8)
order by t.created_at, t.id
"""


class StrandFeedback:
    """Of one pair at one interval. Raises StorageError where the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def decisions(self, pair: str, interval: str, start_ns: int, end_ns: int) -> list[Decision]:
        """Plans written in [start_ns, end_ns) by the server's clock, in that order, each with its verdict."""
        return [decision_of(row) for row in await self._rows(_DECISIONS, pair, interval, start_ns, end_ns)]

    async def executions(self, pair: str, interval: str, start_ns: int, end_ns: int) -> list[Execution]:
        """Reports told in [start_ns, end_ns), each with the plan that it goes back to."""
        return [execution_of(row) for row in await self._rows(_EXECUTIONS, pair, interval, start_ns, end_ns)]

    async def _rows(self, statement: str, pair: str, interval: str, start_ns: int, end_ns: int) -> list[Row]:
        values = {"pair": pair, "interval": interval, "start": start_ns / 1e9, "end": end_ns / 1e9}
        async with self._database.connection() as connection:
            return list(await (await connection.execute(statement, values)).fetchall())
