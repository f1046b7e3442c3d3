"""A recorded session in the place of the market, for the engine itself."""

from pathlib import Path

import pytest

from gal_friday_adapters.sessions.kraken_session import kraken_session
from gal_friday_adapters.sessions.reader import Session
from gal_friday_adapters.sessions.survey import survey
from gal_friday_live.bus import PubSubManager
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.data_ingestor import DataIngestor
from gal_friday_live.ids import SequentialIds
from gal_friday_live.tasks import TaskSupervisor
from tests.adapters.sessions.captures import book_session, save


@pytest.mark.data
async def test_the_engines_ingestor_hears_a_session_and_moves_with_its_clock(
    shared_data: Path, tmp_path: Path
) -> None:
    """The sink of the live engine: what it publishes carries the session's times, and nothing is left waiting."""
    manager = ConfigurationManager(None)
    manager.load_config()
    save(book_session(shared_data), tmp_path / "session.jsonl")
    session, clock = Session(tmp_path / "session.jsonl"), SimulatedClock()
    bus = PubSubManager(clock, SequentialIds())
    heard = []

    async def take(event) -> None:
        heard.append((event.payload.timestamp_received, clock.now_ns(), event.payload.is_snapshot))

    bus.subscribe("MARKET_DATA_L2", take)
    feed = kraken_session(session, survey(session), clock)
    ingestor = DataIngestor(manager, bus, feed=feed, exchange=NoExchange(), tasks=TaskSupervisor())
    await ingestor.start()
    await ingestor.run()
    received = [record.ts_ns for record in session if b'"book"' in record.message[:20]]
    *told, lost = heard
    assert [at for at, _, _ in told] == received
    assert all(at == now for at, now, _ in told)
    assert [snapshot for _, _, snapshot in told] == [True] + [False] * 50
    assert lost[:2] == (None, clock.now_ns())  # the end of the line takes the book back
    assert not ingestor.books  # the session is over: nothing may be used any more


class NoExchange:
    async def on_candle(self, candle) -> None: ...
