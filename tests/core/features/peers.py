"""The same features by other people's code: TA-Lib with numpy, and pandas. Oracles for tests and benchmarks.

Both take gap-free candles, use each library's own way, and leave the columns where the library put them.
"""

import numpy as np
import pandas as pd
import talib

from gal_friday_core.candles import Candles
from gal_friday_core.times import MINUTE_NS

Columns = dict[str, np.ndarray]

DAY = 2 * np.pi * np.arange(1440) / 1440
WEEK = 2 * np.pi * np.arange(7) / 7
DAY_SIN, DAY_COS, WEEK_SIN, WEEK_COS = np.sin(DAY), np.cos(DAY), np.sin(WEEK), np.cos(WEEK)


def lagged(values: np.ndarray, bars: int) -> np.ndarray:
    """values - values[-bars]; NaN where there is nothing to subtract."""
    out = np.full(len(values), np.nan)
    np.subtract(values[bars:], values[:-bars], out=out[bars:])
    return out


def calendar_columns(candles: Candles) -> Columns:
    days, minutes = np.divmod(candles.ts // MINUTE_NS, 1440)
    weekdays = (days + 3) % 7
    return {
        "time_of_day_sin": DAY_SIN[minutes],
        "time_of_day_cos": DAY_COS[minutes],
        "day_of_week_sin": WEEK_SIN[weekdays],
        "day_of_week_cos": WEEK_COS[weekdays],
        "missing_bars": np.diff(candles.ts, prepend=0) / candles.series.interval_ns - 1,
    }


def candle_columns(candles: Candles) -> Columns:
    open_, high, low, close = candles.open, candles.high, candles.low, candles.close
    spread = high - low
    with np.errstate(invalid="ignore", divide="ignore"):
        body, upper, lower = (
            (close - open_) / spread,
            (high - np.maximum(open_, close)) / spread,
            (np.minimum(open_, close) - low) / spread,
        )
    return {"candle_range": spread / close, "candle_body": body, "upper_wick": upper, "lower_wick": lower}


def talib_trend(candles: Candles) -> Columns:
    close = candles.close
    log = np.log(close)
    line, signal, histogram = talib.MACD(close, 12, 26, 9)
    return {
        **{f"log_return_{bars}": lagged(log, bars) for bars in (1, 5, 15, 60, 240)},
        "rate_of_change_30": talib.ROCP(close, 30),
        **{f"ema_{span}_distance": close / talib.EMA(close, span) - 1 for span in (12, 26, 50)},
        "macd_line": line / close,
        "macd_signal": signal / close,
        "macd_histogram": histogram / close,
        "rsi_14": talib.RSI(close, 14),
    }


def talib_columns(candles: Candles) -> Columns:
    """All features; TA-Lib wherever it has the function."""
    high, low, close, volume = candles.high, candles.low, candles.close, candles.volume
    trend = talib_trend(candles)
    returns = trend["log_return_1"][1:]  # TA-Lib takes no NaN
    unknown = np.array([np.nan])
    volatility = {n: np.concatenate((unknown, talib.STDDEV(returns, n))) for n in (20, 60, 240)}
    upper, middle, lower = talib.BBANDS(close, 20, 2, 2)
    volume_mean = talib.SMA(volume, 60)
    volume_sum = talib.SUM(volume, 60)
    flow = talib.SUM(np.sign(returns) * volume[1:], 60)
    value = talib.SUM(talib.TYPPRICE(high, low, close) * volume, 60)
    lowest, highest = talib.MIN(low, 60), talib.MAX(high, 60)
    return {
        **trend,
        "stochastic_14": talib.WILLR(high, low, close, 14) / 100 + 1,
        "bollinger_position_20": (close - middle) / (upper - middle),
        "bollinger_width_20": (upper - lower) / middle,
        "atr_14": talib.NATR(high, low, close, 14) / 100,
        **{f"volatility_{n}": values for n, values in volatility.items()},
        "volatility_ratio_20_60": volatility[20] / volatility[60],
        "volume_zscore_60": (volume - volume_mean) / talib.STDDEV(volume, 60),
        "volume_ratio_20_60": talib.SMA(volume, 20) / volume_mean,
        "volume_flow_60": np.concatenate((unknown, flow)) / volume_sum,
        "vwap_distance_60": close * volume_sum / value - 1,
        "range_position_60": (close - lowest) / (highest - lowest),
        "range_width_60": (highest - lowest) / close,
        **candle_columns(candles),
        **calendar_columns(candles),
    }


def pandas_trend(close: pd.Series, high: pd.Series, low: pd.Series) -> dict[str, pd.Series]:
    log = np.log(close)
    fast, slow, slowest = (close.ewm(span=span, adjust=False).mean() for span in (12, 26, 50))
    signal = (fast - slow).ewm(span=9, adjust=False).mean()
    change = close.diff()
    gain, loss = (side.clip(lower=0).ewm(alpha=1 / 14, adjust=False).mean() for side in (change, -change))
    before = close.shift()
    true_range = np.maximum(high, before) - np.minimum(low, before)
    return {
        **{f"log_return_{bars}": log.diff(bars) for bars in (1, 5, 15, 60, 240)},
        "rate_of_change_30": close.pct_change(30),
        "ema_12_distance": close / fast - 1,
        "ema_26_distance": close / slow - 1,
        "ema_50_distance": close / slowest - 1,
        "macd_line": (fast - slow) / close,
        "macd_signal": signal / close,
        "macd_histogram": (fast - slow - signal) / close,
        "rsi_14": 100 * gain / (gain + loss),
        "atr_14": true_range.ewm(alpha=1 / 14, adjust=False).mean() / close,
    }


def pandas_columns(candles: Candles) -> Columns:
    """All features; pandas rolling and ewm throughout."""
    frame = pd.DataFrame(
        {name: getattr(candles, name) for name in ("high", "low", "close", "volume")}, copy=False
    )
    high, low, close, volume = (frame[name] for name in frame)
    trend = pandas_trend(close, high, low)
    returns = trend["log_return_1"]
    middle, band = close.rolling(20).mean(), 2 * close.rolling(20).std(ddof=0)
    volatility = {n: returns.rolling(n).std(ddof=0) for n in (20, 60, 240)}
    recent = volume.rolling(60)
    mean, total = recent.mean(), recent.sum()
    lowest, highest = low.rolling(60).min(), high.rolling(60).max()
    low_14, high_14 = low.rolling(14).min(), high.rolling(14).max()
    value = ((high + low + close) / 3 * volume).rolling(60).sum()
    columns = {
        **trend,
        "stochastic_14": (close - low_14) / (high_14 - low_14),
        "bollinger_position_20": (close - middle) / band,
        "bollinger_width_20": 2 * band / middle,
        **{f"volatility_{n}": values for n, values in volatility.items()},
        "volatility_ratio_20_60": volatility[20] / volatility[60],
        "volume_zscore_60": (volume - mean) / recent.std(ddof=0),
        "volume_ratio_20_60": volume.rolling(20).mean() / mean,
        "volume_flow_60": (np.sign(returns) * volume).rolling(60).sum() / total,
        "vwap_distance_60": close * total / value - 1,
        "range_position_60": (close - lowest) / (highest - lowest),
        "range_width_60": (highest - lowest) / close,
    }
    found = {name: series.to_numpy() for name, series in columns.items()}
    return {**found, **candle_columns(candles), **calendar_columns(candles)}
