"""Each feature against TA-Lib and pandas where they define it, else against its definition written out."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gal_friday_core.features.candle_set import CANDLES_V1
from gal_friday_core.features.drivers import compute
from gal_friday_core.features.layout import MEMORY
from gal_friday_core.times import MINUTE_NS
from tests.core.features.markets import constant, market, replaced
from tests.core.features.peers import pandas_columns, talib_columns

# Rows from here on: the seeds of our recursive averages and of theirs have lost their weight.
SETTLED = 2 * MEMORY

# Absolute differences that are theirs or by design; everything else agrees to 1e-9 relative or 1e-11.
TALIB = {
    "ema_50_distance": 5e-10,  # our ring forgets: a seed of 512 bars ago weighs 1.3e-9 of a distance < 0.4
    "bollinger_position_20": 1e-8,  # TA-Lib takes the variance of raw prices: E[x²] - E[x]²
    "bollinger_width_20": 1e-10,  # likewise
}
PANDAS = {
    **TALIB,
    "bollinger_position_20": 1e-6,  # pandas adds and removes prices one by one for the whole history
    "bollinger_width_20": 1e-9,  # likewise
    "volume_zscore_60": 1e-8,  # likewise
}


def lively(seed: int) -> object:
    """Gap-free, never constant: every library's formula is defined on every row."""
    return market(seed, 3000, missing=0, quiet=0)


