import asyncio
import uuid
from decimal import Decimal

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_live.memory_journal import MemoryJournal

SESSION = str(uuid.UUID(int=1))


class FixedClock:
    def now_ns(self):
        return 1


async def entries(journal, **which):
    return [entry async for entry in journal.read(**which)]


async def tell(journal):
    """The same story for every journal; returns what it remembers."""
    await journal.append("ORDER_INTENT", "o-1", 1, {"quantity": Decimal("1.50"), "at": float("nan")})
    await journal.append("ORDER_INTENT", "o-1", 2, {"quantity": Decimal(9)})
    journal.note("PREDICTION", "p-1", 3, {"value": 0.25, "nested": {"list": (1, 2)}})
    journal.note("PREDICTION", "p-1", 4, {"value": 0.75})
    await journal.flush()
    await journal.append("FILL", "o-1", 5, {})
    return (
        [
            (entry.kind, entry.key, entry.ts_ns, entry.record, entry.session)
            for entry in await entries(journal)
        ],
        [entry.key for entry in await entries(journal, kind="FILL")],
        await entries(journal, session=str(uuid.UUID(int=9))),
    )


def test_memory_and_postgres_remember_the_same_story(database_url):
    async def in_postgres():
        async with Database(database_url) as database:
            journal = PostgresJournal(database, SESSION, FixedClock())
            await journal.begin("backtest", config_hash="h", code_version="1")
            found = await tell(journal)
            await journal.close()
            return found

    in_memory = asyncio.run(tell(MemoryJournal(SESSION)))
    assert in_memory == asyncio.run(in_postgres())
    assert [entry[0] for entry in in_memory[0]] == ["ORDER_INTENT", "PREDICTION", "FILL"]


def test_a_record_changed_afterwards_is_remembered_as_it_was():
    async def body():
        journal, record = MemoryJournal(), {"n": 1}
        await journal.append("FILL", "1", 1, record)
        record["n"] = 2
        return journal.entries[0].record

    assert asyncio.run(body()) == {"n": 1}


def test_notes_can_be_counted_without_being_kept():
    async def body():
        journal = MemoryJournal(keep_notes=False)
        for n in range(3):
            journal.note("PREDICTION", str(n), n, {})
        await journal.append("FILL", "1", 1, {})
        return [entry.kind for entry in journal.entries], dict(journal.counts)

    assert asyncio.run(body()) == (["FILL"], {"PREDICTION": 3, "FILL": 1})
