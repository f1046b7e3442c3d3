"""One order's story out of the journal, whichever session wrote it: read-only, and without a running engine."""

from collections.abc import Mapping, Sequence
from typing import Any

from gal_friday_adapters.postgres.database import Database

Row = Mapping[str, Any]

_BY_KEY = """
select s.session_id::text as session, s.mode, s.code_version, s.config_hash, j.ts_ns, j.key, j.record
from sessions s join journal j on j.session = s.session_id and j.kind = %(kind)s and j.key = %(key)s
order by j.seq desc limit 1
"""
_OF_ORDER = """
select seq, ts_ns, key, record from journal
where session = %(session)s and kind = %(kind)s and record ->> 'client_order_id' = %(order)s
order by seq
"""
_ORDER_OF_EXCHANGE = """
select session::text, record ->> 'client_order_id' as client_order_id from journal
where kind = 'EXECUTION_REPORT' and record ->> 'exchange_order_id' = %(order)s
order by seq desc limit 1
"""
_ENTRY_BEFORE = """
select record ->> 'client_order_id' as client_order_id from journal
where session = %(session)s and kind = 'FILL' and record ->> 'pair' = %(pair)s and record ->> 'side' = 'BUY'
    and ts_ns <= %(before)s
order by seq desc limit 1
"""
_MODEL = """
select v.model_id, v.model_type, v.version, v.artifact, v.schema_hash, v.data_version, v.code_version,
    v.config_hash, v.passed, v.reasons, v.metadata, v.created_at
from model_version v where v.model_id = %(model_id)s
"""


class OrderRecords:
    """Raises StorageError where the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def entry(self, kind: str, key: str) -> Row | None:
        """The newest record of a kind and key of any session, with what its session says of itself."""
        return await self._one(_BY_KEY, {"kind": kind, "key": key})

    async def of_order(self, kind: str, session: str, client_order_id: str) -> Sequence[Row]:
        """Every record of a kind about one order, oldest first."""
        values = {"kind": kind, "session": session, "order": client_order_id}
        async with self._database.connection() as connection:
            cursor = await connection.execute(_OF_ORDER, values)
            return await cursor.fetchall()

    async def by_exchange_id(self, exchange_order_id: str) -> str | None:
        """Our name of an order that the exchange calls so."""
        row = await self._one(_ORDER_OF_EXCHANGE, {"order": exchange_order_id})
        return None if row is None else row["client_order_id"]

    async def entry_before(self, session: str, pair: str, before_ns: int) -> str | None:
        """The order of the last purchase of a pair until then."""
        row = await self._one(_ENTRY_BEFORE, {"session": session, "pair": pair, "before": before_ns})
        return None if row is None else row["client_order_id"]

    async def model(self, model_id: str) -> Row | None:
        """The registry's row of a model version."""
        return await self._one(_MODEL, {"model_id": model_id})

    async def _one(self, statement: str, values: Mapping[str, Any]) -> Row | None:
        async with self._database.connection() as connection:
            cursor = await connection.execute(statement, values)
            return await cursor.fetchone()
