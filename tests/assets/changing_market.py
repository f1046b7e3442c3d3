"""A market that changes under a model that learnt it, and how a small installation is loosened to learn it anew."""

import numpy as np

from gal_friday_core.candles import Candles
from gal_friday_core.times import DAY_NS, from_iso
from tests.assets.conftest import SERIES
from tests.assets.test_retrain import SMALL

OLD, SEEN, SHADOWED, REST = 3_000, 3_000, 600, 300
"""Bars: that the first model learns from; of the new market until it is trained again; in the shadow; after it."""

LOOSE = SMALL | {
    # A walk-forward over the change would refuse whatever learns both markets.
    "TRAINING__LOOKBACK_DAYS": str(SEEN * SERIES.interval_ns / DAY_NS),
    "GATES__MAX_FEATURE_AUC": "1",  # in a market so plain, the canary takes each trend for a leak
    "GATES__MIN_DSR": "0.01",
    "GATES__MAX_PBO": "0.99",
    "GATES__MIN_STRESSED_PROFIT": "-0.01",
    # Records of eight days. That the second beats the first on bars that neither has seen is asked all the same.
    "GATES__CONFIDENCE": "0.7",
    "GATES__MIN_LOG_LOSS_GAIN": "-1",
    "GATES__MIN_NET_PROFIT": "-0.01",
    "GATES__MAX_CALIBRATION_ERROR": "0.6",
    "GATES__MIN_PSR": "0.01",
    "RETRAINING__PROMOTE": "auto",
    "RETRAINING__SHADOW_DAYS": "1",
    "RETRAINING__MIN_SHADOW_LABELS": "20",
    "RETRAINING__MAX_AGE_DAYS": "0",  # its bars are of 2017
    "RETRAINING__NEW_DATA_SHARE": "0",  # only drift asks
    "RISK__MAX_DAILY_DRAWDOWN": "1",
    "RISK__MAX_WEEKLY_DRAWDOWN": "1",
    "RISK__MAX_TOTAL_DRAWDOWN": "1",
}


def changing_market(rest: int = REST, start_ns: int = from_iso("2017-01-20")) -> Candles:
    """Up for 60 bars and down for 60; then quickly up for six and slowly down for eighteen: who follows a rise loses."""
    bars = OLD + SEEN + SHADOWED + rest
    place = np.arange(bars)
    before = np.where(place // 60 % 2, -0.002, 0.002)
    after = np.where((place - OLD) % 24 < 6, 0.006, -0.002)
    rng = np.random.default_rng(11)
    close = 1_000 * np.exp(np.cumsum(np.where(place < OLD, before, after) + rng.normal(0, 0.001, bars)))
    opened = np.concatenate(([1_000.0], close[:-1]))
    wick = np.exp(np.abs(rng.normal(0, 0.0005, bars)))
    ts = start_ns + place * SERIES.interval_ns
    return Candles(
        SERIES, ts, opened, np.maximum(opened, close) * wick, np.minimum(opened, close) / wick, close,
        rng.uniform(1, 9, bars), np.full(bars, -1, np.int64),
    )  # fmt: skip
