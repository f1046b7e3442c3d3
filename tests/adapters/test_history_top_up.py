"""Topping up: new bars once, corrections seen, absences bridged, and a silent exchange forgets nothing."""

import numpy as np
import pytest

from gal_friday_adapters.history.top_up import PAUSE_S, top_up
from gal_friday_adapters.lake import CandleLake
from gal_friday_core.candles import Series
from gal_friday_core.times import MINUTE_NS
from tests.adapters.test_history_exchange import NOW, OPEN_MINUTE, SERIES, RecordedKraken, market, same

OVERLAP = 30


@pytest.fixture
def kraken():
    server = RecordedKraken(market(26))
    yield server
    server.close()


def topped_up(kraken, lake, series=(SERIES,), **options):
    pauses = []
    options = {"url": kraken.url, "now_ns": lambda: kraken.now_ns, "pause": pauses.append} | options
    found = top_up(series, lake, overlap_bars=OVERLAP, **options)
    assert pauses == [PAUSE_S] * (len(found) - 1)
    return found


def test_an_empty_lake_gets_what_the_exchange_still_offers(kraken, tmp_path):
    lake = CandleLake(tmp_path)
    (found,) = topped_up(kraken, lake)
    stored = lake.read(SERIES)
    assert same(stored, kraken.bars().between(OPEN_MINUTE - 719 * MINUTE_NS, OPEN_MINUTE))
    assert (found.added, found.corrected, found.problem) == (len(stored), 0, None)
    assert found.closed_ns == int(stored.ts[-1]) + MINUTE_NS


def test_the_next_one_adds_what_closed_since_in_one_request(kraken, tmp_path):
    lake = CandleLake(tmp_path)
    kraken.now_ns = NOW - 5 * MINUTE_NS
    topped_up(kraken, lake)
    before = len(lake.read(SERIES))
    kraken.now_ns = NOW
    kraken.requests.clear()
    (found,) = topped_up(kraken, lake)
    assert found.added == len(lake.read(SERIES)) - before > 0
    assert found.corrected == 0
    assert [name for name, _ in kraken.requests] == ["OHLC"]


def test_a_bar_that_the_exchange_corrected_is_replaced_and_counted(kraken, tmp_path):
    lake = CandleLake(tmp_path)
    topped_up(kraken, lake)
    kraken.trades = [
        (ts, price, quantity * 2 if ts > OPEN_MINUTE - 3 * MINUTE_NS else quantity)
        for ts, price, quantity in kraken.trades
    ]
    (found,) = topped_up(kraken, lake)
    stored = lake.read(SERIES)
    changed = int((stored.ts >= OPEN_MINUTE - 3 * MINUTE_NS).sum())
    assert (found.added, found.corrected) == (0, changed)
    assert changed > 0
    assert np.array_equal(stored.volume, kraken.bars().between(int(stored.ts[0]), OPEN_MINUTE).volume)


def test_nothing_new_changes_no_byte(kraken, tmp_path):
    lake = CandleLake(tmp_path)
    topped_up(kraken, lake)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("data.parquet")}
    (found,) = topped_up(kraken, lake)
    assert (found.added, found.corrected) == (0, 0)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("data.parquet")} == files


def test_an_exchange_out_of_reach_stops_no_other_and_forgets_nothing(kraken, tmp_path):
    lake = CandleLake(tmp_path)
    topped_up(kraken, lake)
    bars, coverage = lake.read(SERIES), lake.coverage(SERIES)
    unknown = Series("kraken", "ABC/XYZ", "1m")
    refused, answered = topped_up(kraken, lake, (unknown, SERIES))
    assert refused.problem
    assert refused.closed_ns is None
    assert answered.problem is None
    (silent,) = topped_up(kraken, lake, url="http://127.0.0.1:1")
    assert "127.0.0.1:1" in silent.problem
    assert silent.closed_ns == answered.closed_ns
    assert same(lake.read(SERIES), bars)
    assert lake.coverage(SERIES) == coverage


def test_forgotten_coverage_leaves_the_bars(kraken, tmp_path):
    lake = CandleLake(tmp_path)
    topped_up(kraken, lake)
    bars = lake.read(SERIES)
    cut = int(bars.ts[100])
    lake.forget(SERIES, cut)
    assert lake.coverage(SERIES)[-1][1] == cut
    lake.forget(SERIES, 0)
    assert lake.coverage(SERIES) == []
    assert same(lake.read(SERIES), bars)
