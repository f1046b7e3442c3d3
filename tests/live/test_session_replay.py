"""A recorded session in the place of the market, for the engine itself."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.paths import lake_dir
from gal_friday_adapters.sessions.kraken_session import kraken_session
from gal_friday_adapters.sessions.reader import Session
from gal_friday_adapters.sessions.records import SERVER, Record
from gal_friday_adapters.sessions.survey import survey
from gal_friday_core.candles import Candles, Series
from gal_friday_core.config import Config
from gal_friday_core.times import MINUTE_NS
from gal_friday_live.bus import PubSubManager
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.data_ingestor import DataIngestor
from gal_friday_live.ids import SequentialIds
from gal_friday_live.live_engine import run_live
from gal_friday_live.live_request import LiveRequest
from gal_friday_live.tasks import TaskSupervisor
from tests.adapters.sessions.captures import book_session, ohlc, real_bars, save, trade_session
from tests.live.seeded import seed_model


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


@pytest.mark.data
async def test_a_session_is_replayed_through_the_whole_engine_and_twice_alike(
    shared_data: Path, tmp_path: Path, database_url
) -> None:
    """Seven hours of real trades and bars, on the bars before them; no book was recorded, so nothing is bought."""
    series = Series("kraken", "BTC/USDT", "1m")
    config = {"storage": {"data_dir": tmp_path}, "market": {"pairs": [series.pair]}}
    manager = ConfigurationManager.from_config(Config.model_validate(config))
    session, heard = session_with_bars(shared_data, tmp_path / "session.jsonl")
    rows = [bar for bar in real_bars(shared_data).rows() if bar[0] < heard[0][0]]
    CandleLake(lake_dir(manager.config)).write(Candles(series, *map(np.array, zip(*rows, strict=True))))
    model = await seed_model(database_url, tmp_path, promote=False, series=series)
    request = LiveRequest(
        mode="replay", session=session, model=model, override_reason="to see the whole path"
    )
    told = [
        await run_live(manager, request, database_url=database_url, stop=asyncio.Event()) for _ in range(2)
    ]
    assert told[0].pop("session") != told[1].pop("session")
    assert told[0] == told[1]
    summary = told[0]
    assert (summary["series"], summary["halted"], summary["orders"]) == ([series.key], False, 0)
    assert summary["bars"] == len(heard)
    assert 0 < summary["predictions"] <= len(heard)
    assert set(summary["signals"]) >= {"proposed", "MARKET_DATA_UNVERIFIED"}


def session_with_bars(shared_data: Path, path: Path):
    """The real trades with the exchange's bars of the same minutes on the ohlc channel; those bars."""
    records = trade_session(shared_data)
    first, last = records[6].ts_ns, records[-1].ts_ns
    bars = [
        bar
        for bar in real_bars(shared_data).rows()
        if bar[6] and first < bar[0] and bar[0] + MINUTE_NS < last
    ]
    records += [Record(SERVER, bar[0] + MINUTE_NS - 1, ohlc(bar, volume=bar[5])) for bar in bars]
    records.sort(key=lambda record: record.ts_ns)
    return save(records, path), bars