@pytest.mark.parametrize(("library", "looser"), [(talib_columns, TALIB), (pandas_columns, PANDAS)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_feature_agrees_with_the_library(library, looser, seed):
    candles = lively(seed)
    theirs, ours = library(candles), compute(candles)
    assert set(theirs) == set(CANDLES_V1.names)
    for name in CANDLES_V1.names:
        np.testing.assert_allclose(
            ours.column(name)[SETTLED:],
            theirs[name][SETTLED:],
            rtol=1e-9,
            atol=looser.get(name, 1e-11),
            err_msg=name,
        )


def test_windows_and_returns_agree_with_pandas_from_their_first_row():
    candles = lively(4)
    theirs, ours = pandas_columns(candles), compute(candles)
    recursive = ("ema", "macd", "rsi", "atr")
    for feature in CANDLES_V1.features:
        if not feature.name.startswith(recursive):
            rows = slice(feature.warmup, 600)
            np.testing.assert_allclose(
                ours.column(feature.name)[rows],
                theirs[feature.name][rows],
                rtol=1e-9,
                atol=PANDAS.get(feature.name, 1e-11),
                err_msg=feature.name,
            )


@given(minutes=st.integers(0, 60_000_000))
@settings(deadline=None, max_examples=30)
def test_the_calendar_is_that_of_utc(minutes):
    moments = [datetime.fromtimestamp((minutes + i) * 60, UTC) for i in range(50)]
    ts = np.array([int(moment.timestamp()) for moment in moments]) * 1_000_000_000
    table = compute(replaced(market(0, 50), ts=ts))
    day = [2 * np.pi * (moment.hour * 60 + moment.minute) / 1440 for moment in moments]
    week = [2 * np.pi * moment.weekday() / 7 for moment in moments]
    for name, expected in (
        ("time_of_day_sin", np.sin(day)),
        ("time_of_day_cos", np.cos(day)),
        ("day_of_week_sin", np.sin(week)),
        ("day_of_week_cos", np.cos(week)),
    ):
        np.testing.assert_allclose(table.column(name), expected, rtol=0, atol=1e-15)


def test_window_features_follow_their_definition_bar_by_bar():
    candles = market(8, 400, missing=0.3)
    table = compute(candles)
    log = np.log(candles.close)
    for t in range(60, 400, 7):
        bars = slice(t - 59, t + 1)
        high, low, close, volume = (
            getattr(candles, name)[bars] for name in ("high", "low", "close", "volume")
        )
        change = np.diff(candles.close[t - 60 : t + 1])
        expected = {
            "volatility_60": np.std(np.diff(log[t - 60 : t + 1])),
            "volume_flow_60": (np.sign(change) * volume).sum() / volume.sum(),
            "vwap_distance_60": close[-1] / np.average((high + low + close) / 3, weights=volume) - 1,
            "range_position_60": (close[-1] - low.min()) / (high.max() - low.min()),
            "volume_zscore_60": (volume[-1] - volume.mean()) / volume.std(),
            "volume_ratio_20_60": volume[-20:].mean() / volume.mean(),
            "missing_bars": (candles.ts[t] - candles.ts[t - 1]) / MINUTE_NS - 1,
        }
        for name, value in expected.items():
            assert table.column(name)[t] == pytest.approx(value, rel=1e-9, abs=1e-13), (name, t)


def test_the_shape_of_a_candle():
    candles = market(8, 2, missing=0)
    shaped = replaced(
        candles,
        open=np.array([10.0, 14.0]),
        high=np.array([15.0, 14.0]),
        low=np.array([9.0, 9.0]),
        close=np.array([12.0, 10.0]),
    )
    table = compute(shaped)
    shape = {"candle_range": 6 / 12, "candle_body": 2 / 6, "upper_wick": 3 / 6, "lower_wick": 1 / 6}
    assert {name: table.column(name)[0] for name in shape} == pytest.approx(shape)
    shape = {"candle_range": 5 / 10, "candle_body": -4 / 5, "upper_wick": 0, "lower_wick": 1 / 5}
    assert {name: table.column(name)[1] for name in shape} == pytest.approx(shape)


STILL = {
    "rsi_14": 50.0,
    "stochastic_14": 0.5,
    "range_position_60": 0.5,
    "volatility_ratio_20_60": 1.0,
    "volume_ratio_20_60": 1.0,
}


@pytest.mark.parametrize("volume", [0.0, 0.1])
@pytest.mark.parametrize("price", [1e-8, 0.1, 61_234.5])
def test_a_market_that_never_moves_has_the_documented_values(price, volume):
    candles = constant(1300, price, volume)
    last = dict(zip(CANDLES_V1.names, compute(candles).values[-1].tolist(), strict=True))
    calendar = ("time_of_day_sin", "time_of_day_cos", "day_of_week_sin", "day_of_week_cos")
    for name, value in last.items():
        if name not in calendar:
            assert value == pytest.approx(STILL.get(name, 0.0), abs=1e-15), name


def test_a_market_that_stops_moving_comes_to_rest_exactly():
    moving, candles = market(3, 400, missing=0), market(3, 700, missing=0)
    price = float(moving.close[-1])
    rest = {
        name: np.concatenate((getattr(moving, name), np.full(300, price)))
        for name in ("open", "high", "low", "close")
    }
    table = compute(replaced(candles, **rest, volume=np.concatenate((moving.volume, np.zeros(300)))))
    for name in (
        "volatility_20",
        "volatility_60",
        "volatility_240",
        "bollinger_position_20",
        "range_width_60",
    ):
        assert table.column(name)[-1] == 0.0, name
    assert np.isfinite(table.values[CANDLES_V1.warmup :]).all()


@pytest.mark.parametrize("moving", range(240, 300, 7))
def test_a_window_without_change_has_no_deviation_whatever_came_before(moving):
    before, bars = market(3, moving, missing=0), moving + 100
    prices = {
        name: np.concatenate((getattr(before, name), np.full(100, 61_234.7)))
        for name in ("open", "high", "low", "close")
    }
    volume = np.concatenate((before.volume, np.full(100, 0.1)))
    table = compute(replaced(market(3, bars, missing=0), **prices, volume=volume))
    for name, window in (("bollinger_width_20", 20), ("bollinger_position_20", 20), ("volume_zscore_60", 60)):
        assert not table.column(name)[moving + window - 1 :].any(), name


def test_small_moves_of_a_high_price_are_measured_exactly_from_the_first_window_on():
    bars = 100
    offsets = np.random.default_rng(0).integers(-8, 9, bars) * 2.0**-20
    close = 61_234.0 + offsets  # exact in binary, so the deviations are known exactly
    table = compute(replaced(constant(bars, 61_234.0, 1.0), open=close, high=close, low=close, close=close))
    for t in range(19, bars):
        window = offsets[t - 19 : t + 1]
        assert table.column("bollinger_position_20")[t] == pytest.approx(
            (offsets[t] - window.mean()) / (2 * window.std()), rel=1e-9, abs=1e-12
        )


@settings(deadline=None)
@given(
    steps=st.lists(
        st.sampled_from([0.25, 0.5, 1.0, 1.0, 1.0, 1.0 + 2**-52, 2.0, 4.0]), min_size=260, max_size=400
    ),
    volumes=st.lists(st.sampled_from([0.0, 5e-324, 1e-8, 1.0, 1e12]), min_size=1, max_size=7),
)
def test_no_market_makes_a_warm_feature_infinite_or_unknown(steps, volumes):
    bars = len(steps)
    close = np.clip(np.cumprod(steps), 1e-12, 1e12)
    open_ = np.concatenate((close[:1], close[:-1]))
    candles = replaced(
        market(0, bars, missing=0),
        open=open_,
        high=np.maximum(open_, close),
        low=np.minimum(open_, close),
        close=close,
        volume=np.resize(volumes, bars),
    )
    assert np.isfinite(compute(candles).values[CANDLES_V1.warmup :]).all()


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), bars=st.integers(241, 1500))
def test_bounded_features_stay_within_their_bounds(seed, bars):
    table = compute(market(seed, bars))[CANDLES_V1.warmup :]
    for name in ("stochastic_14", "range_position_60", "upper_wick", "lower_wick"):
        assert ((table.column(name) >= 0) & (table.column(name) <= 1)).all(), name
    for name in ("candle_body", "volume_flow_60", "time_of_day_sin", "day_of_week_cos"):
        assert (np.abs(table.column(name)) <= 1 + 1e-12).all(), name
    assert ((table.column("rsi_14") >= 0) & (table.column("rsi_14") <= 100)).all()
    assert (table.column("missing_bars") >= 0).all()


def test_no_feature_knows_the_price_level():
    candles = lively(5)
    scaled = replaced(
        candles,
        **{name: getattr(candles, name) * 4096.0 for name in ("open", "high", "low", "close")},
        volume=candles.volume * 0.125,
    )
    np.testing.assert_allclose(compute(scaled).values, compute(candles).values, rtol=1e-9, atol=1e-11)
