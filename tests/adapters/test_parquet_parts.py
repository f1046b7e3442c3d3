"""Tables in a bucket are fetched in parts: only the columns and months that are asked for, and always of one moment."""

import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_adapters.files import Part, files_at
from gal_friday_adapters.lake import CandleLake, TableLake
from gal_friday_adapters.object_files import TAIL
from gal_friday_adapters.object_store import ObjectStore
from gal_friday_adapters.parquet_footer import TRAILER, footer_span, layout
from gal_friday_adapters.parquet_parts import Rows, parts
from gal_friday_adapters.parquet_store import ROW_GROUP, encoded, read_some, read_tables
from gal_friday_core.candles import Candles, Series
from gal_friday_core.errors import StorageError
from gal_friday_core.times import MINUTE_NS, from_iso
from tests.bucket_server import cut_answer, pass_on, unconditional

SERIES = Series("kraken", "BTC/USD", "1m")
START = from_iso("2024-01-01")
MONTH = 31 * 1_440
NAME = "table.parquet"
FEATURES = tuple(f"feature_{number}" for number in range(12))


def table(rows=3 * ROW_GROUP, seed=0):
    random = np.random.default_rng(seed)
    columns = {"ts": START + np.arange(rows, dtype=np.int64) * MINUTE_NS}
    return columns | {name: random.normal(size=rows) for name in FEATURES}


TABLE = table()
CONTENT = encoded(TABLE, {"schema": "one"})


def candles(bars=2 * MONTH):
    random = np.random.default_rng(1)
    close = 100 * np.exp(np.cumsum(random.normal(0, 1e-4, bars)))
    ts = START + np.arange(bars, dtype=np.int64) * MINUTE_NS
    volume = random.exponential(size=bars)
    return Candles(SERIES, ts, close, close + 1, close - 1, close, volume, np.arange(bars))


@pytest.fixture
def stored(bucket):
    """A table of 12 features in a bucket."""
    files = files_at(bucket)
    files.change(NAME, lambda _: CONTENT)
    return files


@pytest.fixture
def spent(bucket_server):
    """Bytes and requests that a piece of work takes."""

    def measured(work):
        sent, asked = bucket_server.sent, len(bucket_server.requests)
        found = work()
        return found, bucket_server.sent - sent, len(bucket_server.requests) - asked

    return measured


def test_a_footer_is_read_as_the_library_of_the_format_reads_it():
    span = footer_span(len(CONTENT), CONTENT[-TRAILER:])
    found, said = layout(CONTENT[slice(*span)]), pq.read_metadata(io.BytesIO(CONTENT))
    assert len(found) == said.num_row_groups == 3
    for place, group in enumerate(found):
        told = said.row_group(place)
        assert group.rows == told.num_rows
        for number, chunk in enumerate(group.chunks):
            column = told.column(number)
            first = column.data_page_offset
            if column.dictionary_page_offset is not None:
                first = min(first, column.dictionary_page_offset)
            assert chunk.column == column.path_in_schema
            assert chunk.span == (first, first + column.total_compressed_size)
        assert (group.chunks[0].least, group.chunks[0].largest) == (
            told.column(0).statistics.min,
            told.column(0).statistics.max,
        )
        assert group.chunks[1].least is None


@given(st.data())
def test_a_damaged_footer_is_not_understood_and_nothing_worse(data):
    span = footer_span(len(CONTENT), CONTENT[-TRAILER:])
    footer = bytearray(CONTENT[slice(*span)])
    for _ in range(data.draw(st.integers(1, 5))):
        footer[data.draw(st.integers(0, len(footer) - 1))] = data.draw(st.integers(0, 255))
    layout(bytes(footer[data.draw(st.integers(0, 40)) :]))
    part = Part(bytearray(CONTENT), [])
    part.add(span[0], bytes(footer))
    for start, end in parts(("ts", "feature_1"), Rows("ts", START, START + 1))(part):
        assert 0 <= start <= end <= len(CONTENT)
    assert layout(b"") is None
    assert footer_span(4, b"PAR1") is None
    assert footer_span(12, b"\xff\xff\xff\x00PAR1") is None


def test_one_column_of_a_table_is_a_fraction_of_its_bytes(stored, spent):
    (found,), sent, _ = spent(lambda: read_some(stored, [NAME], ("ts",)))
    assert list(found) == ["ts"]
    np.testing.assert_array_equal(found["ts"], TABLE["ts"])
    assert sent < len(CONTENT) / 8
    (found,), sent, _ = spent(lambda: read_some(stored, [NAME], ("feature_7", "ts")))
    assert list(found) == ["feature_7", "ts"]
    assert found["feature_7"].tobytes() == TABLE["feature_7"].tobytes()
    assert sent < len(CONTENT) / 4


def test_all_columns_are_one_request_for_each_file(stored, spent):
    (found,), sent, asked = spent(lambda: read_tables(stored, [NAME]))
    assert {name: column.tobytes() for name, column in found.items()} == {
        name: column.tobytes() for name, column in TABLE.items()
    }
    assert (sent, asked) == (len(CONTENT), 1)
    _, sent, asked = spent(lambda: read_some(stored, [NAME], tuple(TABLE)))
    assert asked == 2  # nobody knew that these are all
    assert sent <= len(CONTENT) + TAIL


