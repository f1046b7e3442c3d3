"""The feature set `candles-v1`: what each column of the kernel means, in the order the kernel writes them."""

import math

from gal_friday_core.features import layout
from gal_friday_core.features.schema import Feature, FeatureSchema

SEED_WEIGHT = 1e-3
"""A recursive average is warm when its first value weighs less than this."""

_TALIB = "TA-Lib"
_WILDER = "Wilder, New Concepts in Technical Trading Systems, 1978"
_PANDAS = "pandas rolling"


def _settled(decay: float) -> int:
    """Bars until the seed of a recursive average that keeps `decay` of itself a bar weighs SEED_WEIGHT."""
    return math.ceil(math.log(SEED_WEIGHT) / math.log(decay))


def _ema_warmup(span: int) -> int:
    return _settled(1.0 - 2.0 / (span + 1))


def _feature(name: str, unit: str, warmup: int, source: str, **parameters: float) -> Feature:
    return Feature(name, unit, warmup, source, tuple(sorted(parameters.items())))


def _trend() -> list[Feature]:
    fast, slow, _ = layout.EMA_SPANS
    macd_warmup = _ema_warmup(slow) + _ema_warmup(layout.SIGNAL_SPAN)
    macd = {"fast": fast, "slow": slow, "signal": layout.SIGNAL_SPAN}
    roc = layout.RATE_OF_CHANGE
    return [
        *(
            _feature(f"log_return_{bars}", "log", bars, "ln(close / close[-bars])", bars=bars)
            for bars in layout.HORIZONS
        ),
        _feature(f"rate_of_change_{roc}", "share", roc, f"{_TALIB} ROCP", bars=roc),
        *(
            _feature(
                f"ema_{span}_distance", "share", _ema_warmup(span), f"close / {_TALIB} EMA - 1", span=span
            )
            for span in layout.EMA_SPANS
        ),
        _feature("macd_line", "share of price", _ema_warmup(slow), f"{_TALIB} MACD / close", **macd),
        _feature("macd_signal", "share of price", macd_warmup, f"{_TALIB} MACD signal / close", **macd),
        _feature("macd_histogram", "share of price", macd_warmup, f"{_TALIB} MACD histogram / close", **macd),
        _feature(
            "rsi_14",
            "0 to 100; 50 when the price never moved",
            _settled(1.0 - 1.0 / layout.WILDER_PERIOD),
            f"{_WILDER}; {_TALIB} RSI",
            period=layout.WILDER_PERIOD,
        ),
    ]


def _short_windows() -> list[Feature]:
    short = layout.SHORT
    return [
        _feature(
            "stochastic_14",
            "0 low to 1 high; 0.5 without a range",
            layout.SHORTEST - 1,
            f"{_TALIB} WILLR / 100 + 1",
            bars=layout.SHORTEST,
        ),
        _feature(
            "bollinger_position_20",
            "half band widths; 0 without a deviation",
            short - 1,
            f"(close - middle) / (upper - middle) of {_TALIB} BBANDS",
            bars=short,
            deviations=2,
        ),
        _feature(
            "bollinger_width_20",
            "share of price",
            short - 1,
            f"(upper - lower) / middle of {_TALIB} BBANDS",
            bars=short,
            deviations=2,
        ),
        _feature(
            "atr_14",
            "share of price",
            _settled(1.0 - 1.0 / layout.WILDER_PERIOD),
            f"{_WILDER}; {_TALIB} NATR / 100",
            period=layout.WILDER_PERIOD,
        ),
    ]


def _volatility() -> list[Feature]:
    windows = (layout.SHORT, layout.MIDDLE, layout.LONG)
    return [
        *(
            _feature(
                f"volatility_{bars}",
                "log per bar, population standard deviation",
                bars,
                f"{_PANDAS} std(ddof=0) of log_return_1",
                bars=bars,
            )
            for bars in windows
        ),
        _feature(
            "volatility_ratio_20_60",
            "ratio; 1 without volatility",
            layout.MIDDLE,
            "volatility_20 / volatility_60",
        ),
    ]


def _volume_and_range() -> list[Feature]:
    bars = layout.MIDDLE
    return [
        _feature(
            "volume_zscore_60",
            "population standard deviations; 0 for a constant volume",
            bars - 1,
            f"(volume - mean) / std(ddof=0), {_PANDAS}",
            bars=bars,
        ),
        _feature(
            "volume_ratio_20_60",
            "ratio; 1 without volume",
            bars - 1,
            f"mean volume of 20 bars / of 60, {_PANDAS}",
            short=layout.SHORT,
            bars=bars,
        ),
        _feature(
            "volume_flow_60",
            "-1 all falling to 1 all rising; 0 without volume",
            bars,
            f"sum of sign(log_return_1) * volume / sum of volume, {_PANDAS}; compare {_TALIB} OBV",
            bars=bars,
        ),
        _feature(
            "vwap_distance_60",
            "share; 0 without volume",
            bars - 1,
            f"close / (sum of (high + low + close) / 3 * volume / sum of volume) - 1, {_PANDAS}",
            bars=bars,
        ),
        _feature(
            "range_position_60",
            "0 low to 1 high; 0.5 without a range",
            bars - 1,
            f"(close - {_TALIB} MIN of low) / ({_TALIB} MAX of high - MIN of low)",
            bars=bars,
        ),
        _feature(
            "range_width_60",
            "share of price",
            bars - 1,
            f"({_TALIB} MAX of high - {_TALIB} MIN of low) / close",
            bars=bars,
        ),
    ]


def _bar_and_calendar() -> list[Feature]:
    day, week = "2 pi * minute of the UTC day / 1440", "2 pi * UTC weekday / 7, Monday 0"
    shape = "-1 to 1; 0 without a range"
    wick = "0 to 1; 0 without a range"
    return [
        _feature("candle_range", "share of price", 0, "(high - low) / close"),
        _feature("candle_body", shape, 0, "(close - open) / (high - low)"),
        _feature("upper_wick", wick, 0, "(high - max(open, close)) / (high - low)"),
        _feature("lower_wick", wick, 0, "(min(open, close) - low) / (high - low)"),
        _feature("time_of_day_sin", "-1 to 1", 0, f"sin({day}) of the bar's open"),
        _feature("time_of_day_cos", "-1 to 1", 0, f"cos({day}) of the bar's open"),
        _feature("day_of_week_sin", "-1 to 1", 0, f"sin({week}) of the bar's open"),
        _feature("day_of_week_cos", "-1 to 1", 0, f"cos({week}) of the bar's open"),
        _feature("missing_bars", "intervals", 1, "intervals without a bar since the last one"),
    ]


CANDLES_V1 = FeatureSchema(
    name="candles-v1",
    revision=1,
    features=(*_trend(), *_short_windows(), *_volatility(), *_volume_and_range(), *_bar_and_calendar()),
)
"""Raise `revision` with every change of the kernel that changes a number."""
