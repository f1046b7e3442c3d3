"""Real candles as what an outside market trades around."""

import numpy as np
import pytest

from gal_friday_core.candles import Candles, Series
from gal_friday_core.errors import DataError
from gal_friday_core.times import MINUTE_NS, from_iso
from gal_friday_core.venue.candle_path import CandlePath

START = from_iso("2024-01-01")
SERIES = Series("kraken", "BTC/USD", "1m")


def candles(series=SERIES):
    ts = START + np.arange(4, dtype=np.int64) * MINUTE_NS
    opened, close = np.array([10.0, 12.0, 11.0, 14.0]), np.array([12.0, 11.0, 14.0, 13.0])
    high, low = np.maximum(opened, close) + 1, np.minimum(opened, close) - 1
    return Candles(series, ts, opened, high, low, close, np.array([1.0, 1.0, 1.0, 9.0]), np.ones(4, np.int64))


def test_a_rising_bar_goes_over_its_low_to_its_high_and_a_falling_one_the_other_way():
    path = CandlePath(candles(), START)
    third = MINUTE_NS // 3
    assert [path.at(START + part * third)[0] for part in range(4)] == pytest.approx([10, 9, 13, 12])
    falling = START + MINUTE_NS
    assert [path.at(falling + part * third)[0] for part in range(4)] == pytest.approx([12, 13, 10, 11])


def test_the_value_never_leaves_its_bar():
    path, bars = CandlePath(candles(), START), candles()
    for moment in range(START, START + 4 * MINUTE_NS, 237_000_000):
        bar = (moment - START) // MINUTE_NS
        assert bars.low[bar] <= path.at(moment)[0] <= bars.high[bar]


def test_bars_before_the_start_are_history_and_after_the_last_one_the_value_stands():
    path = CandlePath(candles(), START + 2 * MINUTE_NS)
    assert len(path.history) == 2
    assert path.end_ns == START + 4 * MINUTE_NS
    assert path.at(path.end_ns + MINUTE_NS)[0] == pytest.approx(13.0)


def test_activity_follows_the_volume_within_bounds():
    path = CandlePath(candles(), START)
    assert path.at(START)[1] == pytest.approx(1 / 3)
    assert path.at(START + 3 * MINUTE_NS)[1] == pytest.approx(3.0)


def test_longer_bars_and_an_empty_rest_are_refused():
    with pytest.raises(DataError, match="one-minute candles"):
        CandlePath(candles(Series("kraken", "BTC/USD", "5m")), START)
    with pytest.raises(DataError, match="no candle left to play"):
        CandlePath(candles(), START + MINUTE_NS * 10)
