"""What an engine leaves behind, read back from the journal as columns."""

import uuid
from decimal import Decimal

import numpy as np
import pytest

from gal_friday_adapters.live_records import LiveRecords
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_core.errors import DataError
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.drivers import compute
from gal_friday_core.live_orders import fills_of, latencies_of, order_events
from gal_friday_core.live_records import UNNOTED, Line, features_of, predictions_of
from gal_friday_core.times import MINUTE_NS
from gal_friday_live.clock import SystemClock
from gal_friday_live.fixed_models import FixedModels
from tests.live.trading import trading
from tests.live.world import SERIES, market, played, predictor

BARS, WARM = 3_000, 2_000


@pytest.fixture
def recorded(database_url):
    """A replay of a thousand bars by two models, one of them a shadow, as PostgreSQL remembers it."""

    async def run(read):
        async with Database(database_url) as database:
            journal = PostgresJournal(database, str(uuid.uuid4()), SystemClock())
            await journal.begin("paper-replay", config_hash="0", code_version="test")
            models = FixedModels(predictor())
            models.stage(predictor(2, seed=11))
            async with trading(None, models, played(market()[:BARS]), journal) as engine:
                await engine.run()
            await journal.close()
            return journal.session_id, await read(LiveRecords(database))

    return run


async def test_predictions_of_all_models_come_back_as_they_were_said(recorded):
    candles = market()[:BARS]
    start = int(candles.ts[WARM])

    async def read(records):
        said = await records.predictions(SERIES, start, start + 10**18)
        return said, await records.said_by([f"{SERIES.key}@v2"], start, start + 500 * MINUTE_NS)

    session, (said, shadow) = await recorded(read)
    closes = candles.ts[WARM:] + MINUTE_NS
    rows = compute(candles).values[WARM:]
    assert set(said.session) == {session}
    for model, heard in ((predictor(), True), (predictor(2, seed=11), False)):
        mine = said.of(model.model_id)
        assert (mine.heard == heard).all()
        assert mine.t0_ns.tolist() == closes.tolist()
        assert mine.probability.tobytes() == model.predict(rows).tobytes()
        assert (mine.threshold == model.entry_threshold).all()
        assert (mine.received_ns == mine.t0_ns).all()  # the clock of a replay stands still within a bar
        assert (mine.scored_ns == mine.t0_ns).all()
        assert [Decimal(price) for price in mine.price] == [
            Decimal(str(close)) for close in candles.close[WARM:]
        ]
    assert len(shadow) == 499


async def test_bars_and_rows_come_back_bit_for_bit(recorded):
    candles = market()[:BARS]

    async def read(records):
        return await records.features(SERIES, 0, 10**19 // 2)

    session, (part,) = await recorded(read)
    assert (part.session, part.mode, part.schema_hash) == (session, "paper-replay", CANDLES_V1.hash)
    assert part.values.tobytes() == compute(candles).values[WARM:].tobytes()
    for heard, stored in zip(part.bars.columns()[:6], candles[WARM:].columns()[:6], strict=True):
        assert heard.tobytes() == stored.tobytes()


async def test_orders_fills_and_the_time_of_each_step_come_back(recorded):
    async def read(records):
        said = await records.predictions(SERIES, 0, 10**19 // 2)
        return said, await records.traded(SERIES, 0, 10**19 // 2)

    _, (said, lines) = await recorded(read)
    events, fills = order_events(lines), fills_of(lines)
    meant = [event for event in events if event.event == "INTENT"]
    assert len(meant) > 5
    assert {event.model_id for event in meant} == {f"{SERIES.key}@v1"}
    assert {"INTENT", "NEW", "FILLED"} <= {event.event for event in events}
    assert len(fills) >= len(meant)
    assert sum(
        (Decimal(fill.quantity) * (1 if fill.side == "BUY" else -1) for fill in fills), Decimal()
    ) == Decimal(fills[-1].position_quantity)
    scored = {
        (said.session[row], int(said.t0_ns[row]), said.model_id[row]): (
            int(said.received_ns[row]),
            int(said.scored_ns[row]),
        )
        for row in range(len(said))
    }
    latencies = latencies_of(lines, scored)
    assert len(latencies) == len(meant)
    entry = next(one for one in latencies if one.purpose == "ENTRY")
    assert entry.closed_ns == entry.features_ns == entry.scored_ns == entry.judged_ns == entry.meant_ns
    assert entry.durable_ns == UNNOTED  # a replay's time is not the database's
    assert entry.filled_ns >= entry.acknowledged_ns == entry.meant_ns


def line(kind, record, **changes):
    told = {"session": "s", "mode": "live", "seq": 1, "ts_ns": 60, "kind": kind, "key": "k", "record": record}
    return Line(**told | changes)


def test_record_of_an_older_version_lacks_what_nobody_noted():
    said = predictions_of(
        [line("PREDICTION", '{"model_id": "kraken:BTC-USD:1m@v1", "value": 0.25, "price": "7"}')], SERIES
    )
    assert said.probability.tolist() == [0.25]
    assert np.isnan(said.threshold).all()
    assert (said.received_ns[0], said.scored_ns[0]) == (UNNOTED, UNNOTED)


def test_predictions_of_another_interval_are_another_series():
    others = [line("PREDICTION", '{"model_id": "kraken:BTC-USD:15m@v1", "value": 0.25}')]
    assert len(predictions_of(others, SERIES)) == 0


def test_moment_that_two_sessions_played_counts_once():
    told = '{"model_id": "m@v1", "value": 0.%d}'
    said = predictions_of([line("PREDICTION", told % n, seq=n, session=str(n)) for n in (2, 1, 3)])
    assert said.once().probability.tolist() == [0.1]


def test_damaged_records_are_named():
    with pytest.raises(DataError, match="journal PREDICTION k of session s"):
        predictions_of([line("PREDICTION", '{"model_id": 3}')])
    row = '{"series": "kraken:BTC-USD:1m", "schema": "a", "bar": ["1", "1", "1", "1", "1"], "values": "%s"}'
    with pytest.raises(DataError, match=r"rows of features a have \[6, 9\] bytes"):
        features_of([line("FEATURES", row % "AAAAAAAA"), line("FEATURES", row % "AAAAAAAAAAAA")], SERIES)
