import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gal_friday_adapters.lake import CandleLake, TableLake, WriteResult
from gal_friday_adapters.locations import ObjectUrl
from gal_friday_adapters.object_store import ObjectStore
from gal_friday_core.candle_quality import select
from gal_friday_core.candles import UNKNOWN_TRADES, Candles, Series
from gal_friday_core.errors import DataError, StorageError
from gal_friday_core.times import from_iso
from tests.adapters.lake_bars import SERIES, bars, three_months
from tests.bucket_server import cut_request, pass_on

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["disk", "bucket"])
def root(request, tmp_path):
    """Where a lake is: every promise holds on a disk and in a bucket."""
    return tmp_path if request.param == "disk" else request.getfixturevalue("bucket")


def tree(root):
    """Every file below, with its bytes; locks hold nothing."""
    if isinstance(root, ObjectUrl):
        store = ObjectStore(root)
        return {name: store.get(name).content for name in store.names("")}
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }


def same(one: Candles, other: Candles):
    return all(np.array_equal(a, b) for a, b in zip(one.columns(), other.columns(), strict=True))


def test_what_is_written_is_read_back_exactly_and_partitioned_by_month(root):
    lake, candles = CandleLake(root), bars()
    result = lake.write(candles)
    assert result == WriteResult(added=240, unchanged=0, replaced=0, months=("2024-01", "2024-02"))
    assert same(lake.read(SERIES), candles)
    assert lake.months(SERIES) == ["2024-01", "2024-02"]
    assert lake.series() == [SERIES]
    assert "candles/venue=kraken/pair=BTC-USD/interval=1m/month=2024-02/data.parquet" in tree(root)


def test_reading_a_span_takes_the_start_and_leaves_the_end(root):
    lake, candles = CandleLake(root), bars()
    lake.write(candles)
    part = lake.read(SERIES, int(candles.ts[100]), int(candles.ts[130]))
    assert same(part, candles[100:130])
    assert len(lake.read(SERIES, int(candles.ts[-1]) + 1)) == 0
    assert len(lake.read(Series("kraken", "ETH/USD", "1m"))) == 0


def test_the_same_input_twice_touches_no_file(root):
    lake, candles = CandleLake(root), bars()
    lake.write(candles)
    before = lake.stamps(SERIES)
    assert list(before) == lake.months(SERIES)
    bytes_before = tree(root)
    assert lake.write(candles) == WriteResult(added=0, unchanged=240, replaced=0, months=())
    assert lake.stamps(SERIES) == before
    assert tree(root) == bytes_before


def test_other_values_for_a_stored_bar_replace_it_and_are_counted(root):
    lake, candles = CandleLake(root), bars()
    lake.write(candles)
    corrected = candles[10:20]
    corrected.volume[3] += 1  # a view: `candles` now holds the corrected value too
    assert lake.write(corrected) == WriteResult(added=0, unchanged=9, replaced=1, months=("2024-01",))
    assert same(lake.read(SERIES), candles)


def test_a_known_number_of_trades_fills_an_unknown_one_and_never_the_reverse(root):
    lake, known = CandleLake(root), bars(10)
    unknown = Candles(*(SERIES, *known.columns()[:-1]), np.full(10, UNKNOWN_TRADES))
    lake.write(unknown)
    assert lake.write(known).replaced == 10
    assert lake.write(unknown).unchanged == 10
    assert same(lake.read(SERIES), known)


CANDLES = bars(180)


SPLITS = {
    "assignment": st.lists(st.integers(0, 3), min_size=180, max_size=180),
    "order": st.permutations(range(4)),
}


def require_same_bytes(whole, pieces, assignment, order):
    CandleLake(whole).write(CANDLES)
    for part in order:
        CandleLake(pieces).write(select(CANDLES, np.array(assignment) == part))
    assert tree(pieces) == tree(whole)


@settings(max_examples=25, deadline=None)
@given(**SPLITS)
def test_any_split_into_writes_in_any_order_gives_the_same_bytes(tmp_path_factory, assignment, order):
    whole, pieces = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("pieces")
    require_same_bytes(whole, pieces, assignment, order)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(**SPLITS)
def test_a_bucket_holds_the_bytes_that_a_disk_would(tmp_path_factory, bucket_server, assignment, order):
    require_same_bytes(tmp_path_factory.mktemp("whole"), bucket_server.bucket(), assignment, order)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda c: c.ts.__setitem__(5, c.ts[4]), "repeats"),
        (lambda c: c.ts.__setitem__(5, c.ts[5] + 1), "off the 1m grid"),
        (lambda c: c.high.__setitem__(5, np.nan), "NaN"),
        (lambda c: c.close.__setitem__(5, -1.0), "negative"),
    ],
)
def test_an_impossible_bar_is_refused_and_nothing_is_written(root, damage, reason):
    lake, candles = CandleLake(root), bars(20)
    damage(candles)
    with pytest.raises(DataError, match=reason):
        lake.write(candles)
    assert tree(root) == {}


def test_a_damaged_lake_file_is_named_when_read(root):
    lake = CandleLake(root)
    lake.write(bars())
    lake.files.change(lake.name(SERIES, "2024-01"), lambda stored: stored[:-50])
    with pytest.raises(StorageError, match=r"month=2024-01.*ingest that month again"):
        lake.read(SERIES)


