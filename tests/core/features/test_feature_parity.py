"""One kernel, two drivers: the same bits from any cut, nothing from the future, a bounded past."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gal_friday_core.candles import Candles, Series, concatenate
from gal_friday_core.errors import DataError, SchemaMismatchError
from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.drivers import REACH, FeatureStream, FeatureTable, compute
from gal_friday_core.features.layout import BLOCK, LONGEST_GAP, MEMORY
from gal_friday_core.features.schema import Feature, FeatureSchema
from gal_friday_core.times import MINUTE_NS
from tests.core.features.markets import market, replaced

seeds = st.integers(0, 2**32)
intervals = st.sampled_from(["1m", "5m", "1h", "1d"])
REAL = ("bitfinex_XRPUSD_1m_2017", "binance_ETHUSDT_5m_2024-01_2024-09", "kraken_ETHUSD_1h")


def rows_of(candles: Candles) -> list[tuple]:
    return list(zip(*(column.tolist() for column in candles.columns()[:6]), strict=True))


def streamed(candles: Candles, stream: FeatureStream | None = None) -> np.ndarray:
    stream = stream or FeatureStream(CANDLES_V1, candles.series.interval_ns)
    return np.array([stream.update(*row) for row in rows_of(candles)]).reshape(-1, len(CANDLES_V1))


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and one.tobytes() == other.tobytes()


def real_candles(shared_data: Path, name: str) -> Candles:
    polars = pytest.importorskip("polars")
    table = polars.read_parquet(shared_data / "ohlcv" / f"{name}.parquet")
    columns = [table[key].to_numpy() for key in ("ts", "open", "high", "low", "close", "volume")]
    series = Series(name.split("_")[0], "BASE/QUOTE", name.split("_")[2])
    return Candles(series, *columns, np.full(len(table), -1))


@settings(deadline=None)
@given(seed=seeds, bars=st.integers(0, 1500), interval=intervals, data=st.data())
def test_batch_equals_stream_bit_for_bit_from_any_cut(seed, bars, interval, data):
    candles = market(seed, bars, interval=interval)
    cut = data.draw(st.integers(0, bars), label="cut")
    stream = FeatureStream(CANDLES_V1, candles.series.interval_ns)
    head = stream.extend(candles[:cut])
    assert same_bits(compute(candles).values, np.concatenate((head, streamed(candles[cut:], stream))))


@settings(deadline=None)
@given(seed=seeds, bars=st.integers(1, 1500), data=st.data())
def test_rows_after_t_change_no_feature_at_or_before_t(seed, bars, data):
    candles, other = market(seed, bars), market(seed + 1, bars, missing=0.3, longest_gap=90)
    t = data.draw(st.integers(0, bars - 1), label="t")
    later = replaced(other, ts=candles.ts[t] + np.cumsum(np.diff(other.ts, prepend=other.ts[0] - MINUTE_NS)))
    altered = concatenate([candles[: t + 1], later])
    assert same_bits(compute(candles).values[: t + 1], compute(altered).values[: t + 1])


@settings(deadline=None, max_examples=50)
@given(seed=seeds, bars=st.integers(1, 4000), missing=st.floats(0, 1), gap=st.integers(2, 70), data=st.data())
def test_a_stream_begun_anywhere_gives_the_bits_of_all_history_after_its_reach(
    seed, bars, missing, gap, data
):
    candles = market(seed, bars, missing=missing, longest_gap=gap)
    start = data.draw(st.integers(0, bars), label="start")
    whole, part = compute(candles).values, compute(candles[start:]).values
    known = min(start + REACH - 1, bars) if start else 0
    assert same_bits(whole[known:], part[known - start :])


@pytest.mark.parametrize(("before", "same"), [(MEMORY, True), (MEMORY - 1, False)])
def test_the_first_row_of_a_block_depends_on_the_whole_ring_and_on_no_more(before, same):
    candles = market(3, 3 * BLOCK, missing=0)
    first = int(np.flatnonzero((candles.ts // MINUTE_NS) % BLOCK == 0)[-1])
    row = compute(candles[first - before : first + 1]).values[-1]
    assert same_bits(row, compute(candles).values[first]) is same


def test_a_gap_of_more_than_sixty_intervals_starts_anew():
    assert LONGEST_GAP == 60
    candles = market(1, 900, missing=0)
    for gap, anew in ((LONGEST_GAP, False), (LONGEST_GAP + 1, True)):
        shifted = np.where(np.arange(900) < 400, candles.ts, candles.ts + (gap - 1) * MINUTE_NS)
        after = compute(replaced(candles, ts=shifted)).values[400:]
        assert same_bits(after, compute(replaced(candles, ts=shifted)[400:]).values) is anew


@settings(deadline=None)
@given(seed=seeds, bars=st.integers(0, 600))
def test_every_feature_is_nan_until_its_warm_up_and_finite_from_then_on(seed, bars):
    values = compute(market(seed, bars)).values
    for column, feature in zip(values.T, CANDLES_V1.features, strict=True):
        assert np.isnan(column[: feature.warmup]).all()
        assert np.isfinite(column[feature.warmup :]).all()


def test_a_stream_begun_from_history_goes_on_as_the_batch():
    candles = market(5, 4000)
    stream = FeatureStream.from_history(candles[:3000])
    assert stream.ready
    assert same_bits(stream.extend(candles[3000:]), compute(candles).values[3000:])


def test_a_stream_is_ready_with_its_first_row_of_known_features():
    candles = market(2, CANDLES_V1.warmup + 1)
    stream = FeatureStream(CANDLES_V1, MINUTE_NS)
    for row in rows_of(candles):
        assert stream.ready is False
        latest = stream.update(*row)
        assert stream.ready is bool(np.isfinite(latest).all())
    assert stream.ready is True


def test_a_row_belongs_to_the_caller():
    candles = market(2, 300)
    stream = FeatureStream(CANDLES_V1, MINUTE_NS)
    rows = [stream.update(*row) for row in rows_of(candles)]
    rows[-1][:] = 0.0
    assert same_bits(np.array(rows[:-1]), compute(candles).values[:-1])


@pytest.mark.parametrize(
    ("place", "number"),
    [
        (0, 0),
        (0, -MINUTE_NS),
        (1, np.nan),
        (2, np.inf),
        (3, 0.0),
        (3, -1.0),
        (4, np.nan),
        (5, -1.0),
        (5, np.nan),
    ],
)
def test_a_bad_bar_is_refused_and_changes_nothing(place, number):
    candles = market(4, 600, missing=0)
    stream = FeatureStream(CANDLES_V1, MINUTE_NS)
    stream.extend(candles[:500])
    bad = list(rows_of(candles)[500])
    bad[place] = bad[0] - MINUTE_NS + number if place == 0 else number
    with pytest.raises(DataError, match="bar refused at 2024-02-28T"):
        stream.update(*bad)
    assert same_bits(stream.extend(candles[500:]), compute(candles).values[500:])


def test_a_bad_row_in_a_batch_is_named():
    candles = market(4, 100, missing=0)
    close = candles.close.copy()
    close[42] = np.nan
    with pytest.raises(DataError, match=r"kraken:BTC-USD:1m, row 42: bar refused at 2024-02-28T14:20:00"):
        compute(replaced(candles, close=close))


def test_columns_with_gaps_in_memory_give_the_same_bits():
    candles = market(6, 700)
    block = np.array([column.view(np.float64) for column in candles.columns()[1:6]]).T.copy()
    scattered = replaced(
        candles, **{name: block[:, i] for i, name in enumerate(("open", "high", "low", "close", "volume"))}
    )
    assert not scattered.close.flags.c_contiguous
    assert same_bits(compute(scattered).values, compute(candles).values)


def test_a_schema_that_no_kernel_computes_is_refused():
    foreign = FeatureSchema("candles-v0", 1, (Feature("close", "price", 0, "close"),))
    with pytest.raises(SchemaMismatchError, match="no kernel computes feature set 'candles-v0'"):
        compute(market(0, 10), foreign)


def test_the_fingerprint_names_schema_times_and_values_bit_for_bit():
    table = compute(market(0, 300))
    nudged = table.values.copy()
    nudged[299, 0] = np.nextafter(nudged[299, 0], 1.0)
    assert table.fingerprint() == compute(market(0, 300)).fingerprint()
    assert table.fingerprint() != FeatureTable(table.ts, nudged, table.schema).fingerprint()
    assert table.fingerprint() != FeatureTable(table.ts + 1, table.values, table.schema).fingerprint()


def test_finite_rows_are_those_after_the_warm_up():
    table = compute(market(0, 300))
    assert table.finite_rows().tolist() == [False] * CANDLES_V1.warmup + [True] * (300 - CANDLES_V1.warmup)
    assert len(table[250:]) == 50
    assert same_bits(table.column("volatility_60"), table.values[:, CANDLES_V1.index("volatility_60")])


@pytest.mark.data
@pytest.mark.parametrize("name", REAL)
def test_on_real_candles_batch_equals_stream_and_reach_is_bounded(shared_data, name):
    candles = real_candles(shared_data, name)[:30_000]
    values = compute(candles).values
    assert same_bits(values, streamed(candles))
    for start in range(1, len(candles) - REACH, 997):
        part = compute(candles[start : start + REACH + 1]).values
        assert same_bits(part[REACH - 1 :], values[start + REACH - 1 : start + REACH + 1])
