"""Recorded markets and statements in a bucket: what is read back, and the bytes, are those of a disk."""

import numpy as np
import polars as pl
import pytest

from gal_friday_adapters.files import files_at
from gal_friday_adapters.live_tables import LiveTables
from gal_friday_adapters.parquet_store import read_frame, read_metadata, write_frame
from gal_friday_adapters.sessions.market_lake import MarketLake
from gal_friday_core.candles import Series
from gal_friday_core.errors import StorageError
from tests.adapters.test_lake import tree
from tests.core.features.book_markets import book_market

SERIES = Series("kraken", "BTC/USD", "1m")


def test_a_recorded_market_in_a_bucket_is_that_of_a_disk(bucket, tmp_path):
    events = book_market(1, 3_000, pace_s=2.0)
    lakes = MarketLake(tmp_path), MarketLake(bucket)
    for lake in lakes:
        assert lake.write(events[:2_000])
        assert lake.write(events[1_000:])
        assert not lake.write(events[1_000:])
    disk, far = lakes
    assert far.hours(events.venue, events.pair) == disk.hours(events.venue, events.pair)
    assert len(far.hours(events.venue, events.pair)) > 1
    assert far.pairs(events.venue) == [events.pair]
    read, there = far.events(events.venue, events.pair), disk.events(events.venue, events.pair)
    assert read is not None
    assert all(np.array_equal(one, there.arrays()[name]) for name, one in read.arrays().items())
    assert far.trades(events.venue, events.pair).keys() == disk.trades(events.venue, events.pair).keys()
    assert tree(bucket) == tree(tmp_path)


def test_live_records_in_a_bucket_are_those_of_a_disk(bucket, tmp_path):
    frame = pl.DataFrame({"ts": [1, 2], "note": ["a", None], "value": [0.1, float("nan")]})
    for place in (tmp_path, bucket):
        store = LiveTables(place)
        assert store.read("notes", SERIES, "2024-01") is None
        assert store.write("notes", SERIES, "2024-01", frame)
        assert not store.write("notes", SERIES, "2024-01", frame)
        found = store.read("notes", SERIES, "2024-01")
        assert found is not None
        assert found.equals(frame, null_equal=True)
    assert tree(bucket) == tree(tmp_path)


def test_a_damaged_table_in_a_bucket_is_named_by_its_url(bucket):
    files = files_at(bucket)
    write_frame(files, "a.parquet", pl.DataFrame({"x": [1]}), {"schema": "s"})
    assert read_metadata(files, "a.parquet") == {"schema": "s"}
    assert read_metadata(files, "b.parquet") == {}
    files.change("a.parquet", lambda stored: stored[:-20])
    for read in (
        lambda: read_frame(files, "a.parquet", "make it again"),
        lambda: read_metadata(files, "a.parquet"),
    ):
        with pytest.raises(StorageError, match=rf"^s3://{bucket.bucket}/prefix/a\.parquet cannot be read"):
            read()
