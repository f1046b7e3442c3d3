import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_core.candle_quality import (
    MIN_ROWS_TO_JUDGE,
    assess,
    interval_contradiction,
    row_faults,
    select,
)
from gal_friday_core.candles import Candles, Series
from gal_friday_core.times import INTERVAL_NS, MINUTE_NS, from_iso

START = from_iso("2024-01-01")


def bars(count=300, seed=1, interval="1m"):
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 1e-3, count)))
    opened = np.append(100.0, close[:-1])
    ts = START + np.arange(count, dtype=np.int64) * INTERVAL_NS[interval]
    high, low = np.maximum(opened, close) * 1.001, np.minimum(opened, close) * 0.999
    volume, trades = rng.gamma(1, 1, count), rng.integers(1, 9, count)
    return Candles(Series("kraken", "BTC/USD", interval), ts, opened, high, low, close, volume, trades)


def flattened(candles, rows, price=100.0, volume=0.0):
    for column in (candles.open, candles.high, candles.low, candles.close):
        column[rows] = price
    candles.volume[rows] = volume
    return candles


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("close", np.nan, "missing, NaN or infinite"),
        ("volume", np.inf, "missing, NaN or infinite"),
        ("low", 0.0, "zero or negative"),
        ("open", -5.0, "zero or negative"),
        ("volume", -1.0, "volume is negative"),
        ("trades", -2, "trades is negative"),
        ("high", 50.0, "high is below low"),
        ("close", 150.0, "outside low..high"),
        ("ts", START + 7, "off the 1m grid"),
        ("ts", START + 4 * MINUTE_NS, "repeats"),
        ("ts", START, "repeats"),
        ("ts", START - MINUTE_NS, "before that of an earlier row"),
        ("ts", from_iso("1999-01-01"), "before 2009"),
    ],
)
def test_a_row_that_cannot_be_true_is_found_with_its_reason(column, value, reason):
    candles = bars(20)
    getattr(candles, column)[5] = value
    faults = row_faults(candles)
    (found,) = [mask for text, mask in faults.items() if reason in text]
    assert np.flatnonzero(found).tolist() == [5]


def test_clean_bars_have_no_faults_and_no_reasons():
    candles = bars()
    report = assess(candles)
    assert row_faults(candles) == {}
    assert report.plausible
    assert (report.rows, report.gaps, report.missing_bars, report.longest_flat_run) == (300, 0, 0, 0)


def test_gaps_are_counted_in_stretches_and_in_bars():
    candles = bars(100)
    keep = np.ones(100, bool)
    keep[10:13] = keep[50] = keep[99] = False  # a missing end is no gap
    report = assess(select(candles, keep))
    assert (report.gaps, report.missing_bars, report.max_gap_bars) == (2, 4, 3)


def test_bad_rows_are_counted_and_kept_out_of_the_returns():
    candles = bars(200)
    candles.close[50] = -1.0
    candles.high[60] = 1.0
    candles.ts[70] = candles.ts[69]
    candles.ts[80] += 1
    report = assess(candles)
    assert (report.duplicates, report.off_grid, report.inconsistent) == (1, 1, 2)
    assert np.isfinite(report.worst_outlier)


def test_an_outlier_is_reported_with_its_time_and_is_no_reason_to_refuse():
    candles = bars()
    candles.close[100:] *= 0.8
    candles.open[101:] *= 0.8
    candles.low[100:] *= 0.8
    candles.high[101:] *= 0.8
    report = assess(candles)
    assert report.outliers == 1
    assert report.worst_outlier == pytest.approx(np.log(0.8), abs=0.01)
    assert report.worst_outlier_ns == candles.ts[100]
    assert report.plausible


