"""What two models said of the same bars, out of the journals of all sessions. Read-only.

Keys of predictions begin with venue and pair and then tell their moment, so that a stretch of time is one of keys.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gal_friday_adapters.postgres.database import Database
from gal_friday_core.candles import Series

_NEWEST = """
select max(last.key) as key from sessions s, unnest(%(kinds)s::text[]) as told (kind), lateral (
    select key from journal where session = s.session_id and kind = told.kind
        and key >= %(first)s and key < %(last)s
    order by key desc limit 1
) last
"""
_SAID = """
select j.ts_ns, j.record ->> 'model_id' as model_id, (j.record ->> 'value')::double precision as value,
    (j.record ->> 'threshold')::double precision as threshold
from sessions s join journal j on j.session = s.session_id
where j.kind = any(%(kinds)s) and j.key >= %(first)s and j.key < %(last)s and j.record ->> 'model_id' = any(%(models)s)
order by j.seq
"""
_KINDS = ["PREDICTION", "SHADOW_PREDICTION"]


class Pair(NamedTuple):
    """Probabilities of one bar's close, and from which on each model would have bought; None where nobody noted it."""

    ts_ns: int
    control: float
    other: float
    control_from: float | None
    other_from: float | None


class PredictionPairs:
    """Raises StorageError where the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest_ns(self, series: Series) -> int | None:
        """The last bar of the series' pair that any model said something of."""
        rows = await self._all(_NEWEST, {"kinds": _KINDS, **_keys(series, 0, 2**63 - 1)})
        key = rows[0]["key"]
        return None if key is None else int(key.partition("@")[2].partition("#")[0])

    async def between(
        self, series: Series, control: str, other: str, start_ns: int, end_ns: int
    ) -> list[Pair]:
        """Bars of [start, end) that both scored, in time order, each as it was first said."""
        values = {"kinds": _KINDS, "models": [control, other], **_keys(series, start_ns, end_ns)}
        said: dict[str, dict[int, Mapping[str, Any]]] = {control: {}, other: {}}
        for row in await self._all(_SAID, values):
            said[row["model_id"]].setdefault(row["ts_ns"], row)
        ours, theirs = said[control], said[other]
        return [
            Pair(ts, ours[ts]["value"], theirs[ts]["value"], ours[ts]["threshold"], theirs[ts]["threshold"])
            for ts in sorted(ours.keys() & theirs.keys())
        ]

    async def _all(self, statement: str, values: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        async with self._database.connection() as connection:
            cursor = await connection.execute(statement, values)
            return await cursor.fetchall()


def _keys(series: Series, start_ns: int, end_ns: int) -> dict[str, str]:
    prefix = f"{series.venue}:{series.pair}@"
    return {"first": f"{prefix}{start_ns:019d}", "last": f"{prefix}{end_ns:019d}"}