@pytest.mark.parametrize("first", [-1, 0, 1, ROW_GROUP - 1, ROW_GROUP, 2 * ROW_GROUP + 5, 3 * ROW_GROUP])
@pytest.mark.parametrize("rows", [0, 1, ROW_GROUP])
def test_rows_of_a_time_are_all_there_wherever_the_file_is(stored, tmp_path, first, rows):
    start, end = (START + place * MINUTE_NS for place in (first, first + rows))
    wanted = (TABLE["ts"] >= start) & (TABLE["ts"] < end)
    (tmp_path / NAME).write_bytes(CONTENT)
    for files in (stored, files_at(tmp_path)):
        (found,) = read_tables(files, [NAME], ("ts", "feature_3"), {NAME: Rows("ts", start, end)})
        assert len(found["ts"]) <= 2 * ROW_GROUP
        held = (found["ts"] >= start) & (found["ts"] < end)
        assert found["feature_3"][held].tobytes() == TABLE["feature_3"][wanted].tobytes()


def test_what_a_table_was_made_of_is_read_from_its_end(bucket, spent):
    tables = TableLake(bucket)
    tables.write("features", SERIES.key, "2024-01", TABLE, {"schema": "one"})
    found, sent, asked = spent(lambda: tables.metadata("features", SERIES.key, "2024-01"))
    assert (found, asked) == ({"schema": "one"}, 1)
    assert sent <= TAIL
    found, sent, _ = spent(lambda: tables.read("features", SERIES.key, columns=["feature_0"]))
    assert found["feature_0"].tobytes() == TABLE["feature_0"].tobytes()
    assert sent < len(CONTENT) / 6


def test_a_lake_asks_for_the_months_and_the_rows_that_are_wanted(bucket, tmp_path, spent):
    everything, far, near = candles(), CandleLake(bucket), CandleLake(tmp_path)
    for lake in (far, near):
        lake.write(everything)
    assert list(far.stamps(SERIES)) == list(near.stamps(SERIES)) == near.months(SERIES)
    assert spent(lambda: far.stamps(SERIES))[2] == 1
    _, whole, _ = spent(lambda: far.read(SERIES))
    closed, sent, _ = spent(lambda: far.closed_ns(SERIES))
    assert closed == near.closed_ns(SERIES) == int(everything.ts[-1]) + MINUTE_NS
    assert sent < whole / 4
    feb = from_iso("2024-02-01")
    for start, end, most in (
        (START, feb, 0.6),
        (feb - 60 * MINUTE_NS, feb, 0.3),
        (feb, feb + 1, 0.3),
        (feb - MINUTE_NS, feb + MINUTE_NS, 0.5),
        (START - MINUTE_NS, START, 0.1),
    ):
        found, sent, _ = spent(lambda start=start, end=end: far.read(SERIES, start, end))
        assert found.fingerprint() == near.read(SERIES, start, end).fingerprint()
        assert found.fingerprint() == everything.between(start, end).fingerprint()
        assert sent < most * whole, (start, end)


def test_a_table_that_is_replaced_while_it_is_read_is_read_whole_and_never_mixed(
    stored, bucket, bucket_server
):
    newer = table(seed=9)
    content = encoded(newer)

    def replaced(app, environ, start):
        ObjectStore(bucket).put(NAME, content)
        return app(environ, start)

    bucket_server.faults += [("GET", pass_on), ("GET", replaced)]
    (found,) = read_some(stored, [NAME], ("ts", "feature_3"))
    assert found["feature_3"].tobytes() == newer["feature_3"].tobytes()


def test_a_server_that_knows_no_parts_gives_it_whole(stored, bucket_server):
    bucket_server.faults += [("GET", unconditional("HTTP_RANGE"))]
    (found,) = read_some(stored, [NAME], ("feature_3",))
    assert found["feature_3"].tobytes() == TABLE["feature_3"].tobytes()


def test_a_part_that_breaks_off_is_asked_for_again(stored, bucket_server):
    bucket_server.faults += [("GET", cut_answer), ("GET", cut_answer)]
    (found,) = read_some(stored, [NAME], ("feature_3",))
    assert found["feature_3"].tobytes() == TABLE["feature_3"].tobytes()
    assert bucket_server.faults == []


@pytest.mark.parametrize(
    "content", [b"", b"no table", CONTENT[:-9], CONTENT[:-30] + b"\0" * 22 + CONTENT[-8:]]
)
def test_a_damaged_table_is_told_by_its_name_wherever_it_is(stored, tmp_path, content):
    stored.change(NAME, lambda _: content)
    (tmp_path / NAME).write_bytes(content)
    for files in (stored, files_at(Path(tmp_path))):
        for read in (
            lambda files=files: read_some(files, [NAME], ("ts",)),
            lambda files=files: read_tables(files, [NAME], ("ts",), {NAME: Rows("ts", 0, 1)}),
        ):
            with pytest.raises(StorageError, match=r"table\.parquet cannot be read .*; remove it"):
                read()


def test_a_table_that_is_not_there_is_none(stored):
    assert read_some(stored, ["other"], ("ts",)) == []
