"""Recorded sessions become feature tables, and those are what the live engine computed on the way."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from gal_friday_adapters.feature_tables import read_book_features, table_name, write_book_features
from gal_friday_adapters.lake import TableLake
from gal_friday_adapters.sessions.kraken_session import kraken_session
from gal_friday_adapters.sessions.market_lake import MarketLake
from gal_friday_adapters.sessions.reader import Session
from gal_friday_adapters.sessions.rebuild import events_of
from gal_friday_adapters.sessions.session_time import StillClock
from gal_friday_adapters.sessions.survey import survey
from gal_friday_core.candles import Series
from gal_friday_core.features.book_drivers import compute_book
from gal_friday_core.features.book_set import BOOK_V1
from gal_friday_core.market_events import BAR, BOOK, INVALID, MarketEvents
from gal_friday_core.times import HOUR_NS, MINUTE_NS, from_iso
from gal_friday_live.book_features import BookFeatures
from tests.adapters.sessions.captures import book_session, save
from tests.core.features.book_markets import book_market

SERIES = Series("kraken", "BTC/USD", "1m")


def lakes(tmp_path: Path) -> tuple[MarketLake, TableLake]:
    return MarketLake(tmp_path), TableLake(tmp_path)


def recorded(seed: int, begin: str, count: int = 6_000) -> MarketEvents:
    """A session without bars of its own that begins at a time, and ends as the client ends it."""
    events = book_market(seed, count, pace_s=1.0, silences=0.001)
    kind = np.where(events.kind == BAR, INVALID, events.kind).astype(np.int8)
    kind[-1] = INVALID
    shift = from_iso(begin) - int(events.ts[0])
    columns = events.arrays() | {
        "kind": kind,
        "ts": events.ts + shift,
        "exchange_ts": events.exchange_ts + shift,
    }
    for name, column in columns.items():
        if name not in {"ts", "exchange_ts", "kind"}:
            columns[name] = np.where((kind == INVALID).reshape(-1, *[1] * (column.ndim - 1)), 0, column)
    return MarketEvents(events.venue, events.pair, 1, 8, **columns)


def minutes_within(events: MarketEvents) -> np.ndarray:
    first, last = int(events.ts[0]) // MINUTE_NS + 1, int(events.ts[-1]) // MINUTE_NS
    return np.arange(first, last + 1) * MINUTE_NS


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    return np.ascontiguousarray(one).tobytes() == np.ascontiguousarray(other).tobytes()


def test_a_session_over_hours_and_months_is_stored_as_the_batch_computes_it(tmp_path):
    market, tables = lakes(tmp_path)
    events = recorded(1, "2024-01-31T23:10:00Z")
    assert int(events.ts[-1] - events.ts[0]) > HOUR_NS
    market.write(events)
    rows = write_book_features(market, tables, SERIES)
    assert list(rows) == ["2024-01", "2024-02"]
    wanted = compute_book(events, minutes_within(events), MINUTE_NS)
    stored = read_book_features(tables, SERIES, wanted.ts - MINUTE_NS)
    known = np.isfinite(wanted.values).any(axis=1)
    assert known.sum() > 60
    last = np.flatnonzero(events.kind != INVALID)[-1]  # no later event settles what comes after
    settled = known & (wanted.ts <= events.ts[last])
    assert same_bits(stored.values[settled], wanted.values[settled])
    assert sum(rows.values()) == np.isfinite(stored.values).any(axis=1).sum()
    assert tables.metadata(table_name(BOOK_V1), SERIES.key, "2024-02")["schema"] == BOOK_V1.hash


def test_storing_again_changes_nothing(tmp_path):
    market, tables = lakes(tmp_path)
    market.write(recorded(2, "2024-03-01T10:00:00Z", 1_500))
    first = write_book_features(market, tables, SERIES)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("tables/**/*.parquet")}
    assert files
    assert write_book_features(market, tables, SERIES) == first
    assert {path: path.stat().st_mtime_ns for path in files} == files


def test_what_was_recorded_after_a_pause_begins_anew(tmp_path):
    market, tables = lakes(tmp_path)
    morning, evening = recorded(3, "2024-03-01T10:00:00Z", 1_500), recorded(4, "2024-03-01T18:00:00Z", 1_500)
    for events in (morning, evening):
        market.write(events)
    write_book_features(market, tables, SERIES)
    wanted = compute_book(evening, minutes_within(evening), MINUTE_NS)
    stored = read_book_features(tables, SERIES, wanted.ts - MINUTE_NS).values
    known = np.isfinite(wanted.values).any(axis=1) & np.isfinite(stored).any(axis=1)
    assert known.sum() > 10
    assert same_bits(stored[known], wanted.values[known])
    between = np.arange(from_iso("2024-03-01T12:00:00Z"), from_iso("2024-03-01T17:00:00Z"), MINUTE_NS)
    assert np.isnan(read_book_features(tables, SERIES, between).values).all()


def test_nothing_recorded_is_nothing_known(tmp_path):
    market, tables = lakes(tmp_path)
    assert write_book_features(market, tables, SERIES) == {}
    table = read_book_features(tables, SERIES, np.array([0, MINUTE_NS]))
    assert np.isnan(table.values).all()
    assert table.values.shape == (2, len(BOOK_V1))


@pytest.mark.data
def test_the_live_engine_computes_of_a_real_capture_what_its_table_says(shared_data, tmp_path):
    records = book_session(shared_data)
    events = events_of(Session(save(records, tmp_path / "capture.jsonl")))["BTC/USD"]
    session, live = Session(tmp_path / "capture.jsonl"), []

    def keep(series, columns, price_decimals, received_ns):
        del columns, price_decimals
        live.append((received_ns + 1, sink.newest(series.pair, received_ns + 1)))

    sink = BookFeatures([SERIES], keep)
    asyncio.run(kraken_session(session, survey(session), StillClock()).run(sink))
    moments = np.array([moment for moment, _ in live])
    assert len(moments) == (events.kind == BOOK).sum() == 51
    table = compute_book(events[:-1], moments, MINUTE_NS)  # its last event takes the book back
    assert same_bits(table.values, np.array([row for _, row in live]))
    assert (table.column("spread_pct") > 0).all()
    assert len(np.unique(table.column("book_imbalance_10"))) > 25
    assert sink.lost == 1, "the end of the line takes the book back"