def test_the_longest_flat_run_counts_its_first_row_too():
    candles = flattened(bars(200), slice(50, 60), volume=1.0)
    assert assess(candles).longest_flat_run == 10
    assert assess(flattened(bars(200), slice(0, 7), volume=1.0)).longest_flat_run == 7


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda c: flattened(c, slice(0, 180)), "flat with zero volume"),
        (lambda c: c.volume.__setitem__(slice(0, 280), 0.0), "no volume"),
        (lambda c: flattened(c, slice(0, 300), volume=2.0), "unchanged price covers 100%"),
        (lambda c: [column.__imul__(np.where(np.arange(300) % 10 == 0, 10, 1)) for column in c.columns()[1:5]],
         "moved by half or more"),
        (lambda c: [column.__imul__(np.exp(np.random.default_rng(2).normal(0, 0.3, 300)))
                    for column in [c.close]], "typical bar moves"),
    ],
)  # fmt: skip
def test_an_implausible_file_is_named_with_its_reason(spoil, reason):
    candles = bars(300)
    spoil(candles)
    candles.high[:] = np.maximum(candles.high, np.maximum(candles.open, candles.close))
    candles.low[:] = np.minimum(candles.low, np.minimum(candles.open, candles.close))
    assert row_faults(candles) == {}
    assert any(reason in found for found in assess(candles).quarantine_reasons)


def test_a_short_file_is_not_judged_by_statistics():
    assert assess(flattened(bars(MIN_ROWS_TO_JUDGE - 1), slice(None))).plausible


@pytest.mark.parametrize(
    ("real", "claimed"), [("1m", "5m"), ("5m", "1m"), ("1h", "1m"), ("1d", "1h"), ("1h", "4h")]
)
def test_bars_of_another_length_than_claimed_are_told(real, claimed):
    candles = bars(60, interval=real)
    mislabelled = Candles(Series("kraken", "BTC/USD", claimed), *candles.columns())
    assert interval_contradiction(candles) is None
    assert real in interval_contradiction(mislabelled)


def test_a_thin_market_whose_minutes_are_mostly_missing_is_believed():
    candles = bars(3000)
    thin = select(candles, np.random.default_rng(1).random(3000) < 0.05)
    assert np.median(np.diff(thin.ts)) > 5 * MINUTE_NS
    assert interval_contradiction(thin) is None


@given(st.lists(st.integers(0, 60), max_size=40))
def test_whatever_the_order_and_repetition_the_faultless_rows_are_ascending_and_unique(slots):
    count = len(slots)
    ones = np.ones(count)
    candles = Candles(
        Series("kraken", "BTC/USD", "1m"),
        START + np.array(slots, np.int64) * MINUTE_NS,
        ones, ones, ones, ones, ones, np.ones(count, np.int64),
    )  # fmt: skip
    faults = row_faults(candles)
    good = select(candles, ~np.logical_or.reduce([np.zeros(count, bool), *faults.values()]))
    assert (np.diff(good.ts) > 0).all()
    assert assess(candles).rows == count
    assert (len(good) == count) == (slots == sorted(set(slots)))


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "facts"),
    [
        (
            "bitfinex_BTCUSD_1m_2016",
            {"rows": 196_155, "missing_bars": 112_004, "gaps": 43_574, "max_gap_bars": 11_390},
        ),
        ("kraken_XBTUSDT_1m_restfixture", {"rows": 721, "zero_volume_share": 216 / 721, "missing_bars": 0}),
        ("kraken_ETHUSD_1h", {"rows": 63_568, "missing_bars": 3_474, "gaps": 842, "max_gap_bars": 51}),
        (
            "binance_BTCUSDT_1m_windows_2021_2024",
            {"missing_bars": 1_650_400, "gaps": 6, "max_gap_bars": 591_806},
        ),
        ("kraken_XBTUSD_1d", {"rows": 5_103}),
    ],
)
def test_real_histories_measure_as_known_and_are_plausible(shared_data, name, facts):
    frame = pl.read_parquet(shared_data / "ohlcv" / f"{name}.parquet")
    columns = [frame[column].to_numpy() for column in ("ts", "open", "high", "low", "close", "volume")]
    series = Series("kraken", "BTC/USD", name.split("_")[2])
    report = assess(Candles(series, *columns, np.full(len(frame), -1)))
    assert {fact: getattr(report, fact) for fact in facts} == pytest.approx(facts)
    assert report.quarantine_reasons == ()
