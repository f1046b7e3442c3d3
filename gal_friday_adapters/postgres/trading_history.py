"""What an account's journal holds for people who look back: fills, bars, equity, halts, verdicts. Read-only.

Every statement finds its lines by the journal's index on (session, kind, key): keys of bars and of equity end in their
time, so that a stretch of them is a stretch of keys.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from gal_friday_adapters.postgres.database import Database
from gal_friday_core.booked_trades import BookedFill
from gal_friday_core.candles import Series
from gal_friday_core.live_records import FEATURES, Line
from gal_friday_core.money import value_of

Row = Mapping[str, Any]

# The newest by number, found by kind first: the planner would else walk through the whole session from its end.
_FILLS = """
with found as materialized (
    select seq, ts_ns, record from journal where session = %(session)s and kind = 'FILL'
), newest as (select * from found order by seq desc limit %(most)s)
select f.ts_ns, f.record, meant.record as meant from newest f
    left join journal meant on meant.session = %(session)s and meant.kind = 'ORDER_INTENT'
        and meant.key = f.record ->> 'client_order_id'
order by f.seq
"""
_SERIES = """
select distinct record ->> 'series' as series from (
    select record from journal where session = any(%(sessions)s::uuid[]) and kind = 'FEATURES' order by seq desc limit 64
) latest
"""
_NEWEST_BAR = """
select max(key) as key from journal
where session = any(%(sessions)s::uuid[]) and kind = 'FEATURES' and key >= %(first)s and key < %(last)s
"""
_BARS = """
select s.session_id::text as session, s.mode, j.seq, j.ts_ns, j.kind, j.key, j.record::text as record
from sessions s join journal j on j.session = s.session_id
where s.session_id = any(%(sessions)s::uuid[]) and j.kind = 'FEATURES' and j.key >= %(first)s and j.key < %(last)s
"""
_EQUITY = """
select distinct on (ts_ns / %(step)s) ts_ns, record ->> 'equity' as equity, record -> 'peaks' as peaks from journal
where session = %(session)s and kind = 'EQUITY' and key >= %(first)s and key < %(last)s
order by ts_ns / %(step)s, ts_ns desc
"""
_EQUITY_SPAN = """
select min(key) as oldest, max(key) as newest from journal
where session = %(session)s and kind = 'EQUITY' and key >= %(first)s and key < %(last)s
"""
_STATES = """
with found as materialized (
    select seq, ts_ns, record, session from journal where session = any(%(sessions)s::uuid[]) and kind = 'SYSTEM_STATE'
)
select ts_ns, record, session::text as session from found order by seq desc limit %(most)s
"""
_VERDICTS = """
select record ->> 'verdict' as verdict, count(*) as times, max(ts_ns) as last_ns,
    (array_agg(record -> 'details' order by seq desc))[1] as details,
    (array_agg(record ->> 'pair' order by seq desc))[1] as pair
from journal
where session = any(%(sessions)s::uuid[]) and kind = 'SIGNAL' and ts_ns >= %(start)s
group by 1 order by times desc, verdict
"""


class TradingHistory:
    """Of one account, which is a session; of a split engine other sessions tell of it too: what its alphas heard, and what
    its decision maker decided. Raises StorageError where the database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def fills(self, session: str, most: int) -> list[BookedFill]:
        """The newest, in the order booked."""
        rows = await self._all(_FILLS, {"session": session, "most": most})
        return [_fill(row) for row in rows]

    async def series(self, sessions: Sequence[str]) -> list[Series]:
        """What the sessions heard bars of lately."""
        rows = await self._all(_SERIES, {"sessions": list(sessions)})
        return sorted(Series.parse(row["series"]) for row in rows if row["series"])

    async def newest_bar_ns(self, sessions: Sequence[str], series: Series) -> int | None:
        """The close of the last bar that features were made of."""
        (row,) = await self._all(_NEWEST_BAR, {"sessions": list(sessions), **_keys(f"{series.key}@")})
        return None if row["key"] is None else int(row["key"].partition("@")[2].partition("#")[0])

    async def bars(self, sessions: Sequence[str], series: Series, start_ns: int, end_ns: int) -> list[Line]:
        """Lines of the kind `FEATURES` of bars that closed in [start_ns, end_ns), for `live_records.features_of`."""
        keys = _keys(f"{series.key}@", start_ns, end_ns)
        rows = await self._all(_BARS, {"sessions": list(sessions), **keys})
        return [Line(**row) for row in rows if row["kind"] == FEATURES]

    async def equity_span(self, session: str, pair: str, since_ns: int = 0) -> tuple[int, int] | None:
        """When the account was first and last valued by a bar of the pair, which it is while it holds some."""
        (row,) = await self._all(_EQUITY_SPAN, {"session": session, **_keys(f"{pair}:", since_ns)})
        if row["oldest"] is None:
            return None
        return int(row["oldest"].rpartition(":")[2]), int(row["newest"].rpartition(":")[2])

    async def equity(
        self, session: str, pair: str, start_ns: int, end_ns: int, points: int
    ) -> list[tuple[int, Decimal, Row]]:
        """Time, equity and peaks by bars of the pair in [start_ns, end_ns): the last of each of so many equal steps."""
        step = max(1, (end_ns - start_ns) // points)
        keys = _keys(f"{pair}:", start_ns, end_ns)
        rows = await self._all(_EQUITY, {"session": session, "step": step, **keys})
        return [(row["ts_ns"], Decimal(row["equity"]), row["peaks"]) for row in rows]

    async def states(self, sessions: Sequence[str], most: int) -> Sequence[Row]:
        """Changes of the trading state, the newest first: `ts_ns`, `record` and `session`."""
        return await self._all(_STATES, {"sessions": list(sessions), "most": most})

    async def verdicts(self, sessions: Sequence[str], start_ns: int) -> Sequence[Row]:
        """What risk said of signals since then, by verdict: how often, when last, and the numbers of the last."""
        return await self._all(_VERDICTS, {"sessions": list(sessions), "start": start_ns})

    async def _all(self, statement: str, values: Row) -> Sequence[Row]:
        async with self._database.connection() as connection:
            cursor = await connection.execute(statement, values)
            return await cursor.fetchall()


def _keys(prefix: str, start_ns: int = 0, end_ns: int = 2**63 - 1) -> dict[str, str]:
    """Times have nineteen digits from 2001 to 2286, so they sort as text as they do as numbers."""
    return {"first": f"{prefix}{start_ns:019d}", "last": f"{prefix}{end_ns:019d}"}


def _fill(row: Row) -> BookedFill:
    told, meant = row["record"], row["meant"] or {}
    base = told["pair"].partition("/")[0]
    price, fee = Decimal(told["price"]), Decimal(told.get("fee") or 0)
    return msgspec.convert(
        {
            "ts_ns": row["ts_ns"], "pair": told["pair"], "side": told["side"], "quantity": told["quantity"],
            "price": told["price"], "fee": value_of(fee, price) if told.get("fee_asset") == base else fee,
            "realized": told["realized"], "held": told["position_quantity"], "order": told["client_order_id"],
            "purpose": meant.get("purpose") or "", "stop": meant.get("stop_price"),
            "target": meant.get("target_price"), "model_id": meant.get("model_id") or "",
        },
        BookedFill,
        strict=False,
    )  # fmt: skip