def test_the_version_depends_on_the_bars_of_the_month_alone(root):
    lake, candles = CandleLake(root), bars()
    lake.write(candles[:100])
    january = lake.version(SERIES, "2024-01")
    whole = lake.version(SERIES)
    lake.write(candles[120:])
    assert lake.version(SERIES, "2024-01") == january
    assert lake.version(SERIES) != whole
    lake.write(candles[100:120])
    assert lake.version(SERIES) == candles.fingerprint()


def test_coverage_remembers_complete_times_as_merged_spans(root):
    lake = CandleLake(root)
    lake.cover(SERIES, [(0, 10), (20, 30)])
    lake.cover(SERIES, [(10, 20)])
    assert lake.coverage(SERIES) == [(0, 30)]
    assert lake.coverage(Series("kraken", "ETH/USD", "1m")) == []


def test_concurrent_writers_of_one_series_lose_nothing(root):
    candles = bars(400)
    parts = [select(candles, np.arange(400) % 4 == part) for part in range(4)]
    writers = [threading.Thread(target=CandleLake(root).write, args=(part,)) for part in parts]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert same(CandleLake(root).read(SERIES), candles)


WRITER = """
import sys
from pathlib import Path
from gal_friday_adapters.ingest import ingest_paths
from gal_friday_adapters.lake import CandleLake
ingest_paths([sys.argv[1]], CandleLake(Path(sys.argv[2])))
"""


def start_ingest(source, lake):
    return subprocess.Popen([sys.executable, "-c", WRITER, str(source), str(lake)])


def test_an_ingest_killed_at_any_moment_and_run_again_ends_in_the_same_lake(tmp_path):
    candles = bars(60 * 24 * 120, start=from_iso("2024-01-01"))  # four months
    source = tmp_path / "XBTUSD_1.csv"
    lines = zip(*(column.tolist() for column in (candles.ts // 10**9, *candles.columns()[1:])), strict=True)
    source.write_text("".join(",".join(map(str, line)) + "\n" for line in lines))
    whole = tmp_path / "whole"
    assert start_ingest(source, whole).wait(120) == 0
    expected = tree(whole)
    assert len(expected) == 5  # four months, and what they cover
    for months in (0, 1, 3):  # killed as soon as so many are there, wherever the writer is then
        broken = tmp_path / f"broken{months}"
        process = start_ingest(source, broken)
        while len(list(broken.rglob("*.lock"))) == 0 or len(list(broken.rglob("data.parquet"))) < months:
            if process.poll() is not None:
                break
        process.kill()
        process.wait(60)
        left = tree(broken)
        assert all(expected[name] == content for name, content in left.items() if not name.endswith(".tmp"))
        assert start_ingest(source, broken).wait(120) == 0
        assert tree(broken) == expected


BUCKET_WRITER = """
import sys
from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.locations import location
from gal_friday_core.storage_settings import ObjectStoreConfig
from tests.adapters.lake_bars import three_months
url, endpoint = sys.argv[1:]
CandleLake(location(url, ObjectStoreConfig(endpoint_url=endpoint))).write(three_months())
"""


def start_writer(bucket):
    return subprocess.Popen(
        [sys.executable, "-c", BUCKET_WRITER, str(bucket), bucket.reach.endpoint_url], cwd=ROOT
    )


def test_a_writer_into_a_bucket_killed_in_a_put_and_run_again_ends_in_the_same_lake(bucket_server, tmp_path):
    CandleLake(tmp_path).write(three_months())
    expected = tree(tmp_path)
    broken, months = bucket_server.bucket(), 2
    bucket_server.faults += [("PUT", pass_on)] * months
    process = start_writer(broken)
    bucket_server.faults += [("PUT", killing(process))]
    assert process.wait(120) == -signal.SIGKILL
    left = tree(broken)
    assert len(left) == months
    assert all(expected[name] == content for name, content in left.items())
    assert start_writer(broken).wait(120) == 0
    assert tree(broken) == expected


def killing(process):
    """The writer is killed while its put is under way: the server has heard half of it."""

    def fault(app, environ, start):
        process.kill()
        process.wait(60)
        return cut_request(app, environ, start)

    return fault


def test_feature_tables_keep_columns_types_and_metadata(root):
    lake = TableLake(root)
    january = {"ts": np.arange(3), "rsi_14": np.array([np.nan, 50.0, 60.0])}
    february = {"ts": np.arange(3, 5), "rsi_14": np.array([55.0, 45.0])}
    assert lake.write("features", SERIES.key, "2024-02", february)
    assert lake.write("features", SERIES.key, "2024-01", january, {"schema_hash": "abc"})
    assert not lake.write("features", SERIES.key, "2024-01", january, {"schema_hash": "abc"})
    table = lake.read("features", SERIES.key)
    assert table["ts"].tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(table["rsi_14"], [np.nan, 50.0, 60.0, 55.0, 45.0])
    assert lake.metadata("features", SERIES.key, "2024-01") == {"schema_hash": "abc"}
    assert lake.read("features", SERIES.key, ["2024-02"])["ts"].tolist() == [3, 4]
    assert lake.read("features", "kraken:ETH-USD:1m") == {}


def test_a_table_with_ragged_columns_is_refused(root):
    with pytest.raises(DataError, match="differ in length"):
        TableLake(root).write("features", SERIES.key, "2024-01", {"ts": np.arange(3), "x": np.zeros(2)})
