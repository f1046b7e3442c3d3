"""What live engines recorded, out of the journals of all sessions: read-only, and without a running engine.

Entry point: `LiveRecords`. Times are those of the records: a prediction's is the close it is for, an order's when it was meant.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gal_friday_adapters.postgres.database import Database
from gal_friday_core.candles import Series
from gal_friday_core.live_orders import TOLD
from gal_friday_core.live_records import (
    FEATURES,
    SAID,
    Line,
    Predictions,
    Recorded,
    features_of,
    predictions_of,
)

MODEL_SWAP = "MODEL_SWAP"
NEVER_NS = 2**63 - 1

# Through the sessions, so that the journal is read by its index on (session, kind, key). The roles of a split engine have
# sessions of their own, which name the account's, the trader's: what they wrote counts as the account's. What of it they
# only repeat, as mirrors of its books, is left out.
_LINES = """
select coalesce(run.account, s.session_id)::text as session, coalesce(books.mode, s.mode) as mode,
    j.seq, j.ts_ns, j.kind, j.key, j.record::text as record,
    (extract(epoch from j.recorded_at) * 1000000)::bigint * 1000 as recorded_ns
from sessions s
    left join lateral (
        select (begun.record ->> 'account_session')::uuid as account from journal begun
        where begun.session = s.session_id and begun.kind = 'RUN' and begun.record ? 'account_session' limit 1
    ) run on true
    left join sessions books on books.session_id = run.account
    join journal j on j.session = s.session_id
where j.kind = any(%(kinds)s) and j.ts_ns >= %(start)s and j.ts_ns < %(end)s
    and (run.account is null or run.account = s.session_id or j.kind not in ('FILL', 'EXECUTION_REPORT'))
    and (%(pair)s::text is null or coalesce(j.record ->> 'pair', j.record ->> 'trading_pair') = %(pair)s)
    and (%(series)s::text is null or j.record ->> 'series' = %(series)s)
    and (%(models)s::text[] is null or j.record ->> 'model_id' = any(%(models)s))
    and (%(session)s::text is null or coalesce(run.account, s.session_id)::text = %(session)s)
order by j.seq
"""


class LiveRecords:
    """Raises StorageError where the database does not answer, DataError for a record that cannot be read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def predictions(self, series: Series, start_ns: int, end_ns: int) -> Predictions:
        """Of every session and model, traded or not, for moments in [start_ns, end_ns)."""
        lines = await self._lines(SAID, start_ns, end_ns, pair=series.pair)
        return predictions_of(lines, series)

    async def said_by(self, models: Sequence[str], start_ns: int, end_ns: int) -> Predictions:
        """Of these models, each moment of each once."""
        return predictions_of(await self._lines(SAID, start_ns, end_ns, models=list(models))).once()

    async def features(self, series: Series, start_ns: int, end_ns: int) -> list[Recorded]:
        """Bars that closed in [start_ns, end_ns) and the features made of them, one part a session and schema."""
        return features_of(await self._lines((FEATURES,), start_ns, end_ns, series=series.key), series)

    async def traded(
        self, series: Series, start_ns: int, end_ns: int, session: str | None = None
    ) -> list[Line]:
        """Signals, intents, reports and fills of the pair in [start_ns, end_ns), in the order written.

        An engine trades a pair at one interval. Where engines of two intervals wrote into one database, their
        sessions tell them apart.
        """
        return await self._lines(TOLD, start_ns, end_ns, pair=series.pair, session=session)

    async def swaps(self, models: Sequence[str]) -> list[dict[str, Any]]:
        """When engines took these models, or left them: at_ns by the database's clock, mode, session and what was noted."""
        lines = await self._lines((MODEL_SWAP,), 0, NEVER_NS, models=list(models))
        return [
            {**json.loads(line.record), "at_ns": line.recorded_ns, "mode": line.mode, "session": line.session}
            for line in lines
        ]

    async def _lines(self, kinds: Sequence[str], start_ns: int, end_ns: int, **only: Any) -> list[Line]:
        nothing = dict.fromkeys(("pair", "series", "models", "session"))
        values: Mapping[str, Any] = {
            **nothing, **only, "kinds": list(kinds), "start": start_ns, "end": end_ns,
        }  # fmt: skip
        async with self._database.connection() as connection:
            cursor = await connection.execute(_LINES, values)
            return [Line(**row) for row in await cursor.fetchall()]
