"""What the database knows of the drill: strands, inboxes, journals. Its own connections, which a restart may cut."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Self

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.strands.records import original_of
from gal_friday_core.errors import StorageError
from gal_friday_core.strands.tags import ERRORS
from gal_friday_live.strand_drill.crew import application_name
from gal_friday_live.strand_drill.truth import Command, Decision, Evidence, Intent, Plan

Row = Mapping[str, Any]

ANSWERS_WITHIN_S: Final = 60.0
AGAIN_S: Final = 0.1

_DECIDED: Final = "select count(*) as counted from dm_strands where kind = 'decision'"
_HANDLED: Final = """
select (select count(*) from alpha_inbox where state = 'done') as alpha,
    (select count(*) from dm_inbox where state = 'done') as decision,
    (select count(*) from trader_inbox where state = 'done') as trader
"""
_PLANS: Final = """
select s.id, s.tags, s.trading_plan ->> 'signal_id' as signal_id, i.state
from ad_strands s left join dm_inbox i on i.strand_id = s.id and i.tag = 'dm:evaluate_plan'
where s.kind = 'signal' order by s.created_at
"""
_DECISIONS: Final = """
select id, tags, dm_decision ->> 'verdict' = 'approved' as approved from dm_strands where kind = 'decision'
"""
_COMMANDS: Final = """
select s.id, s.tags, s.dm_decision ->> 'signal_id' as signal_id, i.state
from dm_strands s left join trader_inbox i on i.strand_id = s.id and i.tag = 'trader:execute_plan'
where s.kind = 'execution_plan' order by s.created_at
"""
_ANSWERED: Final = """
select distinct tr_execution ->> 'signal_id' as signal_id from tr_strands where kind = 'execution'
"""
_INTENTS: Final = """
select key, record ->> 'signal_id' as signal_id,
    record ->> 'purpose' not in ('ENTRY', 'EXIT') or record ->> 'parent' is not null as protects
from journal
where session = %(session)s and kind = 'ORDER_INTENT' order by seq
"""
_BOOKED: Final = "select key from journal where session = %(session)s and kind = 'FILL' order by seq"
_TOLD: Final = """
select 'alpha' as role, s.tr_execution ->> 'execution_id' as execution_id
from tr_strands s join alpha_inbox i on i.strand_id = s.id and i.state = 'done'
where s.kind = 'execution' and s.tr_execution ->> 'execution_id' is not null
union all
select 'decision', s.tr_execution ->> 'execution_id'
from tr_strands s join dm_inbox i on i.strand_id = s.id and i.state = 'done'
where s.kind = 'execution' and s.tr_execution ->> 'execution_id' is not null
"""
_DISCONNECT: Final = (
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = %(name)s"
)
_LATENCY: Final = """
select heard.name, heard.high,
    percentile_disc(0.5) within group (order by heard.ms) as p50,
    percentile_disc(0.99) within group (order by heard.ms) as p99
from (
    select 'alpha' as name, high, extract(epoch from ended_at - added_at)::float8 * 1000 as ms from alpha_inbox where state = 'done'
    union all
    select 'decision', high, extract(epoch from ended_at - added_at)::float8 * 1000 from dm_inbox where state = 'done'
    union all
    select 'trader', high, extract(epoch from ended_at - added_at)::float8 * 1000 from trader_inbox where state = 'done'
) heard
group by heard.name, heard.high order by heard.name, heard.high
"""


class Witness:
    """`of` opens it. Raises StorageError where the database does not answer; `handled` and `decided` wait until it does."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    @asynccontextmanager
    async def of(cls, url: str) -> AsyncIterator[Self]:
        """Closed on leaving."""
        async with Database(url, size=2) as database:
            yield cls(database)

    async def decided(self) -> int:
        """Plans that were decided about."""
        return int((await self._patiently(_DECIDED))[0]["counted"])

    async def handled(self, role: str) -> int:
        """Strands that a role has handled."""
        return int((await self._patiently(_HANDLED))[0][role])

    async def disconnect(self, name: str) -> int:
        """End every connection of a process but its lease's, which has a name of its own; how many."""
        return len(await self._rows(_DISCONNECT, {"name": application_name(name)}))

    async def latency_ms(self) -> dict[str, dict[str, float]]:
        """From a strand's writing to the end of its handling, outages included, by role and urgency."""
        return {
            f"{row['name']}{' urgent' if row['high'] else ''}": {
                "p50": round(row["p50"], 1), "p99": round(row["p99"], 1),
            }
            for row in await self._rows(_LATENCY)
        }  # fmt: skip

    async def evidence(self, trader_session: str) -> Evidence:
        """What was written; the exchange's side is for others to say."""
        session = {"session": trader_session}
        told: dict[str, list[str]] = {"alpha": [], "decision": []}
        for row in await self._rows(_TOLD):
            told[row["role"]].append(row["execution_id"])
        return Evidence(
            plans=[plan_of(row) for row in await self._rows(_PLANS)],
            decisions=[
                Decision(
                    strand_id=row["id"], plan_id=original_of(row["tags"]) or "", approved=row["approved"]
                )
                for row in await self._rows(_DECISIONS)
            ],
            commands=[command_of(row) for row in await self._rows(_COMMANDS)],
            answered=frozenset(row["signal_id"] for row in await self._rows(_ANSWERED)),
            intents=[
                Intent(client_order_id=row["key"], signal_id=row["signal_id"] or "", protects=row["protects"])
                for row in await self._rows(_INTENTS, session)
            ],
            booked={**told, "trader": [row["key"] for row in await self._rows(_BOOKED, session)]},
        )

    async def _patiently(self, statement: str) -> Sequence[Row]:
        """The answer, once the database gives one: it may be on its way up."""
        deadline = time.monotonic() + ANSWERS_WITHIN_S
        while True:
            try:
                return await self._rows(statement)
            except StorageError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(AGAIN_S)

    async def _rows(self, statement: str, values: Row | None = None) -> Sequence[Row]:
        async with self._database.connection() as connection:
            cursor = await connection.execute(statement, values or {})
            return await cursor.fetchall()


def plan_of(row: Row) -> Plan:
    """A row of `ad_strands` with the signal and the state in which its inbox has it."""
    return Plan(
        strand_id=row["id"], signal_id=row["signal_id"], waits=_waits(row["state"]), given_up=_given_up(row["tags"])
    )  # fmt: skip


def command_of(row: Row) -> Command:
    """The same of an order to the trader."""
    return Command(
        strand_id=row["id"], plan_id=original_of(row["tags"]) or "", signal_id=row["signal_id"],
        waits=_waits(row["state"]), given_up=_given_up(row["tags"]),
    )  # fmt: skip


def _waits(state: str | None) -> bool:
    """Also where it is in no inbox at all: nobody will ever handle that."""
    return state in {"waiting", "claimed", None}


def _given_up(tags: Sequence[str]) -> str:
    return next((tag for tag in tags if tag in ERRORS), "")
