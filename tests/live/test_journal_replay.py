"""What the journal tells again is what was told when it happened."""

import uuid
from contextlib import aclosing
from decimal import Decimal

import msgspec

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_core.payloads import PredictionGenerated, TradeSignalProposed
from gal_friday_live.clock import SystemClock
from gal_friday_live.fixed_models import FixedModels
from gal_friday_live.memory_journal import MemoryJournal
from tests.live.trading import trading
from tests.live.world import CALM, SERIES, manager, market, played, predictor

TOLD = (
    "EXECUTION_REPORT", "MODEL_LIFECYCLE", "PREDICTION_GENERATED", "SYSTEM_STATE_CHANGE",
    "TRADE_SIGNAL_APPROVED", "TRADE_SIGNAL_PROPOSED", "TRADE_SIGNAL_REJECTED",
)  # fmt: skip
ALWAYS = (0, 2**62)


async def traded(journal):
    """Everything that was published in a session, and everything that its journal replays."""
    live = []
    config, stretch = manager(risk=CALM), played(market(3_000))
    async with trading(config, FixedModels(predictor()), stretch, journal) as engine:
        for event_type in TOLD:
            engine.bus.subscribe(event_type, live.append)
        await engine.run()
        await engine.monitoring.trigger_halt("MANUAL_HALT_COMMAND")
        await engine.tasks.settle()
        replayed = [event async for event in engine.bus.replay_events(*ALWAYS)]
    return live, replayed


def plain(event):
    """The payload as far as the journal keeps it: features are in the lake."""
    payload = event.payload
    if isinstance(payload, PredictionGenerated):
        payload = msgspec.structs.replace(payload, associated_features=None)
    elif isinstance(payload, TradeSignalProposed):
        payload = msgspec.structs.replace(payload, triggering_prediction=None)
    return event.event_type, event.source_module, payload


def by_type(events, event_type):
    return [plain(event) for event in events if event.event_type == event_type]


async def test_a_session_replays_event_by_event_what_was_published():
    live, replayed = await traded(MemoryJournal())
    for event_type in TOLD:
        if event_type != "MODEL_LIFECYCLE":  # deployed before anybody listened
            assert by_type(replayed, event_type) == by_type(live, event_type), event_type
    assert len(by_type(replayed, "EXECUTION_REPORT")) > 20
    assert len(by_type(replayed, "TRADE_SIGNAL_APPROVED")) > 10
    assert [event.payload.model_id for event in replayed if event.event_type == "MODEL_LIFECYCLE"] == [
        f"{SERIES.key}@v1"
    ]


async def test_replayed_events_are_marked_in_order_of_time_and_have_lasting_ids():
    journal = MemoryJournal()
    _, replayed = await traded(journal)
    assert all(event.replayed for event in replayed)
    assert [event.timestamp for event in replayed] == sorted(event.timestamp for event in replayed)
    assert len({event.event_id for event in replayed}) == len(replayed)
    middle = replayed[len(replayed) // 2].timestamp
    async with trading(journal=journal) as engine:
        first = [event async for event in engine.bus.replay_events(0, middle)]
        second = [event async for event in engine.bus.replay_events(middle, ALWAYS[1])]
    ids = [event.event_id for event in (*first, *second)]
    assert ids[: len(first)] == [event.event_id for event in replayed[: len(first)]]
    assert set(ids) >= {event.event_id for event in replayed}
    assert max(event.timestamp for event in first) < middle <= min(event.timestamp for event in second)


async def test_postgres_replays_what_memory_replays(database_url):
    _, in_memory = await traded(MemoryJournal())
    async with Database(database_url) as database:
        journal = PostgresJournal(database, str(uuid.uuid4()), SystemClock())
        await journal.begin("paper-replay", config_hash="0", code_version="test")
        _, in_postgres = await traded(journal)
        async with aclosing(journal.between(*ALWAYS)) as entries:
            await anext(entries)  # leaving early lets go of the connection
        await journal.append("LAST", "1", 1, {})
        await journal.close()
    assert [plain(event) for event in in_postgres] == [plain(event) for event in in_memory]


async def test_a_replayed_approval_is_history_and_places_no_order():
    journal = MemoryJournal()
    _, replayed = await traded(journal)
    approved = next(event for event in replayed if event.event_type == "TRADE_SIGNAL_APPROVED")
    async with trading() as engine:
        await engine.bus.publish(approved)
        await engine.tasks.settle()
        assert engine.execution.orders == 0
        assert engine.execution.refused == {"REPLAYED": 1}
    assert approved.payload.quantity > Decimal(0)
